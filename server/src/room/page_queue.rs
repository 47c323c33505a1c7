//! Queue of the readers that wait for a page of the store. One read serves all of them whose next entry is in its page.
//!
//! Readers of a room that have fallen behind, or that return with a position, are mostly close to each other. So their
//! reads cost about as much as those of one reader: a page goes to all that wait for an entry of it, and is kept for a
//! short time for those that follow. Readers that no page serves read in the order in which they came.
//!
//! A page is shared among readers of the same log only. If the log of the room was replaced since the reader of the page
//! had its turn, the page goes to this reader alone. So it does if entries of the room were deleted since then.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use realtime_shared::Seq;
use tokio::sync::oneshot;

use super::ring::LogIdentity;
use super::{RingState, Room};
use crate::broker::Page;

/// Limit on the pages that are kept: 4 MiB.
pub(super) const KEPT_PAGES: usize = 64;
/// Time for which a page is kept. Readers that follow more slowly read it again.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(5);

/// The readers that wait, and the pages that were read lately.
pub(super) struct PageQueue {
    state: Mutex<QueueState>,
    /// Limit on the reads at the same time.
    reads: usize,
}

#[derive(Default)]
struct QueueState {
    /// Number of reads that run, or are about to.
    running: usize,
    waiting: VecDeque<WaitingReader>,
    /// The oldest first.
    kept: VecDeque<KeptPage>,
}

/// The place of a reader: the entry after which it continues, in a log of a room.
#[derive(Clone)]
struct Place {
    room: Weak<Room>,
    /// `None` while the room is not open. No page is shared then.
    log: Option<LogIdentity>,
    /// See [`Room::replacements`].
    replacements: u64,
    after: Seq,
}

struct WaitingReader {
    place: Place,
    turn: oneshot::Sender<Turn>,
}

struct KeptPage {
    place: Place,
    page: Arc<Page>,
    read: Instant,
}

/// The result of waiting.
pub(super) enum Turn {
    /// The page with the next entry, which another reader has read.
    Shared(Arc<Page>),
    /// The right to read.
    Read(ReadTurn),
}

/// The right to read a page. It ends when it is dropped.
pub(super) struct ReadTurn {
    queue: Arc<PageQueue>,
    place: Place,
}

impl Place {
    fn of(room: &Arc<Room>, after: Seq) -> Self {
        let log = match &room.state.lock().ring {
            RingState::Open(ring) => Some(ring.log()),
            RingState::Closed | RingState::Opening { .. } => None,
        };
        Self { room: Arc::downgrade(room), log, replacements: room.replacements(), after }
    }

    /// True if a page that was read for a reader at `place` has the next entry.
    fn is_served_by(&self, place: &Self, page: &Page) -> bool {
        let next = self.after.next();
        self.log.is_some()
            && self.log == place.log
            && self.replacements == place.replacements
            && self.room.ptr_eq(&place.room)
            && page.entries.first().is_some_and(|first| first.seq <= next)
            && page.entries.last().is_some_and(|last| next <= last.seq)
    }
}

impl PageQueue {
    /// A queue that allows this number of reads at the same time.
    pub(super) fn new(reads: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), reads })
    }

    /// Waits for the page with the entry after `after`, or for the right to read it.
    pub(super) async fn turn(self: &Arc<Self>, room: &Arc<Room>, after: Seq) -> Turn {
        let place = Place::of(room, after);
        loop {
            let granted = {
                let mut state = self.state.lock();
                let shared = state.kept.iter().rev().find(|kept| place.is_served_by(&kept.place, &kept.page));
                if let Some(kept) = shared {
                    return Turn::Shared(kept.page.clone());
                }
                if state.running < self.reads {
                    state.running += 1;
                    return Turn::Read(ReadTurn { queue: self.clone(), place });
                }
                let (turn, granted) = oneshot::channel();
                state.waiting.push_back(WaitingReader { place: place.clone(), turn });
                granted
            };
            // A reader in the queue is always served. If it were not, it would take another place.
            if let Ok(turn) = granted.await {
                return turn;
            }
        }
    }

    /// Drops pages that were read a while ago.
    pub(super) fn trim(&self, now: Instant) {
        let mut state = self.state.lock();
        while state.kept.front().is_some_and(|kept| now.saturating_duration_since(kept.read) > KEPT_FOR) {
            state.kept.pop_front();
        }
        if state.kept.is_empty() {
            state.kept.shrink_to_fit();
            state.waiting.shrink_to_fit();
        }
    }

    /// Gives a page to all waiting readers whose next entry it has, and keeps it.
    fn share(&self, place: Place, page: &Arc<Page>) {
        let mut served = Vec::new();
        {
            let mut state = self.state.lock();
            let is_served = |waiting: &WaitingReader| waiting.place.is_served_by(&place, page);
            if state.waiting.iter().any(is_served) {
                let waiting = std::mem::take(&mut state.waiting);
                let (here, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_served);
                (served, state.waiting) = (here, others.into());
            }
            if state.kept.len() == KEPT_PAGES {
                state.kept.pop_front();
            }
            state.kept.push_back(KeptPage { place, page: page.clone(), read: Instant::now() });
        }
        for reader in served {
            // A connection that has ended meanwhile needs no page.
            let _ = reader.turn.send(Turn::Shared(page.clone()));
        }
    }

    /// Ends a turn: the right to read passes to the next reader.
    fn pass_on(self: &Arc<Self>) {
        let next = {
            let mut state = self.state.lock();
            loop {
                match state.waiting.pop_front() {
                    // A failed send below would pass on within a drop, once for each ended connection.
                    Some(gone) if gone.turn.is_closed() => {}
                    Some(next) => break next,
                    None => {
                        state.running -= 1;
                        return;
                    }
                }
            }
        };
        let turn = ReadTurn { queue: self.clone(), place: next.place };
        // If the connection has ended meanwhile, the turn is dropped here, which passes it on.
        let _ = next.turn.send(Turn::Read(turn));
    }
}

impl ReadTurn {
    /// Ends the turn with the page that was read.
    pub(super) fn finish(self, page: Page) -> Arc<Page> {
        let page = Arc::new(page);
        self.queue.share(self.place.clone(), &page);
        page
    }
}

impl Drop for ReadTurn {
    fn drop(&mut self) {
        self.queue.pass_on();
    }
}
