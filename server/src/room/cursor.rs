//! Cursor of a connection in a room: an offset in the ring, or a seq in the store.
//!
//! A reader of the store reads pages, one at a time as its socket drains, and changes over to the ring as soon as the
//! ring holds the next entry. There are two kinds:
//!
//! - A joiner that missed more than the ring holds. The ring has the signals since its join.
//! - A reader whose next frame was trimmed from the ring. It has fallen behind, and loses the signals that it passes
//!   over. When it is back in the ring, it receives the members of the room anew.
//!
//! A reader never passes over an entry silently. If the store has dropped the next entry, the reader receives a
//! `resync` with the status `truncated`.

use std::sync::atomic::Ordering;

use realtime_shared::{Position, Recovery, Resync, Seq, ServerEvent, SystemEvent, codec};

use super::mailbox::Mailbox;
use super::ring::{Arrival, Overtaken, Passed, Reader, RingOffset, RoomRing};
use super::{RingState, Room};
use crate::broker::Page;
use crate::framing;
use crate::metrics::Dropped;

/// The next frame of a connection in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    Ring {
        /// The offset of the next frame.
        next: RingOffset,
        /// The frames before it.
        passed: Passed,
        arrival: Arrival,
    },
    Store {
        /// The last entry that was delivered.
        after: Seq,
        reader: StoreReader,
    },
}

/// A reader of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreReader {
    Joiner {
        /// The head at the join. Later entries are delivered from the ring.
        head: Seq,
        arrival: Arrival,
        /// Number of signals before the arrival.
        signals: u64,
    },
    Behind {
        /// The offset that the ring did not hold any more.
        offset: RingOffset,
        /// Number of signals before that offset.
        signals: u64,
    },
}

/// A point in a room's frames: its ring offset, and the newest entry before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomEnd {
    pub(crate) offset: RingOffset,
    pub(crate) head: Seq,
}

/// The outcome of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// Everything up to the requested end.
    All,
    /// As much as the limit allowed. There is more.
    Some,
    /// The page after this entry has to be fetched from the store.
    FromStore(Seq),
    /// The ring holds the next entry of a reader that has fallen behind. The members have to be fetched;
    /// [`Room::return_to_ring`] follows.
    InRing,
}

impl Cursor {
    /// The offset in the ring; `None` for a cursor in the store.
    pub(crate) fn ring_offset(&self) -> Option<RingOffset> {
        match self {
            Self::Ring { next, .. } => Some(*next),
            Self::Store { .. } => None,
        }
    }

    /// Returns true while the reader receives frames from before its join, or from before its return to the ring.
    pub(crate) fn replays(&self) -> bool {
        match self {
            Self::Ring { next, arrival, .. } => *next < arrival.offset,
            Self::Store { .. } => true,
        }
    }

    /// Moves a cursor from before a replacement of the log to the start of the new log.
    ///
    /// Fails if the reader cannot receive the `resync` that the ring has there, or has lost signals before it. It also
    /// fails for a cursor into a ring that was discarded.
    fn follow_reset(&mut self, ring: &RoomRing) -> Result<(), Overtaken> {
        let (offset, presence_version) = match self {
            Self::Ring { next, arrival, .. } => (*next, Some(arrival.presence_version)),
            Self::Store { reader: StoreReader::Joiner { arrival, .. }, .. } => {
                (arrival.offset, Some(arrival.presence_version))
            }
            Self::Store { reader: StoreReader::Behind { offset, .. }, .. } => (*offset, None),
        };
        if let Some(offset) = ring.reset_since(offset) {
            let presence_version = presence_version.filter(|_| ring.holds(offset)).ok_or(Overtaken)?;
            let arrival = Arrival { offset, presence_version };
            *self = Self::Ring { next: offset, passed: ring.passed(offset, &arrival), arrival };
        } else if ring.is_foreign(offset) {
            return Err(Overtaken);
        }
        Ok(())
    }
}

impl Room {
    /// Returns true if a pull may deliver something. Takes no lock.
    pub(crate) fn has_more(&self, cursor: &Cursor) -> bool {
        cursor.ring_offset().is_none_or(|offset| offset < self.end.load(Ordering::Acquire))
    }

    /// Copies the next frames of a reader, up to `until`, until `out` has about `limit` bytes. Counts the entries among
    /// them in the metrics.
    pub(crate) fn pull(
        &self,
        cursor: &mut Cursor,
        mailbox: &Mailbox,
        until: Option<RoomEnd>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Pulled, Overtaken> {
        let state = self.state.lock();
        let RingState::Open(ring) = &state.ring else { return Ok(Pulled::All) };
        cursor.follow_reset(ring)?;
        if let Some(pulled) = cursor.change_over(ring, mailbox, until) {
            return Ok(pulled);
        }
        let Cursor::Ring { next, passed, arrival } = cursor else { return Ok(Pulled::All) };
        let end = until.map_or(RingOffset::MAX, |until| until.offset).min(ring.end());
        let reader = Reader { user: &mailbox.user, arrival: *arrival };
        let copied = ring.copy(*next, end, &reader, out, limit)?;
        let from = std::mem::replace(next, copied);
        let replayed =
            if from < arrival.offset { ring.entries_between(from, copied.min(arrival.offset)) } else { 0 };
        let before = passed.entry;
        *passed = ring.passed(copied, arrival);
        let delivered = passed.entry.checked_since(before).unwrap_or(0);
        mailbox.metrics.delivered(mailbox.worker, delivered, replayed);
        Ok(if copied < end { Pulled::Some } else { Pulled::All })
    }

    /// Moves a reader that has fallen behind back to the ring. `arrival` is the state of the room when its members were
    /// read. Returns false if the ring has lost the next entry meanwhile, or a signal after the members.
    pub(crate) fn return_to_ring(&self, cursor: &mut Cursor, arrival: Arrival, mailbox: &Mailbox) -> bool {
        let state = self.state.lock();
        let RingState::Open(ring) = &state.ring else { return false };
        let Cursor::Store { after, reader: StoreReader::Behind { offset, signals } } = *cursor else {
            return false;
        };
        // The next pull handles a change of the log.
        if ring.reset_since(offset).is_some() || ring.is_foreign(offset) {
            return false;
        }
        let Some(next) = ring.offset_after(after).filter(|_| ring.holds(arrival.offset)) else {
            return false;
        };
        let passed = Passed { entry: after, ..ring.passed(next, &arrival) };
        mailbox.metrics.dropped.add(Dropped::SlowReader, passed.signals.saturating_sub(signals));
        *cursor = Cursor::Ring { next, passed, arrival };
        true
    }

    /// Appends the entries of a page to `out` as frames, and counts them. A joiner takes those up to the head at the
    /// join. Others take those up to the head of the ring, or up to `until`.
    ///
    /// If the page does not begin with the entry after the cursor, the store has dropped that entry: the reader moves past
    /// the dropped entries, and a `resync` announces it.
    pub(crate) fn take_page(
        &self,
        cursor: &mut Cursor,
        page: &Page,
        until: Option<RoomEnd>,
        mailbox: &Mailbox,
        out: &mut Vec<u8>,
    ) -> Result<(), Overtaken> {
        let state = self.state.lock();
        let RingState::Open(ring) = &state.ring else { return Ok(()) };
        cursor.follow_reset(ring)?;
        let Cursor::Store { after, reader } = cursor else { return Ok(()) };
        // An engine may have stored entries that it has not announced to the ring.
        let head = ring.head().seq();
        let end = match reader {
            StoreReader::Joiner { head, .. } => *head,
            StoreReader::Behind { .. } => until.map_or(head, |until| until.head.min(head)),
        };
        // A page that another reader has read may begin before the cursor.
        let first = page.entries.partition_point(|entry| entry.seq <= *after);
        let due = page.entries[first..].iter().take_while(|entry| entry.seq <= end);
        let following = due.take_while(|entry| {
            let follows = entry.seq == after.next();
            if follows {
                framing::text(out, &entry.json);
                *after = entry.seq;
            }
            follows
        });
        let taken = following.count();
        mailbox.metrics.delivered(mailbox.worker, taken as u64, taken as u64);
        let next = page.entries.get(first + taken).map(|entry| entry.seq);
        if *after < end && (taken == 0 || next.is_some()) {
            // Neither the store nor the ring has the next entry.
            let from = next.map_or(head, |next| next.previous().min(head));
            let replayed = head.checked_since(from).unwrap_or(0);
            let recovery = Recovery::Truncated { replayed };
            mailbox.metrics.recovered(recovery);
            let message = "entries that you have not read were dropped";
            framing::text(out, &self.resync(message, ring.head(), recovery));
            *after = from;
            if let StoreReader::Joiner { arrival, signals, .. } = *reader {
                *reader = StoreReader::Behind { offset: arrival.offset, signals };
            }
        }
        Ok(())
    }

    /// The `resync` for members whose replay is `recovery`.
    pub(super) fn resync(&self, message: &str, head: &Position, recovery: Recovery) -> String {
        let (message, room, position) = (message.to_owned(), self.name.clone(), head.clone());
        codec::encode(&ServerEvent::System(SystemEvent::Resync(Resync { message, room, position, recovery })))
    }
}

impl Cursor {
    /// Moves a cursor between the ring and the store, as far as no fetch is needed. Returns the outcome of the pull if
    /// the cursor is in the store then.
    fn change_over(&mut self, ring: &RoomRing, mailbox: &Mailbox, until: Option<RoomEnd>) -> Option<Pulled> {
        if let Self::Store { after, reader: StoreReader::Joiner { head, arrival, signals } } = *self {
            // From the join on the ring is needed: it alone has the signals since then.
            let next = if after >= head { Some(arrival.offset) } else { ring.offset_after(after) };
            let Some(next) = next else { return Some(Pulled::FromStore(after)) };
            *self = Self::Ring { next, passed: Passed { entry: after, signals }, arrival };
        }
        if let Self::Ring { next, passed, .. } = *self
            && !ring.holds(next)
        {
            mailbox.metrics.readers_behind.inc();
            let reader = StoreReader::Behind { offset: next, signals: passed.signals };
            *self = Self::Store { after: passed.entry, reader };
        }
        let Self::Store { after, .. } = *self else { return None };
        Some(match until {
            Some(until) if after >= until.head => Pulled::All,
            _ if ring.offset_after(after).is_some() => Pulled::InRing,
            _ => Pulled::FromStore(after),
        })
    }
}
