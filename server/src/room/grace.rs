//! Leave graces: users who lost their last connection in a room, and remain members for a while.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use realtime_shared::{LeaveReason, UserId};

use super::Room;
use super::members::Loss;

/// A user whose leave grace is running in a room.
type Leaving = (Arc<Room>, UserId, LeaveReason);

/// Running leave graces, in the order of their ends.
#[derive(Default)]
pub(super) struct Grace {
    losses: u64,
    pub(super) waiting: BTreeMap<Loss, Leaving>,
}

impl Grace {
    /// Begins the leave grace of a user.
    pub(super) fn begin(
        &mut self,
        room: Arc<Room>,
        user: UserId,
        reason: LeaveReason,
        grace: Duration,
    ) -> Loss {
        self.losses += 1;
        let loss = (Instant::now() + grace, self.losses);
        self.waiting.insert(loss, (room, user, reason));
        loss
    }

    /// The end of the first leave grace.
    pub(super) fn next(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|(end, _)| *end)
    }

    /// Removes the first leave grace, if it has ended.
    pub(super) fn take_ended(&mut self, now: Instant) -> Option<(Loss, Leaving)> {
        let first = self.waiting.first_entry()?;
        (first.key().0 <= now).then(|| first.remove_entry())
    }
}
