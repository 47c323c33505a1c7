//! Size of a sweep before it happens.

use realtime_shared::Seq;
use rusqlite::Result;

use super::retained;
use crate::clock::Judged;
use crate::config::Retain;
use crate::store::{RoomId, View};

/// Messages of a store, and how many of them a sweep would drop.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Excess {
    pub(super) total: u64,
    pub(super) dropped: u64,
}

impl Excess {
    /// Adds a room whose oldest readable seq is `first`. Reads a few rows, not all: times ascend, but for those of a clock
    /// that was set.
    pub(super) fn add(
        &mut self,
        view: View<'_>,
        room: RoomId,
        first: Seq,
        now: Judged,
        retain: &Retain,
    ) -> Result<()> {
        let head = view.head(room)?.seq;
        let end = head.next();
        let (mut from, mut to) = (retained::oldest(view, room, (first, head), retain)?, end);
        // The first entry within the retention is in `from..to`, or is `to`.
        while retain.age.is_some() && from < to {
            let middle = Seq::new(u64::midpoint(from.get(), to.get()));
            let entry = view.entry(room.key(middle))?;
            if entry.is_none_or(|(_, ts)| retain.is_past(now.age(ts))) {
                from = middle.next();
            } else {
                to = middle;
            }
        }
        self.total += end.get().saturating_sub(first.get());
        self.dropped += from.get().saturating_sub(first.get());
        Ok(())
    }

    /// True if a sweep would drop more than half.
    pub(super) fn needs_confirmation(&self) -> bool {
        self.dropped > self.total - self.dropped
    }
}
