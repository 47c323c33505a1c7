//! Signals: frames for the members of a room that are not stored.

use std::sync::Arc;

use realtime_shared::{LeaveReason, RoomName, ServerEvent, SystemEvent, UserId, codec};

use super::member_names::MemberNames;
use super::presence::{UnencodedJoined, left};

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
    /// The join or leave that it reports, if it is about presence.
    pub(crate) change: Option<PresenceChange>,
}

/// A join or a leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PresenceChange {
    pub(crate) user: UserId,
    pub(crate) kind: PresenceKind,
    /// Number of members afterwards.
    pub(crate) count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PresenceKind {
    Joined,
    Left(LeaveReason),
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
    /// A signal that is not about presence.
    pub(crate) fn new(json: Arc<str>, skip: Skip) -> Self {
        Self { json, skip, presence_version: 0, change: None }
    }

    /// The join of a user, for the other members. The user itself receives a `joined` of its own.
    pub(super) fn joined(
        user: &UserId,
        room: &RoomName,
        members: Arc<MemberNames>,
        count: u64,
        presence_version: u64,
    ) -> Self {
        let json = UnencodedJoined::new(user, room, members, count).encode(None);
        let change = PresenceChange { user: user.clone(), kind: PresenceKind::Joined, count };
        Self::of(json, change, presence_version)
    }

    /// The leave of a user, for the remaining members.
    pub(super) fn left(
        user: &UserId,
        room: &RoomName,
        count: u64,
        reason: LeaveReason,
        presence_version: u64,
    ) -> Self {
        let change = PresenceChange { user: user.clone(), kind: PresenceKind::Left(reason), count };
        let event = SystemEvent::Left(left(user, room, count, reason));
        Self::of(codec::encode(&ServerEvent::System(event)), change, presence_version)
    }

    fn of(json: String, change: PresenceChange, presence_version: u64) -> Self {
        let skip = Skip::User(change.user.clone());
        Self { json: json.into(), skip, presence_version, change: Some(change) }
    }
}
