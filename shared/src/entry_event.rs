//! Entries of a log, of the kinds that this version can write.

use serde::{Deserialize, Serialize, Serializer};

use crate::content::{Change, Content};
use crate::entry::{EntryFields, EntryKind, EntryRef};
use crate::message::Message;
use crate::name::{ClientMsgId, EntryId, RoomName, UserId};
use crate::position::{Epoch, Seq};
use crate::timestamp::Timestamp;

/// An entry of a log, of a kind that this version can write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EntryEvent {
    Message(Message),
    /// Its `type` is the kind of the change.
    #[serde(untagged)]
    Change(ChangeEntry),
}

/// An entry that changes a message or the room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ChangeEntry {
    pub room: RoomName,
    pub from: UserId,
    #[serde(flatten)]
    pub change: Change,
    pub seq: Seq,
    pub id: EntryId,
    /// Time of acceptance.
    pub ts: Timestamp,
    /// The sender's id for the entry.
    #[serde(default)]
    pub client_msg_id: Option<ClientMsgId>,
    /// The log that begins with this entry.
    #[serde(default)]
    pub epoch: Option<Epoch>,
}

/// References to the fields of entries of every kind.
#[derive(Debug, Clone, Copy)]
pub struct EntryHead<'a> {
    pub room: &'a RoomName,
    pub from: &'a UserId,
    pub seq: Seq,
    pub id: EntryId,
    pub ts: Timestamp,
    pub client_msg_id: &'a Option<ClientMsgId>,
    pub epoch: &'a Option<Epoch>,
}

impl EntryEvent {
    #[must_use]
    pub fn new(content: Content, fields: EntryFields) -> Self {
        match content {
            Content::Message(content) => Self::Message(Message::new(content, fields)),
            Content::Change(change) => {
                let EntryFields { room, from, seq, id, ts, client_msg_id, epoch } = fields;
                Self::Change(ChangeEntry { room, from, change, seq, id, ts, client_msg_id, epoch })
            }
        }
    }

    #[must_use]
    pub fn head(&self) -> EntryHead<'_> {
        match self {
            Self::Message(Message { room, from, seq, id, ts, client_msg_id, epoch, .. })
            | Self::Change(ChangeEntry { room, from, change: _, seq, id, ts, client_msg_id, epoch }) => {
                EntryHead { room, from, seq: *seq, id: *id, ts: *ts, client_msg_id, epoch }
            }
        }
    }

    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Message(_) => EntryKind::Message,
            Self::Change(entry) => entry.change.kind(),
        }
    }

    #[must_use]
    pub fn entry(&self) -> EntryRef {
        let EntryHead { room, seq, id, epoch, .. } = self.head();
        EntryRef { room: room.clone(), seq, id, epoch: epoch.clone(), kind: Some(self.kind()) }
    }
}

impl Serialize for ChangeEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            r#type: EntryKind,
            room: &'a RoomName,
            from: &'a UserId,
            #[serde(flatten)]
            change: &'a Change,
            seq: Seq,
            id: EntryId,
            ts: Timestamp,
            #[serde(skip_serializing_if = "Option::is_none")]
            client_msg_id: &'a Option<ClientMsgId>,
            #[serde(skip_serializing_if = "Option::is_none")]
            epoch: &'a Option<Epoch>,
        }
        let Self { room, from, change, seq, id, ts, client_msg_id, epoch } = self;
        let (kind, seq, id, ts) = (change.kind(), *seq, *id, *ts);
        Fields { r#type: kind, room, from, change, seq, id, ts, client_msg_id, epoch }.serialize(serializer)
    }
}
