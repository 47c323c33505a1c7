//! Pages of messages with their later changes, as the history of a room shows them.

use std::sync::Arc;

use realtime_shared::{Covers, Epoch, RoomSettings, Seq};

use super::entry::FIRST;
use super::page::{Page, Range};

/// A request for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PageQuery {
    pub(crate) range: PageRange,
    pub(crate) filter: PageFilter,
    /// Most messages.
    pub(crate) limit: usize,
    /// Most bytes of their frames; a page has at least one message if there is any.
    pub(crate) bytes: usize,
}

/// The part of a log from which a page is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageRange {
    Newest,
    /// The newest messages before this seq.
    Before(Seq),
    /// The oldest messages after this seq.
    After(Seq),
    /// Messages up to this seq and after it, as many of each as possible.
    Around(Seq),
}

impl PageRange {
    /// The range for a store that has no pages around a seq.
    pub(super) fn one_sided(self) -> Range {
        match self {
            Self::Newest => Range::Newest,
            Self::Before(seq) => Range::Before(seq),
            Self::After(seq) => Range::After(seq),
            Self::Around(seq) => Range::Before(seq.next()),
        }
    }

    /// Returns true if the messages are taken from the newer end of the range.
    pub(crate) fn is_newest_first(self) -> bool {
        match self {
            Self::Newest | Self::Before(_) | Self::Around(_) => true,
            Self::After(_) => false,
        }
    }
}

/// The messages that a page may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PageFilter {
    All,
    /// This message and its direct replies.
    Thread(Seq),
    Pinned,
}

/// A page of messages, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessagePage {
    /// The epoch of the log; `None` while the room has no entry.
    pub(crate) epoch: Option<Epoch>,
    /// Frames, for one viewer.
    pub(crate) messages: Vec<Arc<str>>,
    /// True if there are more messages in the direction of the range; around a seq, if there are older ones.
    pub(crate) has_more: bool,
    /// Around a seq: true if there are newer messages.
    pub(crate) has_newer: bool,
    /// `None` if the engine stores no changes.
    pub(crate) covers: Option<Covers>,
    /// `None` if they were never changed.
    pub(crate) settings: Option<RoomSettings>,
}

impl MessagePage {
    /// The page of a room without entries.
    pub(super) fn of_new_room() -> Self {
        let covers = Covers { from: FIRST, to: Seq::ZERO, as_of: Seq::ZERO };
        Self {
            epoch: None,
            messages: Vec::new(),
            has_more: false,
            has_newer: false,
            covers: Some(covers),
            settings: None,
        }
    }
}

impl From<Page> for MessagePage {
    fn from(page: Page) -> Self {
        let Page { epoch, entries, has_more } = page;
        let messages = entries.into_iter().map(|entry| entry.json).collect();
        Self { epoch, messages, has_more, has_newer: false, covers: None, settings: None }
    }
}
