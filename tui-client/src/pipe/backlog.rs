//! Entries before the join: pages of history, newest page first. Live entries are held meanwhile.
//!
//! The pages lie before the position of the join and the live entries after it. The two never overlap, even if the
//! connection is lost in between. Only printed entries count. A page has the changes that arrived before it, so these
//! have no line of their own.

use std::collections::VecDeque;

use realtime_shared::{EntryEvent, Epoch, History, Position, Seq, ServerEvent};

use super::printed::PrintedEntry;

/// Most entries of a page, by the server.
const PAGE: u32 = 200;
/// Most live entries that are held. At this limit fetching stops and printing begins.
const HELD: usize = 10_000;

/// Older entries while they are fetched.
#[derive(Debug)]
pub(super) struct Backlog {
    wanted: usize,
    epoch: Epoch,
    /// The missing entries lie before this seq. Entries of every kind move it.
    before: Seq,
    /// A page had entries that are not printed. The next pages may have them too, so they are as large as possible.
    has_unprinted: bool,
    older: VecDeque<PrintedEntry>,
    held: Vec<PrintedEntry>,
}

/// A page to request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageRequest {
    pub(super) before: Seq,
    pub(super) limit: u32,
}

impl Backlog {
    /// The last `wanted` entries up to `head`; `None` if there is nothing to fetch.
    pub(super) fn begin(wanted: u32, head: Option<&Position>) -> Option<Self> {
        match head {
            Some(Position::At { epoch, seq, .. }) if wanted > 0 => Some(Self {
                wanted: wanted as usize,
                epoch: epoch.clone(),
                before: seq.next(),
                has_unprinted: false,
                older: VecDeque::new(),
                held: Vec::new(),
            }),
            _ => None,
        }
    }

    /// The page to request, again after each reconnect. `None`: complete.
    pub(super) fn page(&self) -> Option<PageRequest> {
        let missing = u32::try_from(self.wanted - self.older.len()).unwrap_or(PAGE);
        let limit = if self.has_unprinted { PAGE } else { missing.min(PAGE) };
        (missing > 0).then_some(PageRequest { before: self.before, limit })
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
            match event {
                ServerEvent::Entry(entry) => {
                    self.older.push_front(PrintedEntry::of(entry, Some(self.epoch.clone())));
                }
                _ => self.has_unprinted = true,
            }
        }
        // A page may cover entries that it does not have.
        if let Some(covers) = history.covers
            && self.older.len() < self.wanted
        {
            self.before = self.before.min(covers.from);
        }
        history.has_more && self.before < before && self.page().is_some()
    }

    /// Holds a live entry. Returns true if more can be held.
    pub(super) fn hold(&mut self, entry: PrintedEntry) -> bool {
        self.held.push(entry);
        self.held.len() < HELD
    }

    /// All entries in order, without the held changes that an older message has already.
    pub(super) fn finish(self) -> impl Iterator<Item = PrintedEntry> {
        let Self { older, mut held, .. } = self;
        let is_new = |entry: &PrintedEntry| {
            let target = if let EntryEvent::Change(entry) = &entry.0 { entry.change.target() } else { None };
            let Some((target, _)) = target else { return true };
            let message = older.iter().find_map(|older| match &older.0 {
                EntryEvent::Message(message) if message.seq == target => Some(message),
                _ => None,
            });
            message.is_none_or(|message| message.rev() < entry.0.head().seq && message.deleted.is_none())
        };
        held.retain(is_new);
        older.into_iter().chain(held)
    }
}
