//! Everything that is said on the wire, as types.
//!
//! To add a frame:
//! 1. A variant of [`ClientEvent`] or [`ServerEvent`] here, with a type for its fields. For the server's: its arm in each
//!    match that then does not compile.
//! 2. A client's: the arm in `Fields::event` of `codec.rs`, and each new field in `fields!` there.
//! 3. Its strategy in `strategies.rs`; for new fields of a client's frame the wrong values in
//!    `strategies/client_text.rs`. `tests/lists.rs` fails while it is missing.
//! 4. Its name in `tests/golden.rs`, and a file in `tests/golden/` for each case, with and without what is optional.
//! 5. `README.md`: a row in the table of frames, an example in the JSON block below it, bounds under "Limits".
//! 6. The server: a client's frame is decided in `session/mod.rs` (`on_event`, `is_request`, a row in `session/tests.rs`);
//!    if it becomes a `Command`, that is carried out in `connection/commands.rs`. A server's frame is made there, in
//!    `connection/operation.rs`, or in `broker/signal.rs`.
//! 7. The client crates: each match over [`ServerEvent`] that then does not compile. `CHANGELOG.md`.
//!
//! A frame that is an entry of a log: the recipe is in `server/src/broker/submission.rs`.

use serde::{Deserialize, Serialize};

use crate::{
    ClientMsgId, EntryId, EntryKind, EntryRef, Epoch, ErrorCode, Nonce, Position, Ref, RoomName, Seq, Text,
    Timestamp, UserId,
};

/// What a client says, with what it wants to know the answer by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClientFrame {
    /// What it says.
    #[serde(flatten)]
    pub event: ClientEvent,
    /// Comes back in the answer or the error.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
}

impl From<ClientEvent> for ClientFrame {
    fn from(event: ClientEvent) -> Self {
        Self { event, reference: None }
    }
}

/// What a client says. Read with [`crate::codec::decode_client`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ClientEvent {
    /// Enter a room.
    JoinRoom {
        /// Which room.
        room: RoomName,
        /// Replay what came after this position.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Position>,
    },
    /// Leave a room.
    LeaveRoom {
        /// Which room.
        room: RoomName,
    },
    /// Post a message.
    Message(Post),
    /// Say whether one is typing.
    Typing {
        /// Where.
        room: RoomName,
        /// Whether one is; left out, one is.
        is_typing: bool,
    },
    /// Ask for a sign of life.
    Ping(Ping),
    /// Ask for a page of a room's past: the newest entries, or those next to a `seq`.
    History {
        /// Which room.
        room: RoomName,
        /// Entries with a smaller number, the newest of them. Not together with `after`.
        #[serde(skip_serializing_if = "Option::is_none")]
        before: Option<Seq>,
        /// Entries with a larger number, the oldest of them. Not together with `before`.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<Seq>,
        /// How many at most; left out, 50; at most 200.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Ask who is in a room.
    Members {
        /// Which room.
        room: RoomName,
    },
    /// Ask for the rooms that one may use and that hold a member or an entry, busiest first.
    ListRooms {
        /// Only names that begin so.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// How many at most; left out, 100; at most 500.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Go on with a newer token of the same user.
    Refresh {
        /// The token, a JWT.
        token: String,
    },
    /// An admin tells a room, a user or everyone something.
    Notice {
        /// What.
        message: Text,
        /// To the members of this room.
        #[serde(skip_serializing_if = "Option::is_none")]
        room: Option<RoomName>,
        /// To the connections of this user.
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<UserId>,
    },
}

/// A message on its way in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Post {
    /// To which room.
    pub room: RoomName,
    /// What it says.
    pub text: Text,
    /// The client's own id for it: asks for an [`Ack`], and makes sending it again harmless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
}

/// A client's ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// Comes back in the pong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
}

/// What the server says, with the `ref` of the request that it answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFrame {
    /// What it says.
    #[serde(flatten)]
    pub event: ServerEvent,
    /// The request's.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Ref>,
}

impl From<ServerEvent> for ServerFrame {
    fn from(event: ServerEvent) -> Self {
        Self { event, reference: None }
    }
}

/// What the server says. Written with [`crate::codec::encode`], read with [`crate::codec::decode_server`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerEvent {
    /// About the connection, a room's members, or from an admin.
    System(SystemEvent),
    /// An entry of a room's log: somebody's message. To every member, the sender included.
    Message(Message),
    /// Somebody types, or stopped to.
    Typing(Typing),
    /// The answer to a ping.
    Pong(Pong),
    /// A message is stored.
    Ack(Ack),
    /// A page of a room's past.
    History(History),
    /// Who is in a room.
    Members(Members),
    /// Rooms.
    Rooms(Rooms),
    /// The newer token counts.
    Refreshed {
        /// When it stops being good.
        expires_at: Timestamp,
    },
    /// A refusal. The connection stays open.
    Error(ErrorEvent),
    /// A frame that this version cannot read: its `type` or its `event` is unknown, or its content is not what they
    /// require. A client passes it over, but for the place of an entry. A server never sends it.
    #[serde(skip_deserializing)]
    Unknown {
        /// The entry that it is, if it is one.
        entry: Option<EntryRef>,
    },
}

impl ServerEvent {
    /// The entry that this frame is; `None` if it is none. An `ack` names an entry and is none: entries before that one
    /// may still be on their way.
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

/// A `system` frame, by its `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SystemEvent {
    /// First of all, to a new connection.
    Welcome(Welcome),
    /// Somebody came in; to the joiner, with where the room's head was and what is replayed.
    Joined(Joined),
    /// Somebody left; to the leaver, that it did.
    Left(Left),
    /// The room's log changed under its members.
    Resync(Resync),
    /// The token is good for another minute.
    TokenExpiring(TokenExpiring),
    /// An admin says something.
    Notice(Notice),
}

/// What a new connection is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// `Connected successfully`.
    pub message: String,
    /// Whom the token is for.
    pub user_id: UserId,
    /// Connections on all instances, this one included.
    pub online_count: u64,
    /// When the token stops being good.
    pub expires_at: Timestamp,
    /// What the server takes.
    pub limits: Limits,
}

/// The bounds that a client should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Longest text, in characters.
    pub text_chars: u32,
    /// Largest frame, in bytes.
    pub frame_bytes: u32,
    /// Rooms that a connection may be in.
    pub rooms: u32,
    /// Messages a second that a connection may post for long; 0: as many as it likes.
    pub messages_per_second: u32,
}

/// Somebody came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// `<user> joined`.
    pub message: String,
    /// Where.
    pub room: RoomName,
    /// Who.
    pub user_id: UserId,
    /// Who is there now: at most 50, for the joiner 1,000.
    pub members: Vec<UserId>,
    /// How many are there now.
    pub member_count: u64,
    /// To the joiner: where the room's head was. Not yet the joiner's own position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// To the joiner who gave `since`: what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Recovery>,
}

/// What is replayed to a joiner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Recovery {
    /// All that was missed.
    Complete {
        /// How many entries follow.
        replayed: u64,
    },
    /// The newest of what was missed; older ones can be paged.
    Truncated {
        /// How many entries follow.
        replayed: u64,
    },
    /// The position is not of this room's past: drop what you hold. The newest follow.
    Reset {
        /// How many entries follow.
        replayed: u64,
    },
}

impl Recovery {
    /// How many entries follow.
    #[must_use]
    pub const fn replayed(self) -> u64 {
        match self {
            Self::Complete { replayed } | Self::Truncated { replayed } | Self::Reset { replayed } => replayed,
        }
    }
}

/// Somebody left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// `<user> left`.
    pub message: String,
    /// Where.
    pub room: RoomName,
    /// Who.
    pub user_id: UserId,
    /// How many are there now.
    pub member_count: u64,
    /// Why.
    pub reason: LeaveReason,
}

/// Why somebody is no member any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// Meant it.
    Left,
    /// Was lost, and did not come back in time.
    Disconnected,
    /// Was made to.
    Kicked,
    /// One that this version does not know. A server never sends it.
    #[serde(other)]
    Unknown,
}

/// The room's log changed under its members; what follows continues `position`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// For people.
    pub message: String,
    /// Which room.
    pub room: RoomName,
    /// Where the log is now.
    pub position: Position,
    /// What follows.
    pub recovery: Recovery,
}

/// The token is good for another minute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenExpiring {
    /// For people.
    pub message: String,
    /// When it stops being good.
    pub expires_at: Timestamp,
}

/// An admin says something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What.
    pub message: Text,
    /// Who.
    pub from: UserId,
    /// To the members of this room; none: to a user or to everyone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
}

/// A message in a room's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where.
    pub room: RoomName,
    /// Who wrote it.
    pub from: UserId,
    /// What it says.
    pub text: Text,
    /// Its number in the room's log.
    pub seq: Seq,
    /// Its identity.
    pub id: EntryId,
    /// When it was accepted.
    pub ts: Timestamp,
    /// The sender's own id for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// The log that begins with it: in a room's first entry only, for those who came before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

/// Somebody types, or stopped to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typing {
    /// Where.
    pub room: RoomName,
    /// Who.
    pub user_id: UserId,
    /// Whether.
    pub is_typing: bool,
}

/// The answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
    /// The server's time.
    pub ts: Timestamp,
}

/// A message is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Where.
    pub room: RoomName,
    /// Which.
    pub client_msg_id: ClientMsgId,
    /// The log that it is in.
    pub epoch: Epoch,
    /// Its number there.
    pub seq: Seq,
    /// Its identity.
    pub id: EntryId,
    /// When it was accepted.
    pub ts: Timestamp,
    /// Whether it had been stored before, and was delivered then.
    pub duplicate: bool,
}

/// A page of a room's past, ascending.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Which room.
    pub room: RoomName,
    /// Of which log; none while the room has no entry.
    pub epoch: Option<Epoch>,
    /// Entries as whole frames; see [`ServerEvent::entry`]. One that this version cannot read is a
    /// [`ServerEvent::Unknown`]. May be fewer than asked for, so that the frame stays under its bound.
    pub messages: Vec<ServerEvent>,
    /// Whether there are more in the direction that was asked for.
    pub has_more: bool,
}

/// Who is in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    /// Which room.
    pub room: RoomName,
    /// Who, at most 1,000.
    pub members: Vec<UserId>,
    /// How many.
    pub member_count: u64,
}

/// Rooms, busiest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rooms {
    /// The rooms.
    pub rooms: Vec<RoomSummary>,
    /// Whether there are more than were asked for.
    pub has_more: bool,
}

/// A room in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomSummary {
    /// Which.
    pub room: RoomName,
    /// How many are there.
    pub member_count: u64,
    /// Where its log's head is.
    pub position: Position,
    /// When the last entry was accepted; none while it has no entry.
    pub last_ts: Option<Timestamp>,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEvent {
    /// What it is called.
    pub code: ErrorCode,
    /// For people.
    pub message: String,
    /// Whether the same frame may succeed later.
    pub temporary: bool,
    /// The room that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// The message that was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_msg_id: Option<ClientMsgId>,
    /// How long to wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}
