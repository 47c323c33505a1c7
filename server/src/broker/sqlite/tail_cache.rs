//! Cache of the tails of active rooms.
//!
//! The tail of a long log is read from about ten thousand rows of the file. The writer does not wait for it: the
//! messages of that room are set aside while another thread reads its tail, and then go first. The total size has a
//! bound; above it the least recently used tails are dropped, to be read again.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::RoomName;
use rusqlite::Result;

use super::failure::EngineFailure;
use super::reader_pool::ReaderPool;
use super::tail::Tail;
use super::write_queue::{PendingSubmission, WriteQueue};
use crate::broker::Unavailable;
use crate::store::{Store, View};

/// Time that a tail is cached after the last message of its room.
const IDLE: Duration = Duration::from_mins(1);
/// Limit on the bytes of all tails: four hundred rooms with ten thousand messages each.
const MAX_BYTES: usize = 128 << 20;
/// Entries of a log up to which the writer reads the tail itself.
const SHORT: u64 = 256;
/// Limit on the messages that wait for one tail. Beyond it they are refused; the client resends.
const MAX_WAITING: usize = 4_096;
/// Limit on the bytes of the messages that wait for tails. Fewer tails are being read then than queries fit into the
/// pool.
const MAX_WAITING_BYTES: usize = 32 << 20;

/// Cached tails, and the messages that wait for tails being read.
pub(super) struct TailCache {
    rooms: HashMap<RoomName, Slot>,
    reader: ReaderPool,
    queue: Arc<WriteQueue>,
    /// Total size of the cached tails, measured when each was read.
    bytes: usize,
    /// Total size of the messages that wait.
    waiting_bytes: usize,
    /// Number of the current batch.
    batch: u64,
    /// Start of the current batch.
    now: Instant,
    /// Next check for idle tails; `None` while no tail is cached.
    tidy_at: Option<Instant>,
}

enum Slot {
    Held(Tail),
    Reading(Vec<PendingSubmission>),
}

impl TailCache {
    /// Starts the reader thread. The tails that it reads come through the queue.
    pub(super) fn start(store: &Store, queue: Arc<WriteQueue>, failure: &EngineFailure) -> io::Result<Self> {
        let reader = ReaderPool::start(store, "tails", 1, failure)?;
        Ok(Self {
            rooms: HashMap::new(),
            reader,
            queue,
            bytes: 0,
            waiting_bytes: 0,
            batch: 0,
            now: Instant::now(),
            tidy_at: None,
        })
    }

    /// Time of the next check for idle tails.
    pub(super) fn next(&self) -> Option<Instant> {
        self.tidy_at
    }

    /// Returns the message if the tail of its room is cached. Sets it aside while the tail is read. Refuses it if too
    /// many wait, or the tail cannot be read.
    pub(super) fn admit(&mut self, waiting: PendingSubmission, view: View<'_>) -> Option<PendingSubmission> {
        let room = &waiting.submission.room;
        let waiting_bytes = self.waiting_bytes + waiting.bytes();
        let fits = waiting_bytes <= MAX_WAITING_BYTES;
        match self.rooms.get_mut(room) {
            Some(Slot::Held(_)) => return Some(waiting),
            Some(Slot::Reading(all)) if fits && all.len() < MAX_WAITING => {
                self.waiting_bytes = waiting_bytes;
                all.push(waiting);
            }
            Some(Slot::Reading(_)) => (waiting.done)(Err(Unavailable.into())),
            None => match short(view, room) {
                Ok(Some(tail)) => {
                    self.hold(room.clone(), tail);
                    return Some(waiting);
                }
                Ok(None) if fits => {
                    self.waiting_bytes = waiting_bytes;
                    self.read(room.clone());
                    self.rooms.insert(room.clone(), Slot::Reading(vec![waiting]));
                }
                Ok(None) => (waiting.done)(Err(Unavailable.into())),
                Err(error) => {
                    tracing::error!(%error, "cannot read the store");
                    (waiting.done)(Err(Unavailable.into()));
                }
            },
        }
        None
    }

    fn read(&self, room: RoomName) {
        let (queue, name) = (self.queue.clone(), room.clone());
        self.reader.run(move |view| Tail::read(view, &room), move |tail| queue.push_tail(name, tail));
    }

    /// Takes the result of reading a tail. Returns the messages that waited for it, in order.
    pub(super) fn insert(
        &mut self,
        room: RoomName,
        tail: std::result::Result<Tail, Unavailable>,
    ) -> Vec<PendingSubmission> {
        let Some(Slot::Reading(all)) = self.rooms.remove(&room) else { return Vec::new() };
        self.waiting_bytes -= all.iter().map(PendingSubmission::bytes).sum::<usize>();
        if let Ok(tail) = tail {
            self.hold(room, tail);
            all
        } else {
            refuse(all);
            Vec::new()
        }
    }

    fn hold(&mut self, room: RoomName, tail: Tail) {
        self.bytes += tail.bytes();
        self.rooms.insert(room, Slot::Held(tail));
        self.tidy_at.get_or_insert_with(|| Instant::now() + IDLE);
    }

    /// Begins a batch: every tail returned by [`Self::get`] from now on belongs to it.
    pub(super) fn begin(&mut self) {
        self.batch += 1;
        self.now = Instant::now();
    }

    /// Tail of a room, if cached; marks it as used by the current batch.
    pub(super) fn get(&mut self, room: &RoomName) -> Option<&mut Tail> {
        let Some(Slot::Held(tail)) = self.rooms.get_mut(room) else { return None };
        (tail.batch, tail.used) = (self.batch, self.now);
        Some(tail)
    }

    /// Drops the tails of a batch that was not stored: they are ahead of the file.
    pub(super) fn forget_batch(&mut self) {
        let batch = self.batch;
        self.retain(|tail| tail.batch != batch);
    }

    /// True while the tail of a room is read, and messages wait for it.
    pub(super) fn is_reading(&self, room: &RoomName) -> bool {
        matches!(self.rooms.get(room), Some(Slot::Reading(_)))
    }

    /// Drops the tail of a room that was removed.
    pub(super) fn forget(&mut self, room: &RoomName) {
        if let Some(Slot::Held(tail)) = self.rooms.get(room) {
            self.bytes = self.bytes.saturating_sub(tail.bytes());
            self.rooms.remove(room);
        }
    }

    /// Drops idle tails, and the least recently used ones above the limit.
    pub(super) fn tidy(&mut self) {
        let now = Instant::now();
        if self.tidy_at.is_some_and(|at| at <= now) {
            self.retain(|tail| now.saturating_duration_since(tail.used) < IDLE);
            self.rooms.shrink_to_fit();
            self.tidy_at = (!self.rooms.is_empty()).then(|| now + IDLE);
        }
        if self.bytes > MAX_BYTES {
            let mut used: Vec<_> = self.held().map(|tail| (tail.used, tail.bytes())).collect();
            used.sort_unstable();
            let mut left = used.iter().map(|(_, bytes)| bytes).sum::<usize>();
            let target = MAX_BYTES / 2;
            let oldest = used.into_iter().find(|(_, bytes)| {
                left -= bytes;
                left <= target
            });
            self.retain(|tail| oldest.is_none_or(|(oldest, _)| tail.used > oldest));
        }
    }

    /// Makes the check for idle tails due.
    #[cfg(test)]
    pub(super) fn make_check_due(&mut self) {
        self.tidy_at = Some(Instant::now());
    }

    fn held(&self) -> impl Iterator<Item = &Tail> {
        self.rooms.values().filter_map(|slot| if let Slot::Held(tail) = slot { Some(tail) } else { None })
    }

    fn retain(&mut self, matches: impl Fn(&Tail) -> bool) {
        self.rooms.retain(|_, slot| match slot {
            Slot::Held(tail) => matches(tail),
            Slot::Reading(_) => true,
        });
        self.bytes = self.held().map(Tail::bytes).sum();
    }
}

impl Drop for TailCache {
    fn drop(&mut self) {
        for slot in std::mem::take(&mut self.rooms).into_values() {
            if let Slot::Reading(all) = slot {
                refuse(all);
            }
        }
    }
}

/// Tail of a log with at most [`SHORT`] entries.
fn short(view: View<'_>, room: &RoomName) -> Result<Option<Tail>> {
    let is_short = view.room(room)?.is_none_or(|(_, head)| head.seq.get() <= SHORT);
    is_short.then(|| Tail::read(view, room)).transpose()
}

fn refuse(all: Vec<PendingSubmission>) {
    for PendingSubmission { done, .. } in all {
        done(Err(Unavailable.into()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use realtime_shared::{EntryId, Epoch, Seq, Timestamp};
    use tempfile::TempDir;

    use super::*;
    use crate::broker::contract::{room, submission};
    use crate::store::Row;

    /// Rooms of logs that the writer does not read itself.
    fn store_with_long_logs(directory: &TempDir, rooms: usize) -> Store {
        let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
        let mut batch = writer.begin().expect("a batch");
        let (id, ts) = (EntryId::from_u128(1), Timestamp::from_millis(1));
        for number in 0..rooms {
            let name = room(&number.to_string());
            let added = batch.add_room(&name, &Epoch::from_id(id), Seq::new(1)).expect("written");
            let key = added.expect("a room").key(Seq::new(SHORT + 1));
            batch.add(&Row { key, id, ts, dedup_digest: None, frame: Some("{}") }).expect("written");
        }
        batch.commit().expect("committed");
        drop(writer);
        Store::open(directory.path()).expect("a store")
    }

    #[test]
    fn messages_that_wait_for_tails_are_limited_in_bytes() {
        let directory = TempDir::new().expect("a directory");
        let store = store_with_long_logs(&directory, 4);
        let queue = Arc::<WriteQueue>::default();
        let mut tails =
            TailCache::start(&store, queue.clone(), &EngineFailure::new(queue)).expect("a thread");
        let writer = store.into_writer().expect("a writer");
        let refused = Arc::<AtomicUsize>::default();
        let text = "x".repeat(4_000);
        let admit = |tails: &mut TailCache, number: usize| {
            let refused = refused.clone();
            let done = move |_| {
                refused.fetch_add(1, Ordering::SeqCst);
            };
            let submission = submission("alice", &(number % 4).to_string(), &text);
            let waiting = PendingSubmission { submission, done: Box::new(done) };
            let bytes = waiting.bytes();
            assert!(tails.admit(waiting, writer.view()).is_none(), "the tail is being read");
            bytes
        };
        let bytes = admit(&mut tails, 0);
        let fitting = MAX_WAITING_BYTES / bytes;
        (1..fitting).for_each(|number| assert_eq!(admit(&mut tails, number), bytes));
        assert_eq!(refused.load(Ordering::SeqCst), 0);
        (0..4).for_each(|number| assert_eq!(admit(&mut tails, number), bytes));
        assert_eq!(refused.load(Ordering::SeqCst), 4);

        assert!(tails.insert(room("0"), Err(Unavailable)).is_empty());
        let refused_with_the_tail = refused.load(Ordering::SeqCst);
        assert!(refused_with_the_tail > 4);
        admit(&mut tails, 1);
        assert_eq!(refused.load(Ordering::SeqCst), refused_with_the_tail, "there is room again");
    }
}
