//! Retention: drops old and excess entries in small steps between commits.
//!
//! A sweep visits all rooms once a minute, in steps of a bounded number of rows, each its own commit. It deletes the
//! oldest entries beyond the retention, and drops only the frame of those that deduplication still needs. The newest
//! entry always stays, perhaps without its frame: the next seq follows from it.

use std::time::{Duration, Instant};

use realtime_shared::{Seq, Timestamp};
use rusqlite::Result;

use crate::broker::{DEDUP_ENTRIES, is_in_dedup_window};
use crate::clock::Clock;
use crate::config::Retain;
use crate::store::{Batch, RoomId, StoreWriter};

/// Time from the end of a sweep to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// Limit on the rows that a step drops: some milliseconds of work.
const STEP_ROWS: u32 = 512;
/// Limit on the rooms that a step visits.
const STEP_ROOMS: u32 = 64;

/// State of a sweep.
pub(super) struct Sweep {
    retain: Retain,
    /// Room that was swept last; `None` before the first.
    after: Option<RoomId>,
    /// Time of the next step; `None` if nothing is ever dropped.
    next: Option<Instant>,
}

impl Sweep {
    pub(super) fn new(retain: Retain) -> Self {
        let next = (retain != Retain::default()).then(Instant::now);
        Self { retain, after: None, next }
    }

    /// Time of the next step.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Postpones the sweep after an error.
    pub(super) fn postpone(&mut self, error: &rusqlite::Error) {
        tracing::warn!(%error, "retention is postponed: old entries cannot be dropped now");
        self.pause();
    }

    /// Puts the next step off to the next interval.
    pub(super) fn pause(&mut self) {
        self.next = self.next.map(|_| Instant::now() + INTERVAL);
    }

    /// Runs a step if one is due.
    pub(super) fn step(&mut self, store: &StoreWriter, clock: &Clock) -> Result<()> {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return Ok(());
        }
        let batch = store.begin()?;
        let rooms = batch.rooms_after(self.after, STEP_ROOMS)?;
        let mut rows = STEP_ROWS;
        for (room, first) in &rooms {
            self.sweep(&batch, *room, *first, clock.now(), &mut rows)?;
            if rows == 0 {
                // This room may hold more.
                return batch.commit();
            }
            self.after = Some(*room);
        }
        if rooms.len() < STEP_ROOMS as usize {
            self.after = None;
            self.pause();
        }
        if rows == STEP_ROWS { Ok(()) } else { batch.commit() }
    }

    fn sweep(
        &self,
        batch: &Batch<'_>,
        room: RoomId,
        first: Seq,
        now: Timestamp,
        rows: &mut u32,
    ) -> Result<()> {
        let head = batch.view().head(room)?.seq;
        let first_by_count = self.retain.messages.map_or(Seq::ZERO, |limit| head.next().back(limit));
        let past = |seq: Seq, ts| seq < first_by_count || self.retain.is_past(ts, now);
        let known = |seq: Seq, ts| seq > head.back(DEDUP_ENTRIES) && is_in_dedup_window(now, ts);
        let gone = batch.leading_run(room, Seq::ZERO, head.previous(), *rows, |seq, ts| {
            (seq < first || past(seq, ts)) && !known(seq, ts)
        })?;
        if let Some(last) = gone.last {
            batch.delete_up_to(room, last)?;
            *rows -= gone.count;
        }
        let first = gone.last.map_or(first, |last| first.max(last.next()));
        let dropped = batch.leading_run(room, first, head, *rows, past)?;
        if let Some(last) = dropped.last {
            batch.drop_frames(room, first, last)?;
            *rows -= dropped.count;
        }
        Ok(())
    }
}
