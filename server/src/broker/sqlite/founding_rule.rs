//! The limits on new rooms, applied to a batch.

use realtime_shared::{Timestamp, UserId};
use rusqlite::Result;

use crate::broker::NotStored;
use crate::broker::founding::{FOUNDING_WINDOW, with_another};
use crate::config::RoomLimits;
use crate::store::Batch;

/// The limits, and the number of rooms.
pub(super) struct FoundingRule {
    limits: RoomLimits,
    /// Rooms in the file and in the current batch; `None` if they are still to be counted.
    rooms: Option<u64>,
}

impl FoundingRule {
    pub(super) fn new(limits: RoomLimits) -> Self {
        Self { limits, rooms: None }
    }

    /// Counts a new room of a user in the batch, or returns the refusal.
    pub(super) fn apply(
        &mut self,
        batch: &Batch<'_>,
        founder: &UserId,
        is_exempt: bool,
        now: Timestamp,
    ) -> Result<Option<NotStored>> {
        let RoomLimits { new_per_user, total } = self.limits;
        if total > 0 {
            let rooms = match self.rooms {
                Some(rooms) => rooms,
                None => batch.view().room_count()? + batch.view().unfounded_direct_rooms()?,
            };
            self.rooms = Some(rooms);
            if rooms >= total && !is_exempt {
                return Ok(Some(NotStored::too_many_rooms(total)));
            }
        }
        if new_per_user > 0 && !is_exempt {
            let before = batch.founded(founder)?;
            let Some(count) = with_another(before, new_per_user, now) else {
                return Ok(Some(NotStored::too_many_founded(new_per_user)));
            };
            let window = u64::try_from(FOUNDING_WINDOW.as_millis()).unwrap_or(u64::MAX);
            let outdated = Timestamp::from_millis(now.millis().saturating_sub(window));
            batch.set_founded(founder, count, outdated)?;
        }
        self.rooms = self.rooms.map(|rooms| rooms + 1);
        Ok(None)
    }

    /// Rooms were removed. Those that a user has founded still count for the user.
    pub(super) fn remove_rooms(&mut self, count: u64) {
        self.rooms = self.rooms.map(|rooms| rooms.saturating_sub(count));
    }

    /// A batch was not stored: the number is unknown.
    pub(super) fn forget_count(&mut self) {
        self.rooms = None;
    }
}
