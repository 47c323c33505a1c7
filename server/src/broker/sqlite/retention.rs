//! Dropping what is too old or too much, a little at a time, between commits.
//!
//! A sweep goes through all rooms once a minute, in steps of a bounded number of rows, each a commit of its own. In a
//! room it drops the oldest entries that are beyond what is kept, and takes only the frame from those that are still
//! needed to know a message again. The newest entry always stays, without its frame
//! perhaps: the log goes on from it.

use std::time::{Duration, Instant};

use realtime_shared::{Seq, Timestamp};
use rusqlite::Result;

use crate::broker::{DEDUP_ENTRIES, is_known_at};
use crate::clock::Clock;
use crate::config::Retain;
use crate::store::{self, Batch, RoomId};

/// From the end of a sweep to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// Rows that a step drops at most: some milliseconds' work.
const STEP_ROWS: u32 = 512;
/// Rooms that a step looks at.
const STEP_ROOMS: u32 = 64;

/// Where a sweep is.
pub(super) struct Sweep {
    retain: Retain,
    /// The room that was swept last.
    after: Option<RoomId>,
    /// When the next step is due; none where all is kept.
    next: Option<Instant>,
}

impl Sweep {
    pub(super) fn new(retain: Retain) -> Self {
        let next = (retain != Retain::default()).then(Instant::now);
        Self { retain, after: None, next }
    }

    /// When the next step is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Tries again later.
    pub(super) fn put_off(&mut self, error: &rusqlite::Error) {
        tracing::warn!(%error, "what is too old cannot be dropped for now");
        self.pause();
    }

    fn pause(&mut self) {
        self.next = Some(Instant::now() + INTERVAL);
    }

    /// A step, if one is due.
    pub(super) fn step(&mut self, store: &store::Writer, clock: &Clock) -> Result<()> {
        if self.next.is_none_or(|next| next > Instant::now()) {
            return Ok(());
        }
        let batch = store.begin()?;
        let rooms = batch.rooms_after(self.after, STEP_ROOMS)?;
        let mut rows = STEP_ROWS;
        for (room, first) in &rooms {
            self.sweep(&batch, *room, *first, clock.now(), &mut rows)?;
            if rows == 0 {
                // There may be more in this room.
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
        let too_many = self.retain.messages.map_or(0, |most| (head.get() + 1).saturating_sub(most));
        let past = |seq: Seq, ts| seq.get() < too_many || self.retain.is_past(ts, now);
        let known = |seq: Seq, ts| seq.get() + DEDUP_ENTRIES > head.get() && is_known_at(now, ts);
        let before_head = Seq::new(head.get().saturating_sub(1));
        let gone = batch.run_of(room, Seq::ZERO, before_head, *rows, |seq, ts| {
            (seq < first || past(seq, ts)) && !known(seq, ts)
        })?;
        if let Some(last) = gone.last {
            batch.delete_up_to(room, last)?;
            *rows -= gone.count;
        }
        let first = gone.last.map_or(first, |last| first.max(last.next()));
        let dropped = batch.run_of(room, first, head, *rows, past)?;
        if let Some(last) = dropped.last {
            batch.drop_frames(room, first, last)?;
            *rows -= dropped.count;
        }
        Ok(())
    }
}
