//! Frames for one user: direct rooms, read markers, the inbox and notifications.

use serde::{Deserialize, Serialize};

use crate::name::{RoomName, Text, UserId};
use crate::position::{Position, Seq};
use crate::timestamp::Timestamp;

/// The room of two users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Direct {
    pub room: RoomName,
    /// The other user, or the user itself.
    pub user_id: UserId,
}

/// The user's read marker in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Read {
    pub room: RoomName,
    /// The newest message that the user has read.
    pub seq: Seq,
}

/// Rooms with a read marker or a mention: direct rooms first, then those with mentions, then by the oldest unread message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inbox {
    pub rooms: Vec<InboxRoom>,
    /// True if there are more rooms than the limit.
    pub has_more: bool,
}

/// A room in an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRoom {
    pub room: RoomName,
    /// The other user of a direct room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Number of messages after the marker, up to 1,000.
    pub unread: u64,
    /// Number of these that mention the user.
    pub mentions: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_mention_seq: Option<Seq>,
    /// The read marker.
    pub read_seq: Seq,
    /// The head of the room's log.
    pub position: Position,
    /// The newest message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastMessage>,
}

/// The newest message of a room in an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastMessage {
    pub from: UserId,
    /// Empty if the message was deleted.
    pub text: Text,
    pub ts: Timestamp,
}

/// A message concerns the user. Sent to the user's connections that are not in its room, and not stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    pub room: RoomName,
    pub seq: Seq,
    pub from: UserId,
    pub text: Text,
    pub reason: NotifyReason,
}

/// The reason why a message concerns a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// It is in a direct room of the user.
    Direct,
    /// It mentions the user.
    Mention,
    /// A reason that this version does not know. A server never sends it.
    #[serde(other)]
    Unknown,
}
