//! References to the entries of a room's log, of any kind.
//!
//! A client holds the seq of each entry, even of an entry that it cannot read. Its position moves past the entry, and
//! it shows no gap there.

use serde::Serialize;

use crate::name::{EntryId, RoomName};
use crate::position::{Epoch, Seq};

/// The kinds of entries that this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// [`crate::ServerEvent::Message`].
    Message,
}

/// A reference to an entry of a room's log, without the entry's content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryRef {
    pub room: RoomName,
    pub seq: Seq,
    pub id: EntryId,
    /// The epoch of the log. Only the first entry of a log has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// `None` if this version cannot read the entry: it does not know the kind, or the content is invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<EntryKind>,
}
