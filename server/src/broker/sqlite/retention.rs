//! Retention: drops old and excess entries in small steps between commits.
//!
//! A sweep visits all rooms once a minute, in steps of a bounded number of rows, each its own commit. Between two steps it
//! rests in proportion to the first one, because posts wait for a step. It deletes the
//! oldest entries beyond the retention, and drops only the frame of those that deduplication still needs. The newest
//! entry stays, perhaps without its frame: the next seq follows from it. A room of which nothing else is left is removed
//! with it, if nobody is in the room and the entry is old enough; see [`ROOM_REMOVAL_AGE`].
//!
//! A sweep cannot be undone, so two mistakes are caught before it. A clock that was set, or that is far from the time of
//! the last sweep, is in doubt for an hour; see [`Judge`](crate::clock::Judge). After a change of the limits the first
//! sweep is measured: if it would drop more than half of the store, it waits for a confirmation. The limits of each run
//! count, also of one that dropped nothing: the messages that it kept are not those that a former run would have kept.

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use realtime_shared::{Seq, Timestamp};
use rusqlite::Result;

use super::excess::Excess;
use super::open_rooms::RoomClaim;
use super::retained;
use super::room_removal::RoomRemoval;
use crate::broker::{DEDUP_ENTRIES, ROOM_REMOVAL_AGE, is_in_dedup_window};
use crate::clock::{Clock, Judged};
use crate::config::Retain;
use crate::store::{Batch, Class, Head, RoomId, Setting, StoreWriter};

/// Time from the end of a sweep to the next.
const INTERVAL: Duration = Duration::from_mins(1);
/// Rest after a step that changed something, in durations of the step. The sweep has to keep up with the posts.
const REST: u32 = 1;
/// Rest after a step that changed nothing: a sweep of a million rooms without old entries takes a fifth of the writer's time.
const REST_UNCHANGED: u32 = 4;
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
    /// The stored limits are these ones.
    has_stored_limits: bool,
    dropped: Dropped,
}

/// Counts of a sweep.
#[derive(Default)]
struct Dropped {
    messages: u64,
    /// Rooms that had the messages.
    rooms: u64,
    removed_rooms: u64,
}

/// Result of sweeping a room.
struct SweptRoom {
    /// Number of its messages that can no longer be read.
    dropped: u64,
    /// Nothing of the room has to be known any more.
    is_outdated: bool,
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
        Self {
            retain,
            stage: Stage::Start,
            after: None,
            next: Some(Instant::now()),
            swept_at: None,
            has_stored_limits: false,
            dropped: Dropped::default(),
        }
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

    /// Makes the next step due.
    #[cfg(test)]
    pub(super) fn make_due(&mut self) {
        self.next = self.next.map(|_| Instant::now());
    }

    /// Runs a step if one is due. Returns the rest after which the sweep goes on; `None` if it does not.
    pub(super) fn step(
        &mut self,
        store: &StoreWriter,
        clock: &Clock,
        removal: &mut RoomRemoval<'_>,
    ) -> Result<Option<Duration>> {
        let begun = Instant::now();
        if self.next.is_none_or(|next| next > begun) {
            return Ok(None);
        }
        if !self.retain.is_limited() {
            Self::forget_limits(store)?;
            self.next = None;
            return Ok(None);
        }
        if matches!(self.stage, Stage::Start) {
            self.begin(store, clock)?;
        }
        let now = clock.judged();
        if !now.drops {
            self.pause(DOUBT_INTERVAL);
            return Ok(None);
        }
        let rest = if matches!(self.stage, Stage::Measuring(_)) {
            self.measure(store, now)?.then_some(REST_UNCHANGED)
        } else {
            self.sweep(store, now, removal)?
        };
        let rest = rest.map(|durations| begun.elapsed() * durations);
        if let Some(rest) = rest {
            self.pause(rest);
        }
        Ok(rest)
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
        self.has_stored_limits =
            view.setting(Setting::Retain)?.is_some_and(|limits| limits == self.retain.limits());
        self.stage = if self.has_stored_limits {
            Stage::Sweeping
        } else {
            Self::forget_limits(store)?;
            Stage::Measuring(Excess::default())
        };
        Ok(())
    }

    /// Forgets the limits of a former run, so that the next run measures its first sweep.
    fn forget_limits(store: &StoreWriter) -> Result<()> {
        if store.view().setting(Setting::Retain)?.is_none_or(|limits| limits == Retain::UNKNOWN_LIMITS) {
            return Ok(());
        }
        let batch = store.begin()?;
        batch.set(Setting::Retain, Retain::UNKNOWN_LIMITS)?;
        batch.commit()
    }

    /// Measures some rooms. After the last one the first sweep begins, or waits for ever. Returns false if it waits.
    fn measure(&mut self, store: &StoreWriter, now: Judged) -> Result<bool> {
        let Stage::Measuring(excess) = &mut self.stage else { return Ok(true) };
        let view = store.view();
        let rooms = view.rooms_after(self.after, STEP_ROOMS)?;
        for (room, first) in &rooms {
            excess.add(view, *room, *first, now, &self.retain)?;
            self.after = Some(*room);
        }
        if rooms.len() == STEP_ROOMS as usize {
            return Ok(true);
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
            return Ok(false);
        }
        self.stage = Stage::Sweeping;
        Ok(true)
    }

    /// Sweeps some rooms. Returns the rest before the next ones; `None` after the last ones.
    fn sweep(
        &mut self,
        store: &StoreWriter,
        now: Judged,
        removal: &mut RoomRemoval<'_>,
    ) -> Result<Option<u32>> {
        let batch = store.begin()?;
        let rooms = batch.view().rooms_after(self.after, STEP_ROOMS)?;
        let mut rows = STEP_ROWS;
        let (mut claims, mut swept_rooms) = (Vec::new(), Vec::new());
        for (room, first) in &rooms {
            let swept = self.sweep_room(&batch, *room, *first, now, &mut rows)?;
            if swept.dropped > 0 {
                self.dropped.messages += swept.dropped;
                self.dropped.rooms += 1;
                swept_rooms.push(*room);
            }
            if rows > 0
                && swept.is_outdated
                && let Some(claim) = removal.remove(&batch, *room)?
            {
                claims.push(claim);
                swept_rooms.push(*room);
                rows -= 1;
            }
            if rows == 0 {
                // This room may hold more.
                break;
            }
            self.after = Some(*room);
        }
        let is_changed = rows < STEP_ROWS;
        if rows > 0 && rooms.len() < STEP_ROOMS as usize {
            self.store_time(batch, now, is_changed)?;
            self.committed(claims, swept_rooms, removal);
            self.finish();
            return Ok(None);
        }
        if is_changed {
            batch.commit()?;
            self.committed(claims, swept_rooms, removal);
            return Ok(Some(REST));
        }
        Ok(Some(REST_UNCHANGED))
    }

    /// Commits the last batch of a sweep, with the time of the sweep if that is due.
    fn store_time(&mut self, batch: Batch<'_>, now: Judged, is_changed: bool) -> Result<()> {
        let is_due = self.swept_at.is_none_or(|at| now.age(at) >= STORED_INTERVAL || at > now.now);
        if is_due || self.dropped.messages > 0 || !self.has_stored_limits {
            batch.set(Setting::SweptAt, &now.now.millis().to_string())?;
            batch.set(Setting::Retain, &self.retain.limits())?;
            batch.commit()?;
            self.swept_at = Some(now.now);
            self.has_stored_limits = true;
        } else if is_changed {
            batch.commit()?;
        }
        Ok(())
    }

    fn committed(&mut self, claims: Vec<RoomClaim>, swept: Vec<RoomId>, removal: &mut RoomRemoval<'_>) {
        self.dropped.removed_rooms += claims.len() as u64;
        removal.committed(claims, swept);
    }

    /// Ends a sweep.
    fn finish(&mut self) {
        let Dropped { messages, rooms, removed_rooms } = std::mem::take(&mut self.dropped);
        if messages > 0 {
            tracing::info!(messages, rooms, "retention dropped messages");
        }
        if removed_rooms > 0 {
            tracing::info!(rooms = removed_rooms, "retention removed empty rooms");
        }
        self.after = None;
        self.pause(INTERVAL);
    }

    /// Sweeps a room.
    fn sweep_room(
        &self,
        batch: &Batch<'_>,
        room: RoomId,
        first: Seq,
        now: Judged,
        rows: &mut u32,
    ) -> Result<SweptRoom> {
        let Head { seq: head, ts: head_ts, .. } = batch.view().head(room)?;
        let first_by_count = retained::oldest(batch.view(), room, (first, head), &self.retain)?;
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
        let is_outdated = end > head
            && now.forgets
            && now.age(head_ts) > ROOM_REMOVAL_AGE
            && !batch.view().has_entries_before(room, head)?;
        Ok(SweptRoom { dropped: end.get().saturating_sub(first.get()), is_outdated })
    }
}

/// Class of an entry that is not dropped for itself.
fn unless_future(ts: Timestamp, now: Judged) -> Class {
    if ts > now.now { Class::Unknown } else { Class::Keep }
}
