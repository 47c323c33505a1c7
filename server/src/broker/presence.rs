//! The members of a room, and the frames about them.

use std::sync::Arc;

use realtime_shared::{
    Joined, LeaveReason, Left, Members, Ref, RoomName, ServerEvent, ServerFrame, SystemEvent, UserId, codec,
};

use super::member_names::MemberNames;

/// Most members that are named to a user who joins or requests the members.
pub(crate) const MEMBERS_NAMED: usize = 1_000;
/// Most members that are named in the join signal for the other members.
pub(crate) const MEMBERS_TO_OTHERS: usize = 50;

/// The members of a room on all instances, or the part of them that was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    /// The first members in a fixed order, as many as were requested.
    pub(crate) members: Arc<MemberNames>,
    /// Number of all members.
    pub(crate) count: u64,
    /// True if the call added the user to the room, or removed it.
    pub(crate) changed: bool,
    /// The presence version of this state; see [`Signal::presence_version`](super::Signal::presence_version).
    #[expect(clippy::struct_field_names, reason = "the number has one name everywhere")]
    pub(crate) presence_version: u64,
}

/// Members of a room whose names begin with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundMembers {
    /// In the order of their names, as many as were requested at most.
    pub(crate) members: Arc<MemberNames>,
    /// Number of all members of the room.
    pub(crate) count: u64,
    /// True if there are or may be more of them.
    pub(crate) has_more: bool,
}

/// A `joined` that is complete except for its members, which are encoded already.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UnencodedJoined {
    /// The event, without members.
    pub(crate) event: Joined,
    pub(crate) members: Arc<MemberNames>,
}

impl UnencodedJoined {
    /// The join of a user, without position and recovery.
    pub(crate) fn new(user: &UserId, room: &RoomName, members: Arc<MemberNames>, count: u64) -> Self {
        let event = Joined {
            message: format!("{user} joined"),
            room: room.clone(),
            user_id: user.clone(),
            members: Vec::new(),
            member_count: count,
            others: Vec::new(),
            others_count: 0,
            position: None,
            recovery: None,
            read_seq: None,
        };
        Self { event, members }
    }

    /// Encodes the frame.
    pub(crate) fn encode(self, reference: Option<Ref>) -> String {
        let event = ServerEvent::System(SystemEvent::Joined(self.event));
        codec::encode_with_members(&ServerFrame { event, reference }, self.members.json())
    }
}

/// Encodes the `members` of a room.
pub(crate) fn members_frame(room: &RoomName, presence: &Presence, reference: Option<Ref>) -> String {
    encode_members(room, &presence.members, presence.count, None, reference)
}

/// Encodes the members that a search has found, as `members`.
pub(crate) fn found_members_frame(room: &RoomName, found: &FoundMembers, reference: Option<Ref>) -> String {
    encode_members(room, &found.members, found.count, Some(found.has_more), reference)
}

fn encode_members(
    room: &RoomName,
    members: &MemberNames,
    member_count: u64,
    has_more: Option<bool>,
    reference: Option<Ref>,
) -> String {
    let event = Members { room: room.clone(), members: Vec::new(), member_count, has_more };
    let frame = ServerFrame { event: ServerEvent::Members(event), reference };
    codec::encode_with_members(&frame, members.json())
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
