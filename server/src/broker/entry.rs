//! Entries of a log, and the error of an engine that cannot be reached.

use std::sync::Arc;

use realtime_shared::{EntryId, Seq};

/// The seq of a room's first entry, which carries the epoch.
pub(super) const FIRST: Seq = Seq::ZERO.next();

/// The engine cannot be reached. It may have stored the submissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be reached")]
pub(crate) struct Unavailable;

/// An entry of a room's log, as it is stored and delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) id: EntryId,
    /// The frame for members, JSON.
    pub(crate) json: Arc<str>,
}
