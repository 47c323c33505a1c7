//! The messages that were there before: pages of history, newest page first, while what is said meanwhile is held.
//!
//! What is asked for lies before the place where the room was entered, and what the room says then lies after it: the
//! two never overlap, also not where the connection is lost in between.

use std::collections::VecDeque;

use realtime_shared::{EntryKind, Epoch, History, Message, Position, Seq, ServerEvent};

/// Entries that a server gives at most at once.
const PAGE: u32 = 200;
/// Messages that are held while older ones are fetched. With more than that it begins with what there is.
const HELD: usize = 10_000;

/// Older messages on their way.
#[derive(Debug)]
pub(super) struct Backlog {
    wanted: usize,
    epoch: Epoch,
    /// Below this number lies what is missing: it moves with entries of any kind.
    before: Seq,
    older: VecDeque<Message>,
    held: Vec<Message>,
}

/// A page to ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) before: Seq,
    pub(super) limit: u32,
}

impl Backlog {
    /// The last `wanted` messages before `head`; none where there is nothing to fetch.
    pub(super) fn begin(wanted: u32, head: Option<&Position>) -> Option<Self> {
        match head {
            Some(Position::At { epoch, seq, .. }) if wanted > 0 => Some(Self {
                wanted: wanted as usize,
                epoch: epoch.clone(),
                before: seq.next(),
                older: VecDeque::new(),
                held: Vec::new(),
            }),
            _ => None,
        }
    }

    /// What to ask for, again after each reconnect. None: all is there.
    pub(super) fn page(&self) -> Option<Page> {
        let missing = u32::try_from(self.wanted - self.older.len()).unwrap_or(PAGE);
        (missing > 0).then(|| Page { before: self.before, limit: missing.min(PAGE) })
    }

    /// The answer; whether a further page is to be asked for.
    pub(super) fn add(&mut self, history: History) -> bool {
        if history.epoch.as_ref() != Some(&self.epoch) {
            return false;
        }
        let before = self.before;
        for event in history.messages.into_iter().rev() {
            let Some(entry) = event.entry().filter(|entry| entry.seq < self.before) else { continue };
            if self.older.len() >= self.wanted {
                break;
            }
            self.before = entry.seq;
            match (entry.kind, event) {
                (Some(EntryKind::Message), ServerEvent::Message(message)) => {
                    self.older.push_front(Message { epoch: Some(self.epoch.clone()), ..message });
                }
                (Some(EntryKind::Message) | None, _) => {}
            }
        }
        history.has_more && self.before < before && self.page().is_some()
    }

    /// What is said meanwhile; whether more of it can be held.
    pub(super) fn hold(&mut self, message: Message) -> bool {
        self.held.push(message);
        self.held.len() < HELD
    }

    /// All there is, in order.
    pub(super) fn finish(self) -> impl Iterator<Item = Message> {
        self.older.into_iter().chain(self.held)
    }
}
