//! Searches of messages, and their results.

use std::sync::Arc;

use realtime_shared::{Message, RoomName, Timestamp, UserId};

use crate::search::{Query, Words};

/// A search of messages.
#[derive(Debug, Clone)]
pub(crate) struct SearchQuery {
    pub(crate) query: Query,
    /// Searches this room only.
    pub(crate) room: Option<RoomName>,
    /// Searches messages of this user only, in normalization form C.
    pub(crate) from: Option<UserId>,
    /// Searches messages from before this time only.
    pub(crate) before: Option<Timestamp>,
    /// Most messages.
    pub(crate) limit: usize,
    /// Most bytes of their frames; a page has at least one message if there is any.
    pub(crate) bytes: usize,
}

impl SearchQuery {
    /// True if a message with its changes is a result. `words` is memory to be used again.
    pub(super) fn matches(&self, message: &Message, words: &mut Words) -> bool {
        if message.deleted.is_some()
            || self.before.is_some_and(|before| message.ts >= before)
            || self.from.as_ref().is_some_and(|from| message.from != *from)
            || self.room.as_ref().is_some_and(|room| message.room != *room)
        {
            return false;
        }
        words.replace(message.text.as_str());
        self.query.matches(words)
    }
}

/// The messages that a search found, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundPage {
    /// Frames, for one viewer.
    pub(crate) messages: Vec<Arc<str>>,
    /// True if there are or may be older messages.
    pub(crate) has_more: bool,
    /// False if messages were not searched that may match.
    pub(crate) is_complete: bool,
}

impl Default for FoundPage {
    fn default() -> Self {
        Self { messages: Vec::new(), has_more: false, is_complete: true }
    }
}
