//! Contents of entries, by their kind. A client's submission and the server's entry have the same content.
//!
//! An engine knows of a content only what the methods of [`Content`] return.

use serde::{Deserialize, Serialize, Serializer};

use crate::entry::EntryKind;
use crate::field::{Emoji, Mentions, Posting, SlowMode};
use crate::name::{EntryId, Line, Text, UserId};
use crate::omit::is_false;
use crate::position::Seq;

/// The content of an entry of any kind, as a client submits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Message(MessageContent),
    Change(Change),
}

/// The content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageContent {
    pub text: Text,
    /// The entry that the message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Mentions>,
}

impl From<Text> for MessageContent {
    fn from(text: Text) -> Self {
        Self { text, reply_to: None, mentions: None }
    }
}

/// The content of an entry that changes a message or the room.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    Edit(Edit),
    Delete(Delete),
    Reaction(Reaction),
    Pin(Pin),
    Room(RoomChange),
}

/// Another text for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The message.
    pub target: Seq,
    /// The id of the message, if the client wants it compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<EntryId>,
    /// Empty if the message was deleted later.
    #[serde(default = "Text::deleted", skip_serializing_if = "Text::is_empty")]
    pub text: Text,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mentions: Option<Mentions>,
    /// The message was deleted later, and the text with it. A client never sends it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deleted: bool,
}

/// The end of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    pub target: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<EntryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Line>,
}

/// A user's reaction to a message, or its removal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    pub target: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<EntryId>,
    pub emoji: Emoji,
    #[serde(default, skip_serializing_if = "is_false")]
    pub removed: bool,
}

/// A message is pinned to its room, or is not any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    pub target: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_id: Option<EntryId>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub removed: bool,
}

/// New settings of a room. A setting that is `None` stays as it is; one at least is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomChange {
    /// Empty: the room has no topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Line>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_mode: Option<SlowMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posting: Option<Posting>,
}

impl Change {
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Edit(_) => EntryKind::Edit,
            Self::Delete(_) => EntryKind::Delete,
            Self::Reaction(_) => EntryKind::Reaction,
            Self::Pin(_) => EntryKind::Pin,
            Self::Room(_) => EntryKind::Room,
        }
    }

    /// The message that the entry changes, and its expected id. `None` if the entry changes the room.
    #[must_use]
    pub const fn target(&self) -> Option<(Seq, Option<EntryId>)> {
        match self {
            Self::Edit(Edit { target, target_id, .. })
            | Self::Delete(Delete { target, target_id, .. })
            | Self::Reaction(Reaction { target, target_id, .. })
            | Self::Pin(Pin { target, target_id, .. }) => Some((*target, *target_id)),
            Self::Room(_) => None,
        }
    }
}

/// Writes the fields of the content, without `type`.
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Edit(edit) => edit.serialize(serializer),
            Self::Delete(delete) => delete.serialize(serializer),
            Self::Reaction(reaction) => reaction.serialize(serializer),
            Self::Pin(pin) => pin.serialize(serializer),
            Self::Room(room) => room.serialize(serializer),
        }
    }
}

/// Writes the fields of the content, without `type`.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Message(message) => message.serialize(serializer),
            Self::Change(change) => change.serialize(serializer),
        }
    }
}

impl Content {
    /// The content of a message that answers nothing and names nobody.
    #[must_use]
    pub fn message(text: Text) -> Self {
        Self::Message(text.into())
    }

    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Message(_) => EntryKind::Message,
            Self::Change(change) => change.kind(),
        }
    }

    /// The message that the entry changes, and its expected id.
    #[must_use]
    pub const fn target(&self) -> Option<(Seq, Option<EntryId>)> {
        match self {
            Self::Message(_) => None,
            Self::Change(change) => change.target(),
        }
    }

    /// The entry that a message answers.
    #[must_use]
    pub const fn reply_to(&self) -> Option<Seq> {
        match self {
            Self::Message(message) => message.reply_to,
            Self::Change(_) => None,
        }
    }

    /// The users that a message or its edit mentions; `None` if the text is to be searched for `@word`.
    #[must_use]
    pub fn mentions(&self) -> Option<&[UserId]> {
        match self {
            Self::Message(MessageContent { mentions, .. })
            | Self::Change(Change::Edit(Edit { mentions, .. })) => mentions.as_ref().map(Mentions::users),
            Self::Change(Change::Delete(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_)) => None,
        }
    }

    /// The text that a search of messages finds.
    #[must_use]
    pub fn text(&self) -> Option<&Text> {
        match self {
            Self::Message(MessageContent { text, .. }) | Self::Change(Change::Edit(Edit { text, .. })) => {
                Some(text)
            }
            Self::Change(Change::Delete(_) | Change::Reaction(_) | Change::Pin(_) | Change::Room(_)) => None,
        }
    }
}

impl From<Change> for Content {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl From<MessageContent> for Content {
    fn from(message: MessageContent) -> Self {
        Self::Message(message)
    }
}
