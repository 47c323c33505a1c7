//! The thread that writes: what came while the last commit ran is the next one.
//!
//! ```text
//! queue ─▶ for each message: known? number, encode, insert ─▶ commit ─▶ feed and completions, in order
//! ```
//!
//! Nothing is announced or completed before its commit has returned, and nothing of a commit that failed is ever
//! shown: what the writer knew of the rooms is dropped with it and read back from the file.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{EntryId, Epoch, RoomName, Timestamp};

use super::checkpoint::Checkpoints;
use super::queue::{Queue, Waiting};
use super::retention::Sweep;
use super::tail::Tail;
use super::{Failure, Listener};
use crate::broker::{Completion, Entry, FIRST, Receipt, Submission, Unavailable, is_known_at};
use crate::clock::Clock;
use crate::faults::{self, Fault};
use crate::metrics::Metrics;
use crate::store::{self, Batch, Cannot, Checkpoint, Row, cannot, digest};

/// How long a room's tail is kept after its last message.
const TAIL_IDLE: Duration = Duration::from_mins(1);

/// The thread's own.
pub(super) struct Writer {
    pub(super) store: store::Writer,
    pub(super) clock: Clock,
    pub(super) queue: Arc<Queue>,
    pub(super) listener: Listener,
    pub(super) failure: Failure,
    pub(super) checkpoints: Checkpoints,
    pub(super) metrics: Arc<Metrics>,
    pub(super) sweep: Sweep,
    pub(super) tails: HashMap<RoomName, Tail>,
    /// The disk was full when last written to.
    pub(super) full: bool,
    /// When tails are looked through next.
    pub(super) tidy_at: Option<Instant>,
}

/// What became of a message.
enum Outcome {
    New(RoomName, Entry, Receipt),
    Known(Receipt),
    /// Its room's numbers, or those of rooms, are used up.
    Refused,
}

impl Outcome {
    fn is_new(&self) -> bool {
        matches!(self, Self::New(..))
    }
}

impl Writer {
    /// Runs until the queue is closed and empty, or the disk fails.
    pub(super) fn run(mut self) {
        while let Some(batch) = self.queue.take(self.wakes_at()) {
            if let Err(error) = self.turn(batch) {
                return self.failure.report(&error);
            }
        }
        // After a failure nobody knows what is on the disk: the next start finds out.
        if self.failure.is_reported() {
            return;
        }
        if let Err(error) = self.store.checkpoint(Checkpoint::Truncate) {
            tracing::warn!(%error, "the log was left beside the file: it is read at the next start");
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        [self.tidy_at, self.sweep.next()].into_iter().flatten().min()
    }

    fn turn(&mut self, batch: Vec<Waiting>) -> rusqlite::Result<()> {
        if !batch.is_empty() {
            self.store_all(batch)?;
        }
        match self.sweep.step(&self.store, &self.clock).map_err(cannot) {
            Ok(()) => {}
            Err(Cannot::Now(error)) => self.sweep.put_off(&error),
            Err(Cannot::GoOn(error)) => return Err(error),
        }
        self.checkpoints.after_commit(&self.store)?;
        self.tidy();
        Ok(())
    }

    /// Stores what came, and says so.
    fn store_all(&mut self, waiting: Vec<Waiting>) -> rusqlite::Result<()> {
        let (submissions, mut dones): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|Waiting { submission, done }| (submission, done)).unzip();
        let Self { store, tails, clock, listener, metrics, .. } = self;
        let began = Instant::now();
        let stored = fill(store, tails, clock, submissions).and_then(|(batch, outcomes)| {
            if faults::breaks(Fault::AckBeforeCommit) {
                listener.announce(&outcomes, std::mem::take(&mut dones));
            }
            batch.commit().map(|()| outcomes)
        });
        match stored.map_err(cannot) {
            Ok(outcomes) => {
                let new = outcomes.iter().filter(|outcome| outcome.is_new()).count();
                if new > 0 {
                    metrics.committed(new, began.elapsed());
                }
                listener.announce(&outcomes, dones);
                self.tidy_at.get_or_insert_with(|| Instant::now() + TAIL_IDLE);
                self.recovered();
                Ok(())
            }
            Err(fault) => {
                self.tails.clear();
                for done in dones {
                    done(Err(Unavailable));
                }
                match fault {
                    Cannot::GoOn(error) => Err(error),
                    Cannot::Now(error) => {
                        self.is_full(&error);
                        Ok(())
                    }
                }
            }
        }
    }

    fn is_full(&mut self, error: &rusqlite::Error) {
        if !std::mem::replace(&mut self.full, true) {
            tracing::error!(%error, "messages cannot be stored and are refused, until there is room on the disk");
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.full, false) {
            tracing::info!("messages are stored again");
        }
    }

    /// Drops what is known of rooms that have been silent.
    fn tidy(&mut self) {
        let now = Instant::now();
        if self.tidy_at.is_some_and(|at| at <= now) {
            self.tails.retain(|_, tail| now.saturating_duration_since(tail.used) < TAIL_IDLE);
            self.tails.shrink_to_fit();
            self.tidy_at = (!self.tails.is_empty()).then(|| now + TAIL_IDLE);
        }
    }
}

/// Begins a batch with all of these.
fn fill<'a>(
    store: &'a store::Writer,
    tails: &mut HashMap<RoomName, Tail>,
    clock: &Clock,
    submissions: Vec<Submission>,
) -> rusqlite::Result<(Batch<'a>, Vec<Outcome>)> {
    let mut batch = store.begin()?;
    let mut outcomes = Vec::with_capacity(submissions.len());
    for submission in submissions {
        let now = clock.now();
        let room = &submission.post.room;
        if !tails.contains_key(room) {
            tails.insert(room.clone(), Tail::read(batch.view(), room)?);
        }
        let tail = tails.get_mut(room).expect("it was read");
        outcomes.push(tail.take(&mut batch, submission, now)?);
    }
    Ok((batch, outcomes))
}

impl Listener {
    /// Shows what is new, and completes all, in order.
    fn announce(&self, outcomes: &[Outcome], dones: Vec<Completion>) {
        let feed = self.feed();
        for (outcome, done) in outcomes.iter().zip(dones) {
            done(match outcome {
                Outcome::New(room, entry, receipt) => {
                    if let Some(feed) = &feed {
                        feed.entry(room, &receipt.epoch, entry);
                    }
                    Ok(receipt.clone())
                }
                Outcome::Known(receipt) => Ok(receipt.clone()),
                Outcome::Refused => Err(Unavailable),
            });
        }
    }
}

impl Tail {
    /// Adds a message to a batch, or finds that it is there already.
    fn take(
        &mut self,
        batch: &mut Batch<'_>,
        submission: Submission,
        ts: Timestamp,
    ) -> rusqlite::Result<Outcome> {
        self.used = Instant::now();
        let known = submission.post.client_msg_id.as_ref();
        let digest = known.map(|client_msg_id| digest(&submission.from, client_msg_id));
        if let Some(receipt) = self.find(batch, digest, ts)? {
            return Ok(Outcome::Known(receipt));
        }
        let id = EntryId::from_parts(ts, fastrand::u128(..));
        let (room, epoch) = if let Some(log) = &self.log {
            log.clone()
        } else {
            let epoch = Epoch::from_id(id);
            let Some(room) = batch.add_room(&submission.post.room, &epoch, FIRST)? else {
                return Ok(Outcome::Refused);
            };
            self.log.insert((room, epoch)).clone()
        };
        let Some(place) = room.next_place(self.head) else { return Ok(Outcome::Refused) };
        let seq = place.seq();
        let name = submission.post.room.clone();
        let entry = submission.into_entry(&epoch, seq, id, ts);
        batch.add(&Row { place, id, ts, known: digest, frame: Some(&entry.json) })?;
        self.head = seq;
        self.known.push(digest);
        Ok(Outcome::New(name, entry, Receipt { epoch, seq, id, ts, duplicate: false }))
    }

    /// The entry that is known by this digest, if it is young enough.
    fn find(
        &self,
        batch: &Batch<'_>,
        digest: Option<u128>,
        now: Timestamp,
    ) -> rusqlite::Result<Option<Receipt>> {
        let (Some(digest), Some((room, epoch))) = (digest, &self.log) else { return Ok(None) };
        let Some(seq) = self.known.find(digest) else { return Ok(None) };
        let entry = batch.view().entry(room.place(seq))?;
        Ok(entry
            .filter(|(_, ts)| is_known_at(now, *ts) && !faults::breaks(Fault::NoDedup))
            .map(|(id, ts)| Receipt { epoch: epoch.clone(), seq, id, ts, duplicate: true }))
    }
}
