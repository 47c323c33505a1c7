//! Cache of the tails of active rooms.
//!
//! The tail of a long log is read from about ten thousand rows of the file. The writer does not wait for it: the
//! messages of that room are set aside while another thread reads its tail, and then go first. The total size has a
//! bound; above it tails that were not used for long are dropped, to be read again.
//!
//! Each cached tail has a check in a queue. When the check is due, or the cache is too large, the tail is dropped if it was
//! not used since then; otherwise it gets another check. A turn of the writer makes some checks only, because messages wait
//! for its end.

use std::collections::{HashMap, VecDeque};
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

/// Time until the check of a tail. A tail is cached for so long after the last message of its room, or up to twice as long.
const IDLE: Duration = Duration::from_mins(1);
/// Checks of one turn, beside two for each message of the turn: so the size of the cache stays near its limit.
const CHECKED_AT_ONCE: usize = 1_024;
/// The memory of the cache is reduced if it has room for so many times the tails.
const SPARE: usize = 4;
/// Most tails with which the memory is reduced, because each of them is moved.
const MOVED_AT_ONCE: usize = 8_192;
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
    /// One for each cached tail, in the order in which they are due. Checks of tails that were dropped stay until then.
    checks: VecDeque<Check>,
    /// Number of the next check.
    next_check: u64,
    /// Total size of the cached tails, measured when each was read or checked.
    bytes: usize,
    /// Size beyond which tails are dropped.
    max_bytes: usize,
    /// Total size of the messages that wait.
    waiting_bytes: usize,
    /// Number of the current batch.
    batch: u64,
    /// Messages of this turn.
    messages: usize,
}

enum Slot {
    Held(CachedTail),
    Reading(Vec<PendingSubmission>),
}

struct CachedTail {
    tail: Tail,
    /// The number of its check.
    check: u64,
    /// Its share of the total size.
    bytes: usize,
}

/// A check of a tail that is to come.
struct Check {
    number: u64,
    room: RoomName,
    due: Instant,
    /// The tail was used if a later batch has used it.
    batch: u64,
}

impl TailCache {
    /// Starts the reader thread. The tails that it reads come through the queue.
    pub(super) fn start(store: &Store, queue: Arc<WriteQueue>, failure: &EngineFailure) -> io::Result<Self> {
        let reader = ReaderPool::start(store, "tails", 1, failure)?;
        Ok(Self {
            rooms: HashMap::new(),
            reader,
            queue,
            checks: VecDeque::new(),
            next_check: 0,
            bytes: 0,
            max_bytes: MAX_BYTES,
            waiting_bytes: 0,
            batch: 0,
            messages: 0,
        })
    }

    /// Time of the next check.
    pub(super) fn next(&self) -> Option<Instant> {
        self.checks.front().map(|check| if self.bytes > self.max_bytes { Instant::now() } else { check.due })
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
        // It was read for the next batch.
        let batch = self.batch + 1;
        let check = self.add_check(room.clone(), Instant::now() + IDLE, batch);
        let bytes = tail.bytes() + size_of::<Check>();
        self.bytes += bytes;
        self.rooms.insert(room, Slot::Held(CachedTail { tail, check, bytes }));
    }

    /// Adds a check to the end of the queue. Returns its number.
    fn add_check(&mut self, room: RoomName, due: Instant, batch: u64) -> u64 {
        let number = self.next_check;
        self.next_check += 1;
        self.checks.push_back(Check { number, room, due, batch });
        number
    }

    /// Begins a batch: every tail returned by [`Self::get`] from now on belongs to it.
    pub(super) fn begin(&mut self) {
        self.batch += 1;
    }

    /// Tail of a room, if cached; marks it as used by the current batch.
    pub(super) fn get(&mut self, room: &RoomName) -> Option<&mut Tail> {
        let Some(Slot::Held(CachedTail { tail, .. })) = self.rooms.get_mut(room) else { return None };
        tail.batch = self.batch;
        self.messages += 1;
        Some(tail)
    }

    /// Drops the tails of a batch that was not stored: they are ahead of the file.
    pub(super) fn forget_batch(&mut self) {
        let Self { rooms, bytes, batch, .. } = self;
        rooms.retain(|_, slot| {
            let Slot::Held(cached) = slot else { return true };
            let is_kept = cached.tail.batch != *batch;
            if !is_kept {
                *bytes -= cached.bytes;
            }
            is_kept
        });
    }

    /// True while the tail of a room is read, and messages wait for it.
    pub(super) fn is_reading(&self, room: &RoomName) -> bool {
        matches!(self.rooms.get(room), Some(Slot::Reading(_)))
    }

    /// Drops the tail of a room.
    pub(super) fn forget(&mut self, room: &RoomName) {
        if let Some(Slot::Held(CachedTail { bytes, .. })) = self.rooms.get(room) {
            self.bytes -= bytes;
            self.rooms.remove(room);
        }
    }

    /// Makes the checks that are due, and others while the cache is too large, as many as a turn may make.
    pub(super) fn tidy(&mut self) {
        let now = Instant::now();
        let most = CHECKED_AT_ONCE + 2 * std::mem::take(&mut self.messages);
        for _ in 0..most {
            let is_due = |first: &Check| self.bytes > self.max_bytes || first.due <= now;
            if !self.checks.front().is_some_and(is_due) {
                break;
            }
            if let Some(check) = self.checks.pop_front() {
                self.make(check, now);
            }
        }
        let len = self.rooms.len();
        if len <= MOVED_AT_ONCE && self.rooms.capacity() > SPARE * (len + CHECKED_AT_ONCE) {
            self.rooms.shrink_to_fit();
            self.checks.shrink_to_fit();
        }
    }

    /// Drops the tail of a check, or checks it again later.
    fn make(&mut self, check: Check, now: Instant) {
        let Check { number, room, batch, .. } = check;
        let Some(Slot::Held(CachedTail { tail, check, .. })) = self.rooms.get(&room) else { return };
        if *check != number {
            return;
        }
        if tail.batch <= batch {
            return self.forget(&room);
        }
        let (batch, measured) = (tail.batch, tail.bytes() + size_of::<Check>());
        let number = self.add_check(room.clone(), now + IDLE, batch);
        if let Some(Slot::Held(CachedTail { check, bytes, .. })) = self.rooms.get_mut(&room) {
            self.bytes = self.bytes + measured - *bytes;
            (*check, *bytes) = (number, measured);
        }
    }

    /// Makes all checks due.
    #[cfg(test)]
    pub(super) fn make_check_due(&mut self) {
        let now = Instant::now();
        self.checks.iter_mut().for_each(|check| check.due = now);
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
    use crate::store::{Row, StoreWriter};

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

    /// A cache with tails of new rooms, which are named by numbers. The writer keeps the store open.
    fn cache(directory: &TempDir, rooms: usize) -> (TailCache, StoreWriter) {
        let store = Store::open(directory.path()).expect("a store");
        let queue = Arc::<WriteQueue>::default();
        let mut tails =
            TailCache::start(&store, queue.clone(), &EngineFailure::new(queue)).expect("a thread");
        let writer = store.into_writer().expect("a writer");
        for number in 0..rooms {
            let name = room(&number.to_string());
            let tail = Tail::read(writer.view(), &name).expect("read");
            tails.hold(name, tail);
        }
        (tails, writer)
    }

    fn is_held(tails: &TailCache, number: usize) -> bool {
        tails.rooms.contains_key(&room(&number.to_string()))
    }

    /// Uses the tails of these rooms in a batch.
    fn use_all(tails: &mut TailCache, rooms: impl IntoIterator<Item = usize>) {
        tails.begin();
        for number in rooms {
            assert!(tails.get(&room(&number.to_string())).is_some(), "{number} is held");
        }
    }

    #[test]
    fn idle_tails_are_dropped_in_parts_and_used_ones_stay() {
        const ROOMS: usize = 2 * CHECKED_AT_ONCE + 100;
        let directory = TempDir::new().expect("a directory");
        let (mut tails, _writer) = cache(&directory, ROOMS);
        use_all(&mut tails, 0..ROOMS);
        tails.tidy();
        assert_eq!(tails.rooms.len(), ROOMS, "no check is due");
        use_all(&mut tails, [7, ROOMS - 1]);
        tails.tidy();

        tails.make_check_due();
        tails.tidy();
        assert_eq!(tails.rooms.len(), ROOMS - CHECKED_AT_ONCE + 1);
        assert!(tails.next().is_some_and(|next| next <= Instant::now()), "the rest is due");
        tails.tidy();
        tails.tidy();
        assert_eq!(tails.rooms.len(), 2);
        assert!(is_held(&tails, 7) && is_held(&tails, ROOMS - 1));
        assert!(tails.next().is_some_and(|next| next > Instant::now()));

        tails.make_check_due();
        tails.tidy();
        assert_eq!((tails.rooms.len(), tails.bytes, tails.next()), (0, 0, None));
        assert!(tails.rooms.capacity() <= SPARE * CHECKED_AT_ONCE);
    }

    #[test]
    fn a_cache_that_is_too_large_drops_tails_that_were_not_used_since_their_check() {
        let directory = TempDir::new().expect("a directory");
        let (mut tails, _writer) = cache(&directory, 10);
        use_all(&mut tails, 0..10);
        use_all(&mut tails, [0, 2]);
        tails.max_bytes = tails.bytes / 2;
        tails.tidy();
        let held: Vec<_> = (0..10).filter(|number| is_held(&tails, *number)).collect();
        assert_eq!(held, [0, 2, 7, 8, 9]);
        assert!(tails.bytes <= tails.max_bytes);
    }

    #[test]
    fn the_check_of_a_tail_that_was_dropped_does_not_concern_the_next_one() {
        let directory = TempDir::new().expect("a directory");
        let (mut tails, writer) = cache(&directory, 1);
        use_all(&mut tails, [0]);
        tails.make_check_due();
        tails.forget(&room("0"));
        tails.hold(room("0"), Tail::read(writer.view(), &room("0")).expect("read"));
        tails.tidy();
        assert!(is_held(&tails, 0));
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
