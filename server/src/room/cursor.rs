//! Where a connection is in a room: a place in the ring, or a number in the store.
//!
//! Who missed more than the ring has reads pages from the store as its socket drains, and goes over to the ring as
//! soon as the ring has what comes next. Nothing is loaded ahead.

use std::sync::atomic::Ordering;

use realtime_shared::Seq;

use super::log::{Arrival, Overtaken, Place, Reader};
use super::{Log, Mailbox, Room, RoomLog};
use crate::broker::Page;
use crate::framing;

/// Where a connection is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cursor {
    /// In the ring.
    Ring {
        /// The next frame.
        place: Place,
        /// When the reader came.
        arrival: Arrival,
    },
    /// In the store.
    Store {
        /// The last entry that was taken.
        after: Seq,
        /// The head when the reader came: what comes after it is live.
        head: Seq,
        /// When that was.
        arrival: Arrival,
    },
}

/// What a pull brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pulled {
    /// All that there is.
    All,
    /// As much as was asked for; there may be more.
    Some,
    /// The store has to be asked for what comes after this entry.
    FromStore(Seq),
}

impl Cursor {
    /// The place in the ring, for one that is there.
    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::Ring { place, .. } => Some(*place),
            Self::Store { .. } => None,
        }
    }
}

impl Room {
    /// Whether there may be something for a cursor. Costs no lock.
    pub(crate) fn has_more(&self, cursor: &Cursor) -> bool {
        cursor.place().is_none_or(|place| place < self.end.load(Ordering::Acquire))
    }

    /// Copies what is next for a reader, up to `until`, until `out` has about `limit` bytes; counts what of it is
    /// numbered.
    pub(crate) fn pull(
        &self,
        cursor: &mut Cursor,
        reader: &Mailbox,
        until: Option<Place>,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> Result<Pulled, Overtaken> {
        let state = self.state.lock();
        let Log::Open(log) = &state.log else { return Ok(Pulled::All) };
        cursor.follow_reset(log);
        if let Cursor::Store { after, head, arrival } = *cursor {
            // What was shown since the reader came, and is not stored, is in the ring alone.
            let place = if after >= head { Some(arrival.place) } else { log.place_after(after) };
            match place {
                Some(place) => *cursor = Cursor::Ring { place, arrival },
                None => return Ok(Pulled::FromStore(after)),
            }
        }
        let Cursor::Ring { place, arrival } = cursor else { return Ok(Pulled::All) };
        let end = until.unwrap_or(Place::MAX).min(log.end());
        let who = Reader { user: &reader.user, arrival: *arrival };
        let from = std::mem::replace(place, log.copy(*place, end, &who, out, limit)?);
        let replayed =
            if from < arrival.place { log.entries_between(from, (*place).min(arrival.place)) } else { 0 };
        reader.metrics.delivered(reader.worker, log.entries_between(from, *place), replayed);
        Ok(if *place < end { Pulled::Some } else { Pulled::All })
    }
}

impl Cursor {
    /// Goes on where the log became another one, if it did since the reader came, and the reader is not past that.
    fn follow_reset(&mut self, log: &RoomLog) {
        let (came, presence_version) = match self {
            Self::Ring { place, arrival } => (*place, arrival.presence_version),
            Self::Store { arrival, .. } => (arrival.place, arrival.presence_version),
        };
        if let Some(place) = log.reset_since(came) {
            *self = Self::Ring { place, arrival: Arrival { place, presence_version } };
        }
    }

    /// Takes a page that follows the cursor, as frames, up to the head that the reader found, and counts them: from
    /// there on it reads the ring, and has been left behind where that does not go back so far.
    ///
    /// A page with a hole before it means that the store has dropped what was next.
    pub(crate) fn take_page(
        &mut self,
        page: &Page,
        reader: &Mailbox,
        out: &mut Vec<u8>,
    ) -> Result<(), Overtaken> {
        let Self::Store { after, head, .. } = self else { return Ok(()) };
        // An empty page while the ring does not have the next entry: it is gone.
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
        reader.metrics.delivered(reader.worker, taken, taken);
        if follows { Ok(()) } else { Err(Overtaken) }
    }
}
