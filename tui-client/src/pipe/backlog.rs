//! Messages before the join: pages of history, newest page first. Live messages are held meanwhile.
//!
//! The pages lie before the position of the join and the live messages after it. The two never overlap, even if the
//! connection is lost in between.

use std::collections::VecDeque;

use realtime_shared::{EntryKind, Epoch, History, Message, Position, Seq, ServerEvent};

/// Most entries of a page, by the server.
const PAGE: u32 = 200;
/// Most live messages that are held. At this limit fetching stops and printing begins.
const HELD: usize = 10_000;

/// Older messages while they are fetched.
#[derive(Debug)]
pub(super) struct Backlog {
    wanted: usize,
    epoch: Epoch,
    /// The missing entries lie before this seq. Entries of every kind move it.
    before: Seq,
    older: VecDeque<Message>,
    held: Vec<Message>,
}

/// A page to request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    pub(super) before: Seq,
    pub(super) limit: u32,
}

impl Backlog {
    /// The last `wanted` messages up to `head`; `None` if there is nothing to fetch.
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

    /// The page to request, again after each reconnect. `None`: complete.
    pub(super) fn page(&self) -> Option<PageRequest> {
        let missing = u32::try_from(self.wanted - self.older.len()).unwrap_or(PAGE);
        (missing > 0).then(|| PageRequest { before: self.before, limit: missing.min(PAGE) })
    }

    /// Adds a page. Returns true if a further page is needed.
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

    /// Holds a live message. Returns true if more can be held.
    pub(super) fn hold(&mut self, message: Message) -> bool {
        self.held.push(message);
        self.held.len() < HELD
    }

    /// All messages in order.
    pub(super) fn finish(self) -> impl Iterator<Item = Message> {
        self.older.into_iter().chain(self.held)
    }
}
