//! The ends of the logs that somebody posts in: held while it is so, and read back beside the writer.
//!
//! To go on with a long log takes some ten thousand rows of the file. Nobody else waits for that: the messages of such a
//! room step aside until a thread of its own has read its tail, and then go first. All tails together have a bound; past
//! it those that were used longest ago are dropped, to be read again.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::RoomName;
use rusqlite::Result;

use super::Failure;
use super::queue::{Queue, Waiting};
use super::readers::Readers;
use super::tail::Tail;
use crate::broker::Unavailable;
use crate::store::{Store, View};

/// How long a tail is kept after the room's last message.
const IDLE: Duration = Duration::from_mins(1);
/// Bytes of all tails together: those of some four hundred rooms with ten thousand messages each.
const BYTES: usize = 128 << 20;
/// Entries of a log that is so short that its tail is read at once.
const SHORT: u64 = 256;
/// Messages that may wait for one tail. Those beyond are refused, to be sent again.
const WAITING: usize = 4_096;

/// The tails, and what waits for those that are being read.
pub(super) struct Tails {
    rooms: HashMap<RoomName, Slot>,
    reader: Readers,
    queue: Arc<Queue>,
    /// What those that are held take, as of when each was read.
    bytes: usize,
    /// Counts batches: a tail knows the last one that it was in.
    batch: u64,
    /// When the last batch began.
    now: Instant,
    /// When silent ones are dropped next.
    tidy_at: Option<Instant>,
}

enum Slot {
    Held(Tail),
    Reading(Vec<Waiting>),
}

impl Tails {
    /// Starts the thread that reads. What it has read comes through the queue.
    pub(super) fn start(store: &Store, queue: Arc<Queue>, failure: &Failure) -> io::Result<Self> {
        let reader = Readers::start(store, "tails", 1, failure)?;
        Ok(Self {
            rooms: HashMap::new(),
            reader,
            queue,
            bytes: 0,
            batch: 0,
            now: Instant::now(),
            tidy_at: None,
        })
    }

    /// When there is something to drop.
    pub(super) fn next(&self) -> Option<Instant> {
        self.tidy_at
    }

    /// A message came: given back where its room's tail is here, kept for later where it has to be read, and refused where
    /// it cannot be.
    pub(super) fn admit(&mut self, waiting: Waiting, view: View<'_>) -> Option<Waiting> {
        let room = &waiting.submission.post.room;
        match self.rooms.get_mut(room) {
            Some(Slot::Held(_)) => return Some(waiting),
            Some(Slot::Reading(all)) if all.len() < WAITING => all.push(waiting),
            Some(Slot::Reading(_)) => (waiting.done)(Err(Unavailable)),
            None => match short(view, room) {
                Ok(Some(tail)) => {
                    self.hold(room.clone(), tail);
                    return Some(waiting);
                }
                Ok(None) => {
                    self.read(room.clone());
                    self.rooms.insert(room.clone(), Slot::Reading(vec![waiting]));
                }
                Err(error) => {
                    tracing::error!(%error, "cannot read the store");
                    (waiting.done)(Err(Unavailable));
                }
            },
        }
        None
    }

    fn read(&self, room: RoomName) {
        let (queue, name) = (self.queue.clone(), room.clone());
        self.reader.run(move |view| Tail::read(view, &room), move |tail| queue.give_back(name, tail));
    }

    /// A tail was read, or could not be: the messages that waited for it, in order.
    pub(super) fn take_back(
        &mut self,
        room: RoomName,
        tail: std::result::Result<Tail, Unavailable>,
    ) -> Vec<Waiting> {
        let Some(Slot::Reading(all)) = self.rooms.remove(&room) else { return Vec::new() };
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

    /// Begins a batch: tails that are asked for from now on are in it.
    pub(super) fn begin(&mut self) {
        self.batch += 1;
        self.now = Instant::now();
    }

    /// The tail of a room whose message was given back.
    pub(super) fn get(&mut self, room: &RoomName) -> Option<&mut Tail> {
        let Some(Slot::Held(tail)) = self.rooms.get_mut(room) else { return None };
        (tail.batch, tail.used) = (self.batch, self.now);
        Some(tail)
    }

    /// The batch was not stored: what is held of its rooms is more than the file has.
    pub(super) fn forget_batch(&mut self) {
        let batch = self.batch;
        self.keep(|tail| tail.batch != batch);
    }

    /// Drops those that nobody has used for a while, and the oldest where there are too many.
    pub(super) fn tidy(&mut self) {
        let now = Instant::now();
        if self.tidy_at.is_some_and(|at| at <= now) {
            self.keep(|tail| now.saturating_duration_since(tail.used) < IDLE);
            self.rooms.shrink_to_fit();
            self.tidy_at = (!self.rooms.is_empty()).then(|| now + IDLE);
        }
        if self.bytes > BYTES {
            let mut used: Vec<_> = self.held().map(|tail| (tail.used, tail.bytes())).collect();
            used.sort_unstable();
            let mut left = used.iter().map(|(_, bytes)| bytes).sum::<usize>();
            let most = BYTES / 2;
            let oldest = used.into_iter().find(|(_, bytes)| {
                left -= bytes;
                left <= most
            });
            self.keep(|tail| oldest.is_none_or(|(oldest, _)| tail.used > oldest));
        }
    }

    fn held(&self) -> impl Iterator<Item = &Tail> {
        self.rooms.values().filter_map(|slot| if let Slot::Held(tail) = slot { Some(tail) } else { None })
    }

    fn keep(&mut self, such: impl Fn(&Tail) -> bool) {
        self.rooms.retain(|_, slot| match slot {
            Slot::Held(tail) => such(tail),
            Slot::Reading(_) => true,
        });
        self.bytes = self.held().map(Tail::bytes).sum();
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        for slot in std::mem::take(&mut self.rooms).into_values() {
            if let Slot::Reading(all) = slot {
                refuse(all);
            }
        }
    }
}

/// The tail of a log that is short.
fn short(view: View<'_>, room: &RoomName) -> Result<Option<Tail>> {
    let is_short = view.room(room)?.is_none_or(|(_, head)| head.seq.get() <= SHORT);
    is_short.then(|| Tail::read(view, room)).transpose()
}

fn refuse(all: Vec<Waiting>) {
    for Waiting { done, .. } in all {
        done(Err(Unavailable));
    }
}
