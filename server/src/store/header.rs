//! What stands before the entries of a room, where it is kept as lines.

use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use serde::{Deserialize, Serialize};

/// The format of today.
pub(super) const FORMAT: u32 = 1;

/// The line before a room's entries. Its oldest ones may have been dropped, and the newest one's frame as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "room")]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) room: RoomName,
    pub(super) epoch: Epoch,
    /// The number of the first entry that follows; one more than the head's where none does.
    pub(super) first: Seq,
    /// The newest entry's number.
    pub(super) head: Seq,
    pub(super) head_id: EntryId,
    pub(super) head_ts: Timestamp,
}

impl Header {
    /// Reads a line; says what is wrong with it.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
            format: Option<u32>,
        }
        let kind: Kind =
            serde_json::from_str(line).map_err(|fault| format!("it is no line of an export: {fault}"))?;
        if kind.r#type != "room" {
            return Err(format!("a room's first line was expected, and not one of type {:?}", kind.r#type));
        }
        if kind.format.is_some_and(|format| format > FORMAT) {
            return Err("it was written by a newer version of realtime-server".to_owned());
        }
        let header: Self = serde_json::from_str(line).map_err(|fault| fault.to_string())?;
        if header.format != FORMAT || header.first == Seq::ZERO || header.first > header.head.next() {
            return Err("its numbers make no sense".to_owned());
        }
        Ok(header)
    }

    /// How many entries follow.
    pub(super) fn entries(&self) -> u64 {
        (self.head.get() + 1).saturating_sub(self.first.get())
    }
}
