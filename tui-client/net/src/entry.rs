//! Entries of a room's log, of every kind.

use realtime_shared::{ChangeEntry, EntryEvent, EntryRef, Message, RoomName, Seq};

/// An entry of a room's log, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A message. Its text is empty if it was deleted before the server sent it.
    Message(Message),
    /// A change of a message or of the room.
    Change(ChangeEntry),
    /// An entry that this version cannot read: its kind is unknown, or its content is invalid.
    Unknown(EntryRef),
}

impl Entry {
    #[must_use]
    pub const fn room(&self) -> &RoomName {
        match self {
            Self::Message(Message { room, .. })
            | Self::Change(ChangeEntry { room, .. })
            | Self::Unknown(EntryRef { room, .. }) => room,
        }
    }

    #[must_use]
    pub const fn seq(&self) -> Seq {
        match self {
            Self::Message(Message { seq, .. })
            | Self::Change(ChangeEntry { seq, .. })
            | Self::Unknown(EntryRef { seq, .. }) => *seq,
        }
    }

    /// The message, if the entry is one.
    #[must_use]
    pub const fn message(&self) -> Option<&Message> {
        match self {
            Self::Message(message) => Some(message),
            Self::Change(_) | Self::Unknown(_) => None,
        }
    }
}

impl From<EntryEvent> for Entry {
    fn from(entry: EntryEvent) -> Self {
        match entry {
            EntryEvent::Message(message) => Self::Message(message),
            EntryEvent::Change(change) => Self::Change(change),
        }
    }
}
