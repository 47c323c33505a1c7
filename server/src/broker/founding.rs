//! Limits on the rooms that users found. A room is founded by its first entry.
//!
//! Each engine applies them in the step that orders the room, and stores the counts as it stores entries.

use std::collections::HashMap;
use std::time::Duration;

use realtime_shared::{Timestamp, UserId};

use super::NotStored;
use crate::config::RoomLimits;
use crate::store::FoundedRooms;

/// Time for which the rooms that a user has founded count. It begins with the first of them.
pub(super) const FOUNDING_WINDOW: Duration = Duration::from_hours(24);
/// Least number of users that the counts in memory hold before old ones are removed.
const SPARE_USERS: usize = 1_024;

/// The count with another room; `None` if the limit is reached.
pub(super) fn with_another(before: Option<FoundedRooms>, limit: u32, now: Timestamp) -> Option<FoundedRooms> {
    match before.filter(|founded| is_current(founded, now)) {
        None => Some(FoundedRooms { since: now, rooms: 1 }),
        Some(FoundedRooms { since, rooms }) => {
            (rooms < limit).then(|| FoundedRooms { since, rooms: rooms.saturating_add(1) })
        }
    }
}

/// True within the window. A clock that was far ahead does not prolong it.
fn is_current(founded: &FoundedRooms, now: Timestamp) -> bool {
    u128::from(now.millis().abs_diff(founded.since.millis())) < FOUNDING_WINDOW.as_millis()
}

/// The rooms of the memory engine, and their founders.
pub(super) struct Founders {
    limits: RoomLimits,
    rooms: u64,
    users: HashMap<UserId, FoundedRooms>,
    /// Number of users at which old counts are removed.
    full: usize,
}

impl Founders {
    pub(super) fn new(limits: RoomLimits) -> Self {
        Self { limits, rooms: 0, users: HashMap::new(), full: SPARE_USERS }
    }

    /// Counts a new room of a user, or refuses it.
    pub(super) fn found(&mut self, by: &UserId, is_exempt: bool, now: Timestamp) -> Result<(), NotStored> {
        if !is_exempt {
            let RoomLimits { new_per_user, total } = self.limits;
            if total > 0 && self.rooms >= total {
                return Err(NotStored::too_many_rooms(total));
            }
            if new_per_user > 0 {
                let before = self.users.get(by).copied();
                let founded = with_another(before, new_per_user, now)
                    .ok_or_else(|| NotStored::too_many_founded(new_per_user))?;
                if self.users.len() >= self.full {
                    self.users.retain(|_, founded| is_current(founded, now));
                    self.full = SPARE_USERS.max(2 * self.users.len());
                }
                self.users.insert(by.clone(), founded);
            }
        }
        self.rooms += 1;
        Ok(())
    }

    /// A founded room is gone.
    pub(super) fn remove_room(&mut self) {
        self.rooms = self.rooms.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::contract::user;

    const DAY: u64 = 24 * 60 * 60 * 1_000;

    #[test]
    fn a_window_begins_with_its_first_room_and_ends_after_a_day() {
        let at = Timestamp::from_millis;
        let founded = |since, rooms| Some(FoundedRooms { since: at(since), rooms });
        let another = |before, now| with_another(before, 2, at(now));
        assert_eq!(another(None, 5), founded(5, 1));
        assert_eq!(another(founded(5, 1), 4 + DAY), founded(5, 2));
        assert_eq!(another(founded(5, 2), 4 + DAY), None);
        assert_eq!(another(founded(5, 2), 5 + DAY), founded(5 + DAY, 1));
        assert_eq!(another(founded(5, 2), 3), None, "the clock went back");
        assert_eq!(another(founded(800 * DAY, 2), DAY), founded(DAY, 1), "the clock was far ahead");
    }

    #[test]
    fn old_counts_in_memory_are_removed() {
        let mut founders = Founders::new(RoomLimits { new_per_user: 2, total: 0 });
        for day in 0..4 {
            for number in 0..SPARE_USERS as u64 {
                let founder = user(&format!("user-{day}-{number}"));
                let now = Timestamp::from_millis(day * DAY + number);
                assert_eq!(founders.found(&founder, false, now), Ok(()));
            }
        }
        assert!(founders.users.len() <= 2 * SPARE_USERS, "{}", founders.users.len());
    }
}
