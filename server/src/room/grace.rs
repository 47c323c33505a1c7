//! Leave graces: the time in which users without a connection in a room are still members.

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
    /// Number of graces that have begun.
    losses: u64,
    running: BTreeMap<Loss, Leaving>,
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
        self.running.insert(loss, (room, user, reason));
        loss
    }

    /// Ends a leave grace early, because the user has joined again.
    pub(super) fn cancel(&mut self, loss: &Loss) {
        self.running.remove(loss);
    }

    /// The end of the first leave grace.
    pub(super) fn next(&self) -> Option<Instant> {
        self.running.keys().next().map(|(end, _)| *end)
    }

    /// Removes the first leave grace, if it has ended.
    pub(super) fn take_ended(&mut self, now: Instant) -> Option<(Loss, Leaving)> {
        let first = self.running.first_entry()?;
        (first.key().0 <= now).then(|| first.remove_entry())
    }
}
