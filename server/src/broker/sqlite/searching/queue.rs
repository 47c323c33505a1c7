//! Queue of the search thread: searches, and notes about what the writer has committed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use realtime_shared::{Seq, UserId};
use tokio::sync::oneshot;

use crate::broker::{FoundPage, RoomFilter, SearchQuery, Unavailable};
use crate::store::{EntryKey, RoomId};

/// Limit on waiting searches. Beyond it they are unavailable. A connection has one at a time.
const MAX_REQUESTS: usize = 10_000;
/// New entries that wake the thread before their time.
const MANY_ENTRIES: u64 = 512;

/// A search that waits for its answer.
pub(super) struct SearchRequest {
    pub(super) query: SearchQuery,
    pub(super) rooms: RoomFilter,
    pub(super) viewer: UserId,
    pub(super) answer: oneshot::Sender<Result<FoundPage, Unavailable>>,
}

/// Commits of the writer that concern the index. Bounded by the number of rooms.
#[derive(Default)]
pub(super) struct Notes {
    /// The first and the last new seq of rooms.
    pub(super) fresh: HashMap<RoomId, (Seq, Seq)>,
    /// Rooms of which entries were dropped.
    pub(super) swept: HashSet<RoomId>,
    /// Messages whose texts were deleted or edited, and are to leave the index at once.
    pub(super) rewritten: HashSet<EntryKey>,
}

/// Input of the search thread.
pub(super) enum SearchInput {
    /// A search, and all notes of commits before it.
    Request(Box<SearchRequest>, Notes),
    Notes(Notes),
    Closed(Notes),
}

/// Queue of the search thread.
#[derive(Default)]
pub(in crate::broker::sqlite) struct SearchQueue {
    state: Mutex<SearchQueueState>,
    grown: Condvar,
}

#[derive(Default)]
struct SearchQueueState {
    requests: VecDeque<Box<SearchRequest>>,
    notes: Notes,
    /// New entries since the notes were taken.
    entries: u64,
    /// The thread is to take the notes before its deadline.
    wakes: bool,
    closed: bool,
}

impl SearchQueue {
    /// Adds a search. One that is dropped here is answered as unavailable.
    pub(super) fn request(&self, request: SearchRequest) {
        let mut state = self.state.lock();
        if !state.closed && state.requests.len() < MAX_REQUESTS {
            state.requests.push_back(Box::new(request));
            drop(state);
            self.grown.notify_one();
        }
    }

    /// Notes committed entries, before they are acked: their keys, and those of the messages whose texts they change.
    pub(in crate::broker::sqlite) fn note_entries(
        &self,
        entries: impl Iterator<Item = (EntryKey, Option<EntryKey>)>,
    ) {
        let mut state = self.state.lock();
        let was_empty = state.entries == 0;
        for (key, rewritten) in entries {
            let seq = key.seq();
            let noted = state.notes.fresh.entry(key.room()).or_insert((seq, seq));
            *noted = (noted.0.min(seq), noted.1.max(seq));
            state.notes.rewritten.extend(rewritten);
            state.entries += 1;
        }
        // The first note sets the time of the next step.
        if was_empty && state.entries > 0
            || state.entries >= MANY_ENTRIES
            || !state.notes.rewritten.is_empty()
        {
            state.wakes = true;
            drop(state);
            self.grown.notify_one();
        }
    }

    /// Notes rooms of which entries were dropped.
    pub(in crate::broker::sqlite) fn note_swept(&self, rooms: impl IntoIterator<Item = RoomId>) {
        let mut state = self.state.lock();
        let before = state.notes.swept.len();
        state.notes.swept.extend(rooms);
        if state.notes.swept.len() > before {
            state.wakes = true;
            drop(state);
            self.grown.notify_one();
        }
    }

    /// Takes the next search, or the notes at `deadline` or if there are rewritten messages.
    pub(super) fn take(&self, deadline: Option<Instant>) -> SearchInput {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                state.requests.clear();
                return SearchInput::Closed(state.take_notes());
            }
            if let Some(request) = state.requests.pop_front() {
                return SearchInput::Request(request, state.take_notes());
            }
            if state.wakes {
                return SearchInput::Notes(state.take_notes());
            }
            match deadline {
                None => self.grown.wait(&mut state),
                Some(deadline) => {
                    if self.grown.wait_until(&mut state, deadline).timed_out() {
                        // What has arrived at this moment is taken, too.
                        if state.closed || !state.requests.is_empty() {
                            continue;
                        }
                        return SearchInput::Notes(state.take_notes());
                    }
                }
            }
        }
    }

    /// Ends the thread. Waiting searches are unavailable.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.grown.notify_one();
    }
}

impl SearchQueueState {
    fn take_notes(&mut self) -> Notes {
        (self.entries, self.wakes) = (0, false);
        std::mem::take(&mut self.notes)
    }
}
