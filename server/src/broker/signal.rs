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
        Self { json, skip, presence_version: 0 }
    }
}

impl PresenceChange {
    /// The signal about the change, for the other members. A user who joins receives a `joined` of its own. `named`
    /// returns members to name to the others.
    pub(super) fn signal(
        &self,
        room: &RoomName,
        presence_version: u64,
        named: impl FnOnce() -> Arc<MemberNames>,
    ) -> Signal {
        let json = match self.kind {
            PresenceKind::Joined => UnencodedJoined::new(&self.user, room, named(), self.count).encode(None),
            PresenceKind::Left(reason) => {
                let left = left(&self.user, room, self.count, reason);
                codec::encode(&ServerEvent::System(SystemEvent::Left(left)))
            }
        };
        Signal { presence_version, ..Signal::new(json.into(), Skip::User(self.user.clone())) }
    }
}
