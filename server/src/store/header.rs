//! Header line of an exported room.

use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use serde::{Deserialize, Serialize};

/// Format of a room that has messages only. Older versions import it.
pub(crate) const FORMAT: u32 = 1;
/// Format of a room with entries of other kinds.
pub(crate) const CHANGES_FORMAT: u32 = 2;

/// Header line before the entries of a room. Retention may have dropped the oldest entries, even all frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "room")]
pub(crate) struct Header {
    pub(crate) format: u32,
    pub(crate) room: RoomName,
    pub(crate) epoch: Epoch,
    /// Seq of the first entry that follows; one past `head` if none follows.
    pub(crate) first: Seq,
    /// Seq of the newest entry.
    pub(crate) head: Seq,
    pub(crate) head_id: EntryId,
    pub(crate) head_ts: Timestamp,
}

impl Header {
    /// Parses a line; the error names the fault.
    pub(crate) fn read(line: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct LineType {
            r#type: String,
            format: Option<u32>,
        }
        let kind: LineType =
            serde_json::from_str(line).map_err(|fault| format!("not a line of an export: {fault}"))?;
        if kind.r#type != "room" {
            return Err(format!("expected the header line of a room, found type {:?}", kind.r#type));
        }
        if kind.format.is_some_and(|format| format > CHANGES_FORMAT) {
            return Err("written by a newer version of realtime-server".to_owned());
        }
        let header: Self = serde_json::from_str(line).map_err(|fault| fault.to_string())?;
        let is_known = (FORMAT..=CHANGES_FORMAT).contains(&header.format);
        if !is_known || header.first == Seq::ZERO || header.first > header.head.next() {
            return Err("seqs out of range".to_owned());
        }
        Ok(header)
    }

    /// Number of entries that follow; saturates.
    pub(crate) fn entries(&self) -> u64 {
        self.head.next().checked_since(self.first).unwrap_or(0)
    }
}
