//! Thread that writes: the messages that arrived during a commit form the next batch.
//!
//! ```text
//! queue ─▶ for each message: deduplicate, assign seq, encode, insert ─▶ commit ─▶ feed and completions, in order
//! ```
//!
//! A message is published and completed only after its commit has returned. A failed commit publishes nothing: the
//! cached tails of its rooms are dropped and read back from the file.

#[cfg(test)]
mod tests;

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use realtime_shared::Position;
use realtime_shared::rules::Rules;

use super::append::{AppendContext, AppendOutcome, Appended};
use super::checkpointer::Checkpointer;
use super::failure::EngineFailure;
use super::founding_rule::FoundingRule;
use super::open_rooms::OpenRooms;
use super::personal_write::{self, PersonalWrite};
use super::retention::Sweep;
use super::room_removal::RoomRemoval;
use super::searching::{SearchQueue, SearchThread};
use super::tail_cache::TailCache;
use super::write_queue::{PendingSubmission, WriteQueue, WriterInput};
use crate::broker::feed_slot::FeedSlot;
use crate::broker::local_presence::LocalPresence;
use crate::broker::room_list::RoomList;
use crate::broker::{Completion, NotStored, Receipt, Submission, Unavailable};
use crate::clock::Clock;
use crate::config::Retain;
use crate::faults::{self, Fault};
use crate::metrics::Metrics;
use crate::store::{Batch, CheckpointMode, DiskSpace, Setting, SpaceFault, StoreWriter, WriteError};

/// Bytes of an entry in the file beside its text, estimated.
const ROW_BYTES: usize = 512;

/// State of the writer thread.
pub(super) struct WriterThread {
    pub(super) clock: Clock,
    pub(super) queue: Arc<WriteQueue>,
    pub(super) feed: FeedSlot,
    pub(super) failure: EngineFailure,
    pub(super) checkpointer: Checkpointer,
    pub(super) metrics: Arc<Metrics>,
    pub(super) sweep: Sweep,
    pub(super) tails: TailCache,
    pub(super) space: Arc<DiskSpace>,
    pub(super) list: RoomList,
    pub(super) founding: FoundingRule,
    pub(super) rules: Rules,
    pub(super) retain: Retain,
    pub(super) open_rooms: OpenRooms,
    pub(super) presence: Arc<LocalPresence>,
    /// The store knows that a message was deleted.
    pub(super) has_deleted: bool,
    /// The last batch could not be stored: the disk is full, or another process holds a lock.
    pub(super) refusing: bool,
    /// `None`: messages are not searched.
    pub(super) search: Option<Arc<SearchQueue>>,
    pub(super) search_thread: Option<SearchThread>,
    /// Last field, so that it is dropped last and the lock with it: the other threads work on the same file.
    pub(super) store: StoreWriter,
}

impl WriterThread {
    /// Runs until the queue is closed and empty, or a write fails permanently.
    pub(super) fn run(mut self) {
        while let Some(input) = self.queue.take(self.next_wake()) {
            if let Err(error) = self.turn(input) {
                return self.failure.report(&error);
            }
        }
        // It reads the store, which would prevent the last checkpoint.
        drop(self.search_thread.take());
        // The state on disk is unknown after a failure: the next start recovers it.
        if self.failure.is_reported() {
            return;
        }
        if let Err(fault) = self.store.watch().check_paths() {
            // Of a WAL without a name, everything is moved into a database that is at its path.
            let saved = self.store.checkpoint(CheckpointMode::Passive).unwrap_or(false);
            tracing::warn!(%fault, saved, "the server ends with a fault of its files");
            return;
        }
        if let Err(error) = self.checkpointer.finish(&self.store) {
            tracing::warn!(%error, "copies of deleted texts stay in the store until the next start");
        }
        match self.store.checkpoint(CheckpointMode::Truncate) {
            Ok(true) => {}
            Ok(false) => {
                tracing::info!(
                    "another process reads the store: the WAL stays beside it until the next start"
                );
            }
            Err(error) => tracing::warn!(%error, "the WAL stays beside the store until the next start"),
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        [self.tails.next(), self.sweep.next()].into_iter().flatten().min()
    }

    fn turn(&mut self, input: WriterInput) -> rusqlite::Result<()> {
        let mut ready = Vec::with_capacity(input.waiting.len());
        for (room, tail) in input.tails {
            ready.extend(self.tails.insert(room, tail));
        }
        for waiting in input.waiting {
            ready.extend(self.tails.admit(waiting, self.store.view()));
        }
        let mut personal = input.personal;
        if !ready.is_empty() {
            // A user who has joined before a message may be mentioned in it.
            let silent: Vec<_> = personal.extract_if(.., |write| write.is_silent()).collect();
            self.store_all(ready, &silent, true)?;
        }
        self.store_personal(personal)?;
        self.tails.tidy();
        if self.store.watch().fault().is_some() {
            self.sweep.wait();
            return Ok(());
        }
        #[cfg(test)]
        if !input.sweeps.is_empty() {
            self.sweep.make_due();
            while self.step_sweep()? {
                self.sweep.make_due();
            }
        }
        self.step_sweep()?;
        self.checkpointer.clear_pages(&self.store)?;
        self.checkpointer.after_commit(&self.store)
    }

    /// Runs a step of the sweep if one is due. Returns true if the sweep goes on after a rest.
    fn step_sweep(&mut self) -> rusqlite::Result<bool> {
        let Self { sweep, store, clock, space, open_rooms, presence, tails, list, founding, search, .. } =
            self;
        let had_space = space.fault() != Some(SpaceFault::Full);
        let search = search.as_deref();
        let mut removal = RoomRemoval { open_rooms, presence, tails, list, founding, search };
        match sweep.step(store, clock, &mut removal).map_err(|error| space.write_error(error)) {
            Ok(rest) => return Ok(rest.is_some()),
            // The reserve was given up for it.
            Err(WriteError::Retryable(_)) if had_space && space.fault() == Some(SpaceFault::Full) => {}
            Err(WriteError::Retryable(error)) => sweep.postpone(&error),
            Err(WriteError::Fatal(error)) => return Err(error),
        }
        Ok(false)
    }

    /// Stores the messages in one commit, then publishes and completes them.
    ///
    /// `silent`: writes for users without an answer, which are lost if the commit fails. `may_write`: false after a full
    /// disk, when only duplicates are completed.
    fn store_all(
        &mut self,
        waiting: Vec<PendingSubmission>,
        silent: &[PersonalWrite],
        may_write: bool,
    ) -> rusqlite::Result<()> {
        let (submissions, mut completions): (Vec<_>, Vec<_>) =
            waiting.into_iter().map(|PendingSubmission { submission, done }| (submission, done)).unzip();
        if let Err(fault) = self.store.watch().check_paths() {
            self.refuse(&fault);
            refuse_all(completions);
            return Ok(());
        }
        let space = self.space.clone();
        let Self { store, tails, clock, feed, metrics, list, founding, rules, retain, has_deleted, .. } =
            self;
        let began = Instant::now();
        let bytes: usize = submissions.iter().map(|one| one.text_bytes() + ROW_BYTES).sum();
        let admitted = match space.fault() {
            Some(fault) if !may_write => Err(fault),
            _ => space.admit(bytes as u64, || store.reusable_bytes()),
        };
        let mut context = AppendContext {
            founding,
            rules,
            retain,
            now: clock.judged(),
            has_space: admitted.is_ok(),
            feed: feed.get(),
        };
        let stored =
            fill(store, tails, (&submissions, silent), &mut context).and_then(|(batch, outcomes)| {
                if !*has_deleted && outcomes.iter().any(AppendOutcome::has_deleted) {
                    batch.set(Setting::HasDeleted, "1")?;
                }
                if faults::breaks(Fault::AckBeforeCommit) {
                    feed.publish(&outcomes, std::mem::take(&mut completions));
                }
                batch.commit().map(|()| outcomes)
            });
        // Entries in a file that is no longer at its path are not stored. Should the file come back, they are in the log,
        // and the next entry of their room shows the hole.
        let watched = self.store.watch().check_paths();
        match (stored.map_err(|error| space.write_error(error)), watched) {
            (Ok(outcomes), Ok(())) => {
                let new = outcomes.iter().filter(|outcome| outcome.is_new()).count();
                if new > 0 {
                    metrics.committed(new, began.elapsed());
                }
                list_heads(list, &outcomes);
                if outcomes.iter().any(AppendOutcome::has_deleted) {
                    self.has_deleted = true;
                    self.checkpointer.erase();
                }
                if let Some(search) = &self.search {
                    search.note_entries(outcomes.iter().filter_map(|outcome| match outcome {
                        AppendOutcome::New(appended) => Some((appended.key, appended.rewritten)),
                        _ => None,
                    }));
                }
                feed.publish(&outcomes, completions);
                match admitted {
                    Ok(()) => self.recovered(),
                    Err(fault) => self.refuse(&fault),
                }
                Ok(())
            }
            (Ok(_), Err(fault)) => {
                self.tails.forget_batch();
                self.founding.forget_count();
                self.refuse(&fault);
                refuse_all(completions);
                Ok(())
            }
            (Err(fault), _) => {
                let is_full = space.fault() == Some(SpaceFault::Full);
                self.tails.forget_batch();
                self.founding.forget_count();
                // A full disk is noticed by the write that fails. What was stored before can be acknowledged even then.
                if is_full && admitted.is_ok() && matches!(fault, WriteError::Retryable(_)) {
                    self.admit_again(submissions, completions)?;
                } else {
                    refuse_all(completions);
                }
                match fault {
                    WriteError::Fatal(error) => Err(error),
                    WriteError::Retryable(error) => {
                        self.refuse(&error);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Stores writes for users in one commit, then completes them.
    fn store_personal(&mut self, writes: Vec<PersonalWrite>) -> rusqlite::Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        if let Err(fault) = self.store.watch().check_paths() {
            self.refuse(&fault);
            writes.into_iter().for_each(PersonalWrite::refuse);
            return Ok(());
        }
        let Self { store, tails, clock, feed, founding, space, .. } = self;
        let stored = personal_write::fill(store, founding, &writes, clock.now())
            .and_then(|(batch, outcomes)| batch.commit().map(|()| outcomes));
        let watched = store.watch().check_paths();
        match (stored.map_err(|error| space.write_error(error)), watched) {
            (Ok(outcomes), Ok(())) => {
                let feed = feed.get();
                for (write, outcome) in writes.into_iter().zip(outcomes) {
                    if let PersonalWrite::Direct { pair, .. } = &write {
                        // The tail does not know the users.
                        tails.forget(&pair.room());
                    }
                    write.complete(outcome, feed.as_deref());
                }
                Ok(())
            }
            (Ok(_), Err(fault)) => {
                self.founding.forget_count();
                self.refuse(&fault);
                writes.into_iter().for_each(PersonalWrite::refuse);
                Ok(())
            }
            (Err(fault), _) => {
                self.founding.forget_count();
                writes.into_iter().for_each(PersonalWrite::refuse);
                match fault {
                    WriteError::Fatal(error) => Err(error),
                    WriteError::Retryable(error) => {
                        self.refuse(&error);
                        Ok(())
                    }
                }
            }
        }
    }

    /// Processes the submissions of a batch again that met a full disk: duplicates are acknowledged, others refused.
    fn admit_again(
        &mut self,
        submissions: Vec<Submission>,
        completions: Vec<Completion>,
    ) -> rusqlite::Result<()> {
        let mut ready = Vec::new();
        for (submission, done) in submissions.into_iter().zip(completions) {
            ready.extend(self.tails.admit(PendingSubmission { submission, done }, self.store.view()));
        }
        if ready.is_empty() { Ok(()) } else { self.store_all(ready, &[], false) }
    }

    fn refuse(&mut self, error: &dyn Display) {
        if !std::mem::replace(&mut self.refusing, true) {
            tracing::error!(%error, "messages cannot be stored; they are refused until the store accepts writes again");
        }
    }

    fn recovered(&mut self) {
        if std::mem::replace(&mut self.refusing, false) {
            tracing::info!("the store accepts writes again");
        }
    }
}

/// Takes over the heads of rooms in the list of rooms. Of several entries in a row for one room, the last is enough.
fn list_heads(list: &RoomList, outcomes: &[AppendOutcome]) {
    let mut new = outcomes
        .iter()
        .filter_map(|outcome| match outcome {
            AppendOutcome::New(Appended { room, receipt, .. }) => Some((room, receipt)),
            _ => None,
        })
        .peekable();
    let heads = std::iter::from_fn(|| {
        loop {
            let (room, Receipt { epoch, seq, id, ts, .. }) = new.next()?;
            if new.peek().is_none_or(|(next, _)| *next != room) {
                return Some((room, Position::At { epoch: epoch.clone(), seq: *seq, id: *id }, *ts));
            }
        }
    });
    list.set_heads(heads);
}

fn refuse_all(completions: Vec<Completion>) {
    for done in completions {
        done(Err(Unavailable.into()));
    }
}

/// Begins a batch that holds the silent writes, and then all submissions. They have one time, so the clock is judged once.
fn fill<'a>(
    store: &'a StoreWriter,
    tails: &mut TailCache,
    (submissions, silent): (&[Submission], &[PersonalWrite]),
    context: &mut AppendContext<'_>,
) -> rusqlite::Result<(Batch<'a>, Vec<AppendOutcome>)> {
    let mut batch = store.begin()?;
    if context.has_space {
        for write in silent {
            write.apply(&batch, context.founding, context.now.now)?;
        }
    }
    tails.begin();
    let mut outcomes = Vec::with_capacity(submissions.len());
    for submission in submissions {
        let tail = tails.get(&submission.room).expect("a submission is only admitted with a tail");
        outcomes.push(tail.append(&mut batch, submission, context)?);
    }
    Ok((batch, outcomes))
}

impl FeedSlot {
    /// Publishes the new entries and completes all submissions, in order.
    fn publish(&self, outcomes: &[AppendOutcome], completions: Vec<Completion>) {
        let feed = self.get();
        for (outcome, done) in outcomes.iter().zip(completions) {
            done(match outcome {
                AppendOutcome::New(Appended { room, entry, receipt, replaced, notifications, .. }) => {
                    if let Some(feed) = &feed {
                        if !replaced.is_empty() {
                            feed.replace(room, replaced);
                        }
                        feed.entry(room, &receipt.epoch, entry);
                        for (to, json) in notifications {
                            feed.broadcast(to, json);
                        }
                    }
                    Ok(receipt.clone())
                }
                AppendOutcome::Duplicate(receipt) => Ok(receipt.clone()),
                AppendOutcome::Refused(cause) => Err(cause.clone()),
                AppendOutcome::NoSpace => Err(NotStored::no_space()),
                AppendOutcome::Exhausted => Err(Unavailable.into()),
            });
        }
    }
}
