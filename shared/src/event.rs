//! The frames of the server, as types. Those of a client are in [`client_event`](crate::client_event).
//!
//! To add a frame that is an entry of a log: the recipe is in [`entry`](crate::entry).
//!
//! To add another frame:
//! 1. A variant of [`ClientEvent`](crate::ClientEvent) or [`ServerEvent`], with a type for its fields, exported in
//!    `lib.rs`. For the server's: its arm in each match that then does not compile, and its name in `is_not_an_entry` of
//!    `codec/server_frame.rs` (`tests/entries.rs` fails without it). A new type of field: `name.rs`.
//! 2. A client's: the arm in `Fields::event` of `codec.rs`, and each new field in `fields!` there.
//! 3. Its strategy in `strategies/frames.rs`, that of a new type of field in `strategies/fields.rs`; for new fields of a
//!    client's frame the wrong values in `strategies/client_text.rs`. `tests/lists.rs` fails while it is missing.
//! 4. Its name in `tests/golden.rs`, and a file in `tests/golden/` for each case, with and without optional fields.
//! 5. `README.md`: a row in the table of frames. Not checked by a test: an example in the JSON block below it, and
//!    bounds under "Limits".
//! 6. The server: a client's frame is decided in `session/mod.rs` (`on_event`, `is_request`, a row in
//!    `session/tests.rs`); if it becomes an `Action`, that is applied in `connection/actions.rs`. A server's frame is
//!    made there, in `connection/operation.rs`, or in `broker/signal.rs`. `tests/hub/random_frames.rs`: an arm in
//!    `is_answered`.
//! 7. The client crates: each match over [`ServerEvent`] that then does not compile. `CHANGELOG.md`.

use serde::{Deserialize, Serialize};

use crate::entry::EntryRef;
use crate::entry_event::EntryEvent;
use crate::error::{ErrorCode, ErrorScope};
use crate::inbox::{Direct, Inbox, Notify, Read};
use crate::message::Message;
use crate::name::{ClientMsgId, EntryId, Nonce, Ref, RoomName, Text, UserId};
use crate::omit::{is_false, is_zero};
use crate::position::{Epoch, Position, Seq};
use crate::settings::RoomSettings;
use crate::timestamp::Timestamp;
use crate::welcome::Welcome;

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
    /// The room of two users.
    Direct(Direct),
    /// The user's read marker in a room.
    Read(Read),
    /// The rooms with unread messages.
    Inbox(Inbox),
    /// A message concerns the user, who is not in its room.
    Notify(Notify),
    /// The messages that a search found.
    Found(Found),
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
    /// An entry of a room's log; its `type` is the kind. Sent to every member, the sender included.
    #[serde(untagged)]
    Entry(EntryEvent),
}

impl ServerEvent {
    /// The entry that this frame is; `None` if it is none. An `ack` names an entry but is not one: entries before that
    /// one may still be on their way.
    #[must_use]
    pub fn entry(&self) -> Option<EntryRef> {
        match self {
            Self::Entry(entry) => Some(entry.entry()),
            Self::Unknown { entry } => entry.clone(),
            Self::System(_)
            | Self::Typing(_)
            | Self::Pong(_)
            | Self::Ack(_)
            | Self::History(_)
            | Self::Members(_)
            | Self::Rooms(_)
            | Self::Direct(_)
            | Self::Read(_)
            | Self::Inbox(_)
            | Self::Notify(_)
            | Self::Found(_)
            | Self::Refreshed { .. }
            | Self::Error(_) => None,
        }
    }
}

impl From<EntryEvent> for ServerEvent {
    fn from(entry: EntryEvent) -> Self {
        Self::Entry(entry)
    }
}

impl From<Message> for ServerEvent {
    fn from(message: Message) -> Self {
        Self::Entry(EntryEvent::Message(message))
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
    /// For the joiner: the newest message that the user has read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_seq: Option<Seq>,
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
    /// Messages with their later changes, as whole frames; see [`ServerEvent::entry`]. One that this version cannot read
    /// is a [`ServerEvent::Unknown`]. May be fewer than requested, so that the frame stays under its limit. A server
    /// without changes sends the entries of all kinds.
    pub messages: Vec<ServerEvent>,
    /// True if more messages exist in the requested direction; of a page around a seq, if older ones exist.
    pub has_more: bool,
    /// Of a page around a seq: true if newer messages exist.
    #[serde(default, skip_serializing_if = "is_false")]
    pub has_newer: bool,
    /// The seqs that the page covers, and the state of its messages. `None` if the server has no changes.
    #[serde(flatten)]
    pub covers: Option<Covers>,
    /// The settings of the room. `None` if they were never changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<RoomSettings>,
}

/// The part of a log that a page covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covers {
    /// The first seq that the page covers. Paging backward goes on before it.
    #[serde(rename = "from_seq")]
    pub from: Seq,
    /// The last seq that the page covers; less than `from` if it covers none.
    #[serde(rename = "to_seq")]
    pub to: Seq,
    /// The head of the log when the messages were read: they have all changes up to it.
    pub as_of: Seq,
}

/// The members of a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Members {
    pub room: RoomName,
    /// At most 1,000 members.
    pub members: Vec<UserId>,
    /// Number of all members.
    pub member_count: u64,
    /// Only in the answer to a request with `prefix` or `limit`: true if there are or may be more of the requested
    /// members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_more: Option<bool>,
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
    /// The other user of a direct room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// The messages that a search found, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Messages with their later changes, as whole frames.
    pub messages: Vec<ServerEvent>,
    /// True if there are older messages.
    pub has_more: bool,
    /// False while older messages are not indexed yet.
    pub complete: bool,
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
    /// The frames that the wait concerns. `None`: those of the connection or of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ErrorScope>,
}
