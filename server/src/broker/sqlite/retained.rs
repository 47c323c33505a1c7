//! The entries of a room within the retention by count.

use realtime_shared::Seq;
use rusqlite::Result;

use crate::broker::ENTRIES_PER_MESSAGE;
use crate::config::Retain;
use crate::store::{RoomId, View};

/// Oldest seq of a room that can be read. The room has its entries from `first` to `head`.
pub(super) fn oldest(
    view: View<'_>,
    room: RoomId,
    (first, head): (Seq, Seq),
    retain: &Retain,
) -> Result<Seq> {
    let Some(messages) = retain.messages else { return Ok(first) };
    view.oldest_within(room, (first, head), messages, messages.saturating_mul(ENTRIES_PER_MESSAGE))
}
