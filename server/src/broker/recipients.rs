//! Recipients of frames that are delivered outside of rooms.

use realtime_shared::{RoomName, UserId};

/// Recipients of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// All connections of a user.
    User(UserId),
    /// Connections of a user, for a frame about a room.
    Concerned(Concerned),
    /// All connections.
    Everyone,
}

/// The connections of a user for which a frame about a room is meant. Each connection checks when it sends the frame that
/// its token opens the room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Concerned {
    pub(crate) user: UserId,
    pub(crate) room: RoomName,
    pub(crate) skip: SkipConnections,
}

/// Connections of a user that do not receive a frame about a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SkipConnections {
    /// Those that are in the room.
    InRoom,
    /// This one.
    One(Origin),
}

/// The connection that caused a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    /// A random number of the instance.
    pub(crate) instance: u64,
    /// The number of the connection on that instance.
    pub(crate) connection: u64,
}
