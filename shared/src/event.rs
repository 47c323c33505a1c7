//! The frames of the protocol, as types.
//!
//! To add a frame that is an entry of a log: the recipe is in [`entry`](crate::entry).
//!
//! To add another frame:
//! 1. A variant of [`ClientEvent`] or [`ServerEvent`] here, with a type for its fields, exported in `lib.rs`. For the
//!    server's: its arm in each match that then does not compile, and its name in `is_not_an_entry` of
//!    `codec/server_frame.rs` (`tests/entries.rs` fails without it). A new type of field: `name.rs`.
//! 2. A client's: the arm in `Fields::event` of `codec.rs`, and each new field in `fields!` there.
//! 3. Its strategy in `strategies/frames.rs`; for new fields of a client's frame the wrong values in
//!    `strategies/client_text.rs`. `tests/lists.rs` fails while it is missing.
//! 4. Its name in `tests/golden.rs`, and a file in `tests/golden/` for each case, with and without optional fields.
//! 5. `README.md`: a row in the table of frames. Not checked by a test: an example in the JSON block below it, and
//!    bounds under "Limits".
//! 6. The server: a client's frame is decided in `session/mod.rs` (`on_event`, `is_request`, a row in
//!    `session/tests.rs`); if it becomes an `Action`, that is applied in `connection/actions.rs`. A server's frame is
//!    made there, in `connection/operation.rs`, or in `broker/signal.rs`. `tests/hub/random_frames.rs`: an arm in
//!    `is_answered`.
//! 7. The client crates: each match over [`ServerEvent`] that then does not compile. `CHANGELOG.md`.

use serde::{Deserialize, Serialize};

use crate::entry::{EntryKind, EntryRef};
use crate::error::ErrorCode;
use crate::name::{ClientMsgId, EntryId, Nonce, Ref, RoomName, Text, UserId};
use crate::position::{Epoch, Position, Seq};
use crate::timestamp::Timestamp;

/// A frame from a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientFrame {
    #[serde(flatten)]
    pub event: ClientEvent,
    /// Copied into the answer or the error.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
}

impl From<ClientEvent> for ClientFrame {
    fn from(event: ClientEvent) -> Self {
        Self { event, reference: None }
    }
}

/// The content of a client's frame. Decoded by [`crate::codec::decode_client`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientEvent {
    /// Joins a room.
    JoinRoom {
        room: RoomName,
        /// Requests a replay of the entries after this position.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Position>,
    },
    /// Leaves a room.
    LeaveRoom { room: RoomName },
    /// Posts a message.
    Message(Post),
    /// Reports that the user types, or has stopped.
    Typing {
        room: RoomName,
        /// True if the frame leaves it out.
        is_typing: bool,
    },
    /// Requests a pong.
    Ping(Ping),
    /// Requests a page of a room's history: the newest entries, or the entries next to a seq.
    History {
        room: RoomName,
        /// Selects the newest entries below this seq. Excludes `after`.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// Selects the oldest entries above this seq. Excludes `before`.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Seq>,
        /// Most entries in the answer: 1 to 200, by default 50.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Requests the members of a room.
    Members { room: RoomName },
    /// Requests the rooms that the token allows and that have a member or an entry, busiest first.
    ListRooms {
        /// Selects the rooms whose names begin with it.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// Most rooms in the answer: 1 to 500, by default 100.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Replaces the token by a newer one of the same user.
    Refresh { token: String },
    /// Broadcasts a notice to a room, a user or everybody. Only for admins.
    Notice {
        message: Text,
        /// Addresses the members of this room.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// Addresses the connections of this user.
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
    },
}

/// A message to be stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Post {
    pub room: RoomName,
    pub text: Text,
    /// The client's id for the message. Requests an [`Ack`], and lets the server recognize a repetition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
}

/// A ping of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// Copied into the pong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
}

/// A frame from the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFrame {
    #[serde(flatten)]
    pub event: ServerEvent,
    /// The `ref` of the request that the frame answers.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
}

impl From<ServerEvent> for ServerFrame {
    fn from(event: ServerEvent) -> Self {
        Self { event, reference: None }
    }
}

/// The content of a server's frame. Encoded by [`crate::codec::encode`], decoded by [`crate::codec::decode_server`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerEvent {
    /// An event of the connection, of a room's members, or from an admin.
    System(SystemEvent),
    /// A message: an entry of a room's log. Sent to every member, the sender included.
    Message(Message),
    /// A user types, or has stopped.
    Typing(Typing),
    /// The answer to a ping.
    Pong(Pong),
    /// A message is stored.
    Ack(Ack),
    /// A page of a room's history.
    History(History),
    /// The members of a room.
    Members(Members),
    /// The list of rooms.
    Rooms(Rooms),
    /// The newer token is in force.
    Refreshed {
        /// The expiry of the newer token.
        expires_at: Timestamp,
    },
    /// A refusal. The connection stays open.
    Error(ErrorEvent),
    /// A frame that this version cannot read: its `type` or its `event` is unknown, or its content is not what they
    /// require. A client ignores it, except that an entry moves its position. A server never sends it.
    #[serde(skip_deserializing)]
    Unknown {
        /// The entry that it is, if it is one.
        entry: Option<EntryRef>,
    },
}

impl ServerEvent {
    /// The entry that this frame is; `None` if it is none. An `ack` names an entry but is not one: entries before that
    /// one may still be on their way.
    #[must_use]
    pub fn entry(&self) -> Option<EntryRef> {
        match self {
            Self::Message(message) => Some(EntryRef {
                room: message.room.clone(),
                seq: message.seq,
                id: message.id,
                epoch: message.epoch.clone(),
                kind: Some(EntryKind::Message),
            }),
            Self::Unknown { entry } => entry.clone(),
            Self::System(_)
            | Self::Typing(_)
            | Self::Pong(_)
            | Self::Ack(_)
            | Self::History(_)
            | Self::Members(_)
            | Self::Rooms(_)
            | Self::Refreshed { .. }
            | Self::Error(_) => None,
        }
    }
}

/// An entry of a log, of a kind that this version can write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryEvent {
    Message(Message),
}

impl From<EntryEvent> for ServerEvent {
    fn from(entry: EntryEvent) -> Self {
        match entry {
            EntryEvent::Message(message) => Self::Message(message),
        }
    }
}

/// A `system` frame, by its `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SystemEvent {
    /// The first frame to a new connection.
    Welcome(Welcome),
    /// A user joined. To the joiner it also carries the head and the recovery.
    Joined(Joined),
    /// A user left. The leaver gets it as the answer.
    Left(Left),
    /// The log of a room changed under its members.
    Resync(Resync),
    /// The token expires within a minute.
    TokenExpiring(TokenExpiring),
    /// A notice from an admin.
    Notice(Notice),
}

/// The first frame to a new connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// `Connected successfully`.
    pub message: String,
    /// The user of the token.
    pub user_id: UserId,
    /// Connections on all instances, the new one included.
    pub online_count: u64,
    /// The end of the token.
    pub expires_at: Timestamp,
    pub limits: Limits,
}

/// Limits of the server that a client should respect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest text, in characters.
    pub text_chars: u32,
    /// Largest frame, in bytes.
    pub frame_bytes: u32,
    /// Most rooms of one connection.
    pub rooms: u32,
    /// Sustained messages per second of one connection; 0 means no limit.
    pub messages_per_second: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A user joined a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// `<user> joined`.
    pub message: String,
    pub room: RoomName,
    pub user_id: UserId,
    /// Members after the join: at most 50, for the joiner 1,000.
    pub members: Vec<UserId>,
    /// Number of members afterwards.
    pub member_count: u64,
    /// In a large room: users that joined shortly before `user_id`, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<UserId>,
    /// Number of these users.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others_count: u64,
    /// For the joiner: the head of the room. The joiner's own position is behind it until the replay ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// For a joiner with `since`: the replay that follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// The replay that a joiner gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Recovery {
    /// All missed entries follow.
    Complete { replayed: u64 },
    /// The newest missed entries follow; older ones are in the history.
    Truncated { replayed: u64 },
    /// The position is not in this log: the client drops what it holds. The newest entries follow.
    Reset { replayed: u64 },
}

impl Recovery {
    /// Number of entries that follow.
    #[must_use]
    pub const fn replayed(self) -> u64 {
        match self {
            Self::Complete { replayed } | Self::Truncated { replayed } | Self::Reset { replayed } => replayed,
        }
    }
}

/// A user left a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// `<user> left`.
    pub message: String,
    pub room: RoomName,
    pub user_id: UserId,
    /// Number of members afterwards.
    pub member_count: u64,
    /// That of `user_id`.
    pub reason: LeaveReason,
    /// In a large room: users that left shortly before `user_id`, at most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<UserId>,
    /// Number of these users.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub others_count: u64,
}

/// The cause of a leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// The user left the room.
    Left,
    /// The connection was lost, and the leave grace is over.
    Disconnected,
    /// The server removed the user.
    Kicked,
    /// A reason that this version does not know. A server never sends it.
    #[serde(other)]
    Unknown,
}

/// The log of a room changed under its members. The entries that follow lead to `position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// Text for people.
    pub message: String,
    pub room: RoomName,
    /// The head of the log now.
    pub position: Position,
    /// The replay that follows.
    pub recovery: Recovery,
}

/// The token expires within a minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenExpiring {
    /// Text for people.
    pub message: String,
    /// The end of the token.
    pub expires_at: Timestamp,
}

/// A notice from an admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub message: Text,
    pub from: UserId,
    /// The room whose members get the notice. `None`: one user or everybody gets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
}

/// A message in a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub room: RoomName,
    pub from: UserId,
    pub text: Text,
    pub seq: Seq,
    pub id: EntryId,
    /// Time of acceptance.
    pub ts: Timestamp,
    /// The sender's id for the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// The log that begins with this entry. Only the first entry of a room has it, for members who joined before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

/// A user types, or has stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    pub room: RoomName,
    pub user_id: UserId,
    pub is_typing: bool,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The nonce of the ping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// Time of the server.
    pub ts: Timestamp,
}

/// A message is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    pub room: RoomName,
    pub client_msg_id: ClientMsgId,
    /// The log that holds the message.
    pub epoch: Epoch,
    pub seq: Seq,
    pub id: EntryId,
    /// Time of acceptance.
    pub ts: Timestamp,
    /// True if the message had been stored and delivered before.
    pub duplicate: bool,
}

/// A page of a room's history, in ascending order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub room: RoomName,
    /// The log of the page. `None` while the room has no entry.
    pub epoch: Option<Epoch>,
    /// Entries as whole frames; see [`ServerEvent::entry`]. One that this version cannot read is a
    /// [`ServerEvent::Unknown`]. May be fewer than requested, so that the frame stays under its limit.
    pub messages: Vec<ServerEvent>,
    /// True if more entries exist in the requested direction.
    pub has_more: bool,
}

/// The members of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    pub room: RoomName,
    /// At most 1,000 members.
    pub members: Vec<UserId>,
    /// Number of all members.
    pub member_count: u64,
}

/// A list of rooms, busiest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    pub rooms: Vec<RoomSummary>,
    /// True if there are more rooms than the limit.
    pub has_more: bool,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSummary {
    pub room: RoomName,
    /// Number of members.
    pub member_count: u64,
    /// The head of the room's log.
    pub position: Position,
    /// Time of the newest entry. `None` while the room has no entry.
    pub last_ts: Option<Timestamp>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEvent {
    pub code: ErrorCode,
    /// Text for people.
    pub message: String,
    /// True if the same frame may succeed later.
    pub temporary: bool,
    /// The room of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The id of the refused message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// Time to wait before a retry, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
