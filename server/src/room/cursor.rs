//! Cursor of a connection in a room: an offset in the ring, or a seq in the store.
//!
//! A reader that missed more than the ring holds reads pages from the store, one at a time as its socket drains. It
//! changes over to the ring as soon as the ring holds the next entry.

use std::sync::atomic::Ordering;

use realtime_shared::Seq;

use super::mailbox::Mailbox;
use super::ring::{Arrival, Overtaken, Reader, RingOffset, RoomRing};
use super::{RingState, Room};
use crate::broker::Page;
use crate::framing;

/// The next frame of a connection in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    Ring {
        /// The offset of the next frame.
        next: RingOffset,
        arrival: Arrival,
    },
    Store {
        /// The last entry that was delivered.
        after: Seq,
        /// The head at the join. Later entries are delivered from the ring.
        head: Seq,
        arrival: Arrival,
    },
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
}

impl Cursor {
    /// The offset in the ring; `None` for a cursor in the store.
    pub(crate) fn ring_offset(&self) -> Option<RingOffset> {
        match self {
            Self::Ring { next, .. } => Some(*next),
            Self::Store { .. } => None,
        }
    }
}

impl Room {
    /// Returns true if a pull may deliver something. Takes no lock.
    pub(crate) fn has_more(&self, cursor: &Cursor) -> bool {
        cursor.ring_offset().is_none_or(|offset| offset < self.end.load(Ordering::Acquire))
    }

    /// Copies the next frames of a reader, up to the offset `until`, until `out` has about `limit` bytes. Counts the
    /// entries among them in the metrics.
    pub(crate) fn pull(
        &self,
        cursor: &mut Cursor,
        mailbox: &Mailbox,
        until: Option<RingOffset>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Pulled, Overtaken> {
        let state = self.state.lock();
        let RingState::Open(ring) = &state.ring else { return Ok(Pulled::All) };
        cursor.follow_reset(ring);
        if let Cursor::Store { after, head, arrival } = *cursor {
            // From the join on, the ring is needed: only it has the signals since then.
            let next = if after >= head { Some(arrival.offset) } else { ring.offset_after(after) };
            match next {
                Some(next) => *cursor = Cursor::Ring { next, arrival },
                None => return Ok(Pulled::FromStore(after)),
            }
        }
        let Cursor::Ring { next, arrival } = cursor else { return Ok(Pulled::All) };
        let end = until.unwrap_or(RingOffset::MAX).min(ring.end());
        let reader = Reader { user: &mailbox.user, arrival: *arrival };
        let from = std::mem::replace(next, ring.copy(*next, end, &reader, out, limit)?);
        let replayed =
            if from < arrival.offset { ring.entries_between(from, (*next).min(arrival.offset)) } else { 0 };
        mailbox.metrics.delivered(mailbox.worker, ring.entries_between(from, *next), replayed);
        Ok(if *next < end { Pulled::Some } else { Pulled::All })
    }
}

impl Cursor {
    /// Moves a cursor from before a replacement of the log to the start of the new log.
    fn follow_reset(&mut self, ring: &RoomRing) {
        let (offset, presence_version) = match self {
            Self::Ring { next, arrival } => (*next, arrival.presence_version),
            Self::Store { arrival, .. } => (arrival.offset, arrival.presence_version),
        };
        if let Some(offset) = ring.reset_since(offset) {
            *self = Self::Ring { next: offset, arrival: Arrival { offset, presence_version } };
        }
    }

    /// Appends the entries of a page to `out` as frames, up to the head at the join, and counts them.
    ///
    /// Fails if the page does not begin with the entry after the cursor: the store has dropped that entry.
    pub(crate) fn take_page(
        &mut self,
        page: &Page,
        mailbox: &Mailbox,
        out: &mut Vec<u8>,
    ) -> Result<(), Overtaken> {
        let Self::Store { after, head, .. } = self else { return Ok(()) };
        // An empty page means that the store does not have the next entry. The ring did not have it either.
        let mut follows = !page.entries.is_empty();
        let mut taken = 0;
        for entry in &page.entries {
            if *after >= *head {
                break;
            }
            follows = entry.seq == after.next();
            if !follows {
                break;
            }
            framing::text(out, &entry.json);
            *after = entry.seq;
            taken += 1;
        }
        mailbox.metrics.delivered(mailbox.worker, taken, taken);
        if follows { Ok(()) } else { Err(Overtaken) }
    }
}
