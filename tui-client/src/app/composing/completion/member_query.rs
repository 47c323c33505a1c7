//! A search for members whose answer is on its way.

use realtime_shared::RoomName;

/// A search for members, and the draft that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct MemberQuery {
    pub(super) room: RoomName,
    pub(super) prefix: String,
    /// Identity of the pane.
    pub(super) pane: u32,
    /// The draft before the completion, and the cursor in it.
    pub(super) draft: String,
    pub(super) cursor: usize,
}

impl MemberQuery {
    /// Returns true if it searches this room for this prefix.
    pub(super) fn is_for(&self, room: &RoomName, prefix: &str) -> bool {
        self.room == *room && self.prefix == prefix
    }
}
