//! Signals: frames for the members of a room that are not stored.

use std::sync::Arc;

use realtime_shared::{LeaveReason, RoomName, ServerEvent, SystemEvent, UserId, codec};

use super::presence::{Presence, joined, left};

/// A frame that is sent to members and not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signal {
    /// The frame, JSON.
    pub(crate) json: Arc<str>,
    /// Members that do not receive it.
    pub(crate) skip: Skip,
    /// Presence version of the room after this join or leave; 0 if the signal is not about presence. Readers that joined
    /// at a later version skip it.
    pub(crate) presence_version: u64,
}

/// Members that a signal leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Skip {
    /// All members receive it.
    Nobody,
    /// All but the connections of this user.
    User(UserId),
}

impl Signal {
    /// The join of a user, for the other members. The user itself receives a `joined` of its own.
    pub(super) fn joined(
        user: &UserId,
        room: &RoomName,
        members: Vec<UserId>,
        count: u64,
        presence_version: u64,
    ) -> Self {
        let joined = joined(user, room, Presence { members, count, changed: true, presence_version });
        Self::of(SystemEvent::Joined(joined), user, presence_version)
    }

    /// The leave of a user, for the remaining members.
    pub(super) fn left(
        user: &UserId,
        room: &RoomName,
        count: u64,
        reason: LeaveReason,
        presence_version: u64,
    ) -> Self {
        Self::of(SystemEvent::Left(left(user, room, count, reason)), user, presence_version)
    }

    fn of(event: SystemEvent, user: &UserId, presence_version: u64) -> Self {
        let json = codec::encode(&ServerEvent::System(event)).into();
        Self { json, skip: Skip::User(user.clone()), presence_version }
    }
}
