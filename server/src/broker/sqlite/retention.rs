//! Retention: drops old and excess entries in small steps between commits.
//!
//! A sweep visits all rooms once a minute, in steps of a bounded number of rows, each its own commit. It deletes the
//! oldest entries beyond the retention, and drops only the frame of those that deduplication still needs. The newest
//! entry always stays, perhaps without its frame: the next seq follows from it.
//!
//! A sweep cannot be undone, so two mistakes are caught before it. A clock that was set, or that is far from the time of
//! the last sweep, is in doubt for an hour; see [`Judge`](crate::clock::Judge). After a change of the limits the first
//! sweep is measured: if it would drop more than half of the store, it waits for a confirmation.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use realtime_shared::{Seq, Timestamp};
use rusqlite::Result;

use super::excess::Excess;
use crate::broker::{DEDUP_ENTRIES, is_in_dedup_window};
use crate::clock::{Clock, Judged};
use crate::config::Retain;
use crate::store::{Batch, Class, RoomId, Setting, StoreWriter};

/// Time from the end of a sweep to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// Time until the next look at a clock in doubt.
const DOUBT_INTERVAL: Duration = Duration::from_secs(1);
/// Age at which the stored time of the last sweep is renewed if nothing was dropped: a commit each minute would keep a disk
/// awake.
const STORED_INTERVAL: Duration = Duration::from_mins(10);
/// Limit on the rows that a step drops: some milliseconds of work.
const STEP_ROWS: u32 = 512;
/// Limit on the rooms that a step visits.
const STEP_ROOMS: u32 = 64;

/// State of a sweep.
pub(super) struct Sweep {
    retain: Retain,
    stage: Stage,
    /// Room that was visited last; `None` before the first.
    after: Option<RoomId>,
    /// Time of the next step; `None` if nothing is ever dropped.
    next: Option<Instant>,
    /// Time of the last sweep, as stored.
    swept_at: Option<Timestamp>,
    /// Messages that this sweep has dropped, and the rooms that had them.
    dropped: (u64, u64),
}

enum Stage {
    /// The settings of the last sweep have not been read.
    Start,
    /// The limits have changed since the last sweep.
    Measuring(Excess),
    Sweeping,
}

impl Sweep {
    pub(super) fn new(retain: Retain) -> Self {
        let next = (retain.age.is_some() || retain.messages.is_some()).then(Instant::now);
        Self { retain, stage: Stage::Start, after: None, next, swept_at: None, dropped: (0, 0) }
    }

    /// Time of the next step.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Postpones the sweep after an error.
    pub(super) fn postpone(&mut self, error: &rusqlite::Error) {
        tracing::warn!(%error, "retention is postponed: old entries cannot be dropped now");
        self.pause(INTERVAL);
    }

    /// Postpones the sweep while nothing may be written.
    pub(super) fn wait(&mut self) {
        self.pause(INTERVAL);
    }

    fn pause(&mut self, interval: Duration) {
        self.next = self.next.map(|_| Instant::now() + interval);
    }

    /// Runs a step if one is due.
    pub(super) fn step(&mut self, store: &StoreWriter, clock: &Clock) -> Result<()> {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return Ok(());
        }
        if matches!(self.stage, Stage::Start) {
            self.begin(store, clock)?;
        }
        let now = clock.judged();
        if !now.drops {
            self.pause(DOUBT_INTERVAL);
            return Ok(());
        }
        if matches!(self.stage, Stage::Measuring(_)) {
            self.measure(store, now)?;
        }
        if matches!(self.stage, Stage::Sweeping) { self.sweep(store, now) } else { Ok(()) }
    }

    /// Compares the settings of the last sweep with the clock and the limits.
    fn begin(&mut self, store: &StoreWriter, clock: &Clock) -> Result<()> {
        let view = store.view();
        self.swept_at = view
            .setting(Setting::SweptAt)?
            .and_then(|millis| millis.parse().ok())
            .map(Timestamp::from_millis);
        if let Some(swept_at) = self.swept_at {
            clock.compare_with_stored(swept_at);
        }
        let is_unchanged =
            view.setting(Setting::Retain)?.is_some_and(|limits| limits == self.retain.limits());
        self.stage = if is_unchanged { Stage::Sweeping } else { Stage::Measuring(Excess::default()) };
        Ok(())
    }

    /// Measures some rooms. After the last one the first sweep begins, or waits for ever.
    fn measure(&mut self, store: &StoreWriter, now: Judged) -> Result<()> {
        let Stage::Measuring(excess) = &mut self.stage else { return Ok(()) };
        let view = store.view();
        let rooms = view.rooms_after(self.after, STEP_ROOMS)?;
        for (room, first) in &rooms {
            excess.add(view, *room, *first, now, &self.retain)?;
            self.after = Some(*room);
        }
        if rooms.len() == STEP_ROOMS as usize {
            return Ok(());
        }
        self.after = None;
        if excess.needs_confirmation() && !self.retain.confirmed {
            tracing::warn!(
                messages = excess.dropped,
                of = excess.total,
                "retention has other limits than before and would drop more than half of all messages: nothing is dropped. To confirm, \
                 start the server with --retain-confirm; or correct --retain and --retain-messages"
            );
            self.next = None;
        } else {
            self.stage = Stage::Sweeping;
        }
        Ok(())
    }

    fn sweep(&mut self, store: &StoreWriter, now: Judged) -> Result<()> {
        let batch = store.begin()?;
        let rooms = batch.view().rooms_after(self.after, STEP_ROOMS)?;
        let mut rows = STEP_ROWS;
        for (room, first) in &rooms {
            let dropped = self.sweep_room(&batch, *room, *first, now, &mut rows)?;
            if dropped > 0 {
                self.dropped = (self.dropped.0 + dropped, self.dropped.1 + 1);
            }
            if rows == 0 {
                // This room may hold more.
                return batch.commit();
            }
            self.after = Some(*room);
        }
        if rooms.len() == STEP_ROOMS as usize {
            return if rows == STEP_ROWS { Ok(()) } else { batch.commit() };
        }
        self.finish(batch, now, rows < STEP_ROWS)
    }

    /// Ends a sweep.
    fn finish(&mut self, batch: Batch<'_>, now: Judged, mut is_changed: bool) -> Result<()> {
        let is_due = self.swept_at.is_none_or(|at| now.age(at) >= STORED_INTERVAL || at > now.now);
        if is_due || self.dropped.0 > 0 {
            batch.set(Setting::SweptAt, &now.now.millis().to_string())?;
            batch.set(Setting::Retain, &self.retain.limits())?;
            is_changed = true;
        }
        if is_changed {
            batch.commit()?;
            self.swept_at = if is_due || self.dropped.0 > 0 { Some(now.now) } else { self.swept_at };
        }
        let (messages, rooms) = std::mem::take(&mut self.dropped);
        if messages > 0 {
            tracing::info!(messages, rooms, "retention dropped messages");
        }
        self.after = None;
        self.pause(INTERVAL);
        Ok(())
    }

    /// Sweeps a room. Returns the number of its messages that can no longer be read.
    fn sweep_room(
        &self,
        batch: &Batch<'_>,
        room: RoomId,
        first: Seq,
        now: Judged,
        rows: &mut u32,
    ) -> Result<u64> {
        let head = batch.view().head(room)?.seq;
        let first_by_count = self.retain.messages.map_or(Seq::ZERO, |limit| head.next().back(limit));
        let past = |seq: Seq, ts| seq < first_by_count || self.retain.is_past(now.age(ts));
        let known = |seq: Seq, ts| {
            seq > head.back(DEDUP_ENTRIES) && (!now.forgets || is_in_dedup_window(now.age(ts)))
        };
        let gone = batch.leading_run(room, Seq::ZERO, head.previous(), *rows, |seq, ts| {
            if (seq < first || past(seq, ts)) && !known(seq, ts) {
                Class::Drop
            } else {
                unless_future(ts, now)
            }
        })?;
        if let Some(last) = gone.last {
            batch.delete_up_to(room, last)?;
            *rows = rows.saturating_sub(gone.count);
        }
        let oldest = gone.last.map_or(first, |last| first.max(last.next()));
        let dropped = batch.leading_run(room, oldest, head, *rows, |seq, ts| {
            if past(seq, ts) { Class::Drop } else { unless_future(ts, now) }
        })?;
        if let Some(last) = dropped.last {
            batch.drop_frames(room, oldest, last)?;
            *rows = rows.saturating_sub(dropped.count);
        }
        let end = dropped.last.map_or(oldest, |last| oldest.max(last.next()));
        Ok(end.get().saturating_sub(first.get()))
    }
}

/// Class of an entry that is not dropped for itself.
fn unless_future(ts: Timestamp, now: Judged) -> Class {
    if ts > now.now { Class::Unknown } else { Class::Keep }
}
