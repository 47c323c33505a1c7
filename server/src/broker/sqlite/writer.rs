//! The thread that writes: what came while the last commit ran is the next one.
//!
//! ```text
//! queue ─▶ for each message: known? number, encode, insert ─▶ commit ─▶ feed and completions, in order
//! ```
//!
//! Nothing is announced or completed before its commit has returned, and nothing of a commit that failed is ever
//! shown: what the writer knew of its rooms is dropped with it and read back from the file.

use std::sync::Arc;
use std::time::Instant;

use realtime_shared::{EntryId, Epoch, RoomName, Timestamp};

use super::checkpoint::Checkpoints;
use super::queue::{Queue, Taken, Waiting};
use super::retention::Sweep;
use super::tail::Tail;
use super::tails::Tails;
use super::{Failure, Listener};
use crate::broker::{Completion, Entry, FIRST, Receipt, Submission, Unavailable, is_known_at};
use crate::clock::Clock;
use crate::faults::{self, Fault};
use crate::metrics::Metrics;
use crate::store::{self, Batch, Cannot, Checkpoint, Row, cannot, digest};

/// The thread's own.
pub(super) struct Writer {
    pub(super) clock: Clock,
    pub(super) queue: Arc<Queue>,
    pub(super) listener: Listener,
    pub(super) failure: Failure,
    pub(super) checkpoints: Checkpoints,
    pub(super) metrics: Arc<Metrics>,
    pub(super) sweep: Sweep,
    pub(super) tails: Tails,
    /// The last batch could not be stored: the disk is full, or somebody else has locked the file.
    pub(super) refusing: bool,
    /// The last to go, and the lock with it: the others work on the same file.
    pub(super) store: store::Writer,
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
        while let Some(taken) = self.queue.take(self.wakes_at()) {
            if let Err(error) = self.turn(taken) {
                return self.failure.report(&error);
            }
        }
        // After a failure nobody knows what is on the disk: the next start finds out.
        if self.failure.is_reported() {
            return;
        }
        match self.store.checkpoint(Checkpoint::Truncate) {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!("somebody reads the store: its log is left beside it, for the next start");
            }
            Err(error) => tracing::warn!(%error, "the store's log is left beside it, for the next start"),
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        [self.tails.next(), self.sweep.next()].into_iter().flatten().min()
    }

    fn turn(&mut self, taken: Taken) -> rusqlite::Result<()> {
        let mut ready = Vec::with_capacity(taken.waiting.len());
        for (room, tail) in taken.tails {
            ready.extend(self.tails.take_back(room, tail));
        }
        for waiting in taken.waiting {
            ready.extend(self.tails.admit(waiting, self.store.view()));
        }
        if !ready.is_empty() {
            self.store_all(ready)?;
        }
        match self.sweep.step(&self.store, &self.clock).map_err(cannot) {
            Ok(()) => {}
            Err(Cannot::Now(error)) => self.sweep.put_off(&error),
            Err(Cannot::GoOn(error)) => return Err(error),
        }
        self.checkpoints.after_commit(&self.store)?;
        self.tails.tidy();
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
                self.recovered();
                Ok(())
            }
            Err(fault) => {
                self.tails.forget_batch();
                for done in dones {
                    done(Err(Unavailable));
                }
                match fault {
                    Cannot::GoOn(error) => Err(error),
                    Cannot::Now(error) => {
                        self.refuse(&error);
                        Ok(())
                    }
                }
            }
        }
    }

    fn refuse(&mut self, error: &rusqlite::Error) {
        if !std::mem::replace(&mut self.refusing, true) {
            tracing::error!(%error, "messages cannot be stored for now, and are refused");
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.refusing, false) {
            tracing::info!("messages are stored again");
        }
    }
}

/// Begins a batch with all of these.
fn fill<'a>(
    store: &'a store::Writer,
    tails: &mut Tails,
    clock: &Clock,
    submissions: Vec<Submission>,
) -> rusqlite::Result<(Batch<'a>, Vec<Outcome>)> {
    let mut batch = store.begin()?;
    tails.begin();
    let mut outcomes = Vec::with_capacity(submissions.len());
    for submission in submissions {
        let now = clock.now();
        let tail = tails.get(&submission.post.room).expect("only messages with a tail are given back");
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
