//! Entries of a room's log, by their place in it: room, seq and id, whatever their kind.
//!
//! A client holds a place for each entry, also for one that it cannot read: its position moves with it, and no gap is
//! shown there.

use serde::Serialize;

use crate::{EntryId, Epoch, RoomName, Seq};

/// The kinds of entries that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// [`crate::ServerEvent::Message`].
    Message,
}

/// A reference to an entry: its place in its room's log, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryRef {
    /// The room whose log has the entry.
    pub room: RoomName,
    /// Its number in that log.
    pub seq: Seq,
    /// Its identity.
    pub id: EntryId,
    /// The epoch of the log. Only the first entry of a log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// `None`: this version cannot read the entry, for its kind or for its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<EntryKind>,
}
