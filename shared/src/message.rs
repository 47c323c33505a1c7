//! Messages: as they are stored, and with all later changes.

use serde::{Deserialize, Serialize};

use crate::content::MessageContent;
use crate::entry::EntryFields;
use crate::field::{Emoji, Mentions};
use crate::name::{ClientMsgId, EntryId, RoomName, Text, UserId};
use crate::omit::{is_false, is_zero};
use crate::position::{Epoch, Seq};
use crate::timestamp::Timestamp;

/// A message of a room's log.
///
/// Live and in a replay it is the entry as it was stored. In a page of history it has the changes of later entries too:
/// the fields from `edited_ts` on, and the newest text and mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub room: RoomName,
    pub from: UserId,
    /// Empty if the message was deleted.
    pub text: Text,
    /// The entry that the message answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Mentions>,
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
    /// Time of the newest edit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_ts: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Deleted>,
    /// In the order of their first users; at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<ReactionCount>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub pinned: bool,
    /// The newest entry that changed the message. `None`: no entry did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rev: Option<Seq>,
    /// Number of direct replies that are not deleted, at the time of the page.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub replies: u64,
}

/// The deletion of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    pub by: UserId,
    pub ts: Timestamp,
}

/// The users that have reacted to a message with one emoji.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionCount {
    /// As the first user sent it.
    pub emoji: Emoji,
    /// Number of users; at most 1,000.
    pub count: u64,
    /// The receiver of the frame is one of them.
    #[serde(default)]
    pub mine: bool,
    /// Some of the users, at most 20: a hint for people.
    #[serde(default)]
    pub users: Vec<UserId>,
}

impl Message {
    /// The message as it is stored.
    #[must_use]
    pub fn new(content: MessageContent, fields: EntryFields) -> Self {
        let MessageContent { text, reply_to, mentions } = content;
        let EntryFields { room, from, seq, id, ts, client_msg_id, epoch } = fields;
        Self {
            room,
            from,
            text,
            reply_to,
            mentions,
            seq,
            id,
            ts,
            client_msg_id,
            epoch,
            edited_ts: None,
            deleted: None,
            reactions: Vec::new(),
            pinned: false,
            rev: None,
            replies: 0,
        }
    }

    /// The newest entry that changed the message; the message itself if none did.
    #[must_use]
    pub fn rev(&self) -> Seq {
        self.rev.unwrap_or(self.seq)
    }
}
