//! Pages of a room's log.

use realtime_shared::{Epoch, Seq};

use super::entry::Entry;

/// The entries of a room to read for a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    Newest,
    /// The newest entries before this seq.
    Before(Seq),
    /// The oldest entries after this seq.
    After(Seq),
}

/// A page of a room's history, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// The epoch of the log; `None` while the room has no entry.
    pub(crate) epoch: Option<Epoch>,
    pub(crate) entries: Vec<Entry>,
    /// True if the log has more entries in the direction of the range.
    pub(crate) has_more: bool,
}
