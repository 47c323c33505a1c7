//! The frames of a client, as types. The recipe for another frame is in [`event`](crate::event).

use serde::{Serialize, Serializer};

use crate::content::Content;
use crate::entry::EntryKind;
use crate::name::{ClientMsgId, Line, Nonce, Ref, RoomName, Text, UserId};
use crate::position::{Position, Seq};
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
    /// Reports that the user types, or has stopped.
    Typing {
        room: RoomName,
        /// True if the frame leaves it out.
        is_typing: bool,
    },
    /// Requests a pong.
    Ping(Ping),
    /// Requests a page of a room's history.
    History(HistoryRequest),
    /// Requests the members of a room; with `prefix` or `limit` some of them, in the order of their ids.
    Members {
        room: RoomName,
        /// Selects the members whose ids begin with it, in upper or lower case.
        #[serde(skip_serializing_if = "Option::is_none")]
        prefix: Option<String>,
        /// Most members in the answer: 1 to 500, by default 100. Without `prefix` and `limit`, 1,000.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
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
    /// Requests the room of the user and another one.
    Direct { user_id: UserId },
    /// Moves the user's read marker in a room forward.
    Read { room: RoomName, seq: Seq },
    /// Requests the rooms with unread messages.
    Inbox {
        /// Most rooms in the answer.
        #[serde(skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Searches messages.
    Search(SearchRequest),
    /// Submits an entry of any kind; its `type` is the kind.
    #[serde(untagged)]
    Post(Post),
}

/// An entry to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub room: RoomName,
    pub content: Content,
    /// The client's id for the entry. Requests an [`Ack`](crate::Ack), and lets the server recognize a repetition.
    pub client_msg_id: Option<ClientMsgId>,
}

impl Post {
    /// A message that answers nothing and names nobody.
    #[must_use]
    pub fn message(room: RoomName, text: Text, client_msg_id: Option<ClientMsgId>) -> Self {
        Self { room, content: Content::message(text), client_msg_id }
    }
}

impl Serialize for Post {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            r#type: EntryKind,
            room: &'a RoomName,
            #[serde(flatten)]
            content: &'a Content,
            #[serde(skip_serializing_if = "Option::is_none")]
            client_msg_id: &'a Option<ClientMsgId>,
        }
        let Self { room, content, client_msg_id } = self;
        Fields { r#type: content.kind(), room, content, client_msg_id }.serialize(serializer)
    }
}

/// A ping of a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ping {
    /// Copied into the pong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Nonce>,
}

/// A request for a page of a room's history: the newest messages, or those next to a seq.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HistoryRequest {
    pub room: RoomName,
    /// Selects the newest messages below this seq. Excludes `after` and `around`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Seq>,
    /// Selects the oldest messages above this seq. Excludes `before` and `around`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Seq>,
    /// Selects messages on both sides of this seq. Excludes the other selections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub around: Option<Seq>,
    /// Selects this message and its direct replies only. Excludes `pinned`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<Seq>,
    /// Selects pinned messages only.
    #[serde(skip_serializing_if = "crate::omit::is_false")]
    pub pinned: bool,
    /// Most messages in the answer: 1 to 200, by default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl HistoryRequest {
    /// A request for the newest messages of a room.
    #[must_use]
    pub const fn newest(room: RoomName) -> Self {
        Self { room, before: None, after: None, around: None, thread: None, pinned: false, limit: None }
    }

    /// A request for the newest messages of a room below a seq, or the newest of all.
    #[must_use]
    pub fn before(room: RoomName, before: Option<Seq>, limit: u32) -> Self {
        Self { before, limit: Some(limit), ..Self::newest(room) }
    }
}

/// A search of messages. All words of the query must match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SearchRequest {
    /// Not empty.
    pub query: Line,
    /// Searches this room only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<RoomName>,
    /// Searches messages of this user only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<UserId>,
    /// Searches messages from before this time only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Timestamp>,
    /// Most messages in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}
