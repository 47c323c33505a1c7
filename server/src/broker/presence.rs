//! The members of a room, and the events of a join and a leave.

use realtime_shared::{Joined, LeaveReason, Left, RoomName, UserId};

/// Members that are named to who joins or asks.
pub(crate) const MEMBERS_NAMED: usize = 1_000;
/// Members that are named to others when somebody joins.
pub(super) const MEMBERS_TO_OTHERS: usize = 50;

/// Who is in a room, on whatever instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    /// Some of those who are there now, in a fixed order: as many as were asked for.
    pub(crate) members: Vec<UserId>,
    /// How many are there now.
    pub(crate) count: u64,
    /// Whether the call changed it: the user was not there before, or is no more.
    pub(crate) changed: bool,
    /// The presence version that this is of; see [`Signal::presence_version`](super::Signal::presence_version).
    #[expect(clippy::struct_field_names, reason = "the number has one name everywhere")]
    pub(crate) presence_version: u64,
}

/// That a user came, as it is told to itself where it asks for no more.
pub(crate) fn joined(user: &UserId, room: &RoomName, presence: Presence) -> Joined {
    Joined {
        message: format!("{user} joined"),
        room: room.clone(),
        user_id: user.clone(),
        members: presence.members,
        member_count: presence.count,
        position: None,
        recovery: None,
    }
}

/// That a user went.
pub(crate) fn left(user: &UserId, room: &RoomName, count: u64, reason: LeaveReason) -> Left {
    Left {
        message: format!("{user} left"),
        room: room.clone(),
        user_id: user.clone(),
        member_count: count,
        reason,
    }
}
