//! The members of a room, and the events of a join and a leave.

use realtime_shared::{Joined, LeaveReason, Left, RoomName, UserId};

/// Most members that are named to a user who joins or requests the members.
pub(crate) const MEMBERS_NAMED: usize = 1_000;
/// Most members that are named in the join signal for the other members.
pub(crate) const MEMBERS_TO_OTHERS: usize = 50;

/// The members of a room on all instances, or the part of them that was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    /// The first members in a fixed order, as many as were requested.
    pub(crate) members: Vec<UserId>,
    /// Number of all members.
    pub(crate) count: u64,
    /// True if the call added the user to the room, or removed it.
    pub(crate) changed: bool,
    /// The presence version of this state; see [`Signal::presence_version`](super::Signal::presence_version).
    #[expect(clippy::struct_field_names, reason = "the number has one name everywhere")]
    pub(crate) presence_version: u64,
}

/// The event of a join, without position and recovery.
pub(crate) fn joined(user: &UserId, room: &RoomName, presence: Presence) -> Joined {
    Joined {
        message: format!("{user} joined"),
        room: room.clone(),
        user_id: user.clone(),
        members: presence.members,
        member_count: presence.count,
        others: Vec::new(),
        others_count: 0,
        position: None,
        recovery: None,
    }
}

/// The event of a leave.
pub(crate) fn left(user: &UserId, room: &RoomName, count: u64, reason: LeaveReason) -> Left {
    Left {
        message: format!("{user} left"),
        room: room.clone(),
        user_id: user.clone(),
        member_count: count,
        reason,
        others: Vec::new(),
        others_count: 0,
    }
}
