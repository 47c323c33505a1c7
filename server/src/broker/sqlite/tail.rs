//! The end of a room's log, as its writer needs it to go on: dropped when nobody has posted for a while, and read back
//! from the file.

use std::time::Instant;

use realtime_shared::{Epoch, RoomName, Seq};
use rusqlite::Result;

use super::known::Known;
use crate::broker::DEDUP_ENTRIES;
use crate::store::{RoomId, View};

/// Where a room's log goes on.
pub(super) struct Tail {
    /// None while it has no entry.
    pub(super) log: Option<(RoomId, Epoch)>,
    pub(super) head: Seq,
    pub(super) known: Known,
    pub(super) used: Instant,
    /// The last batch that it was in.
    pub(super) batch: u64,
}

impl Tail {
    /// As the file has it.
    pub(super) fn read(view: View<'_>, room: &RoomName) -> Result<Self> {
        let used = Instant::now();
        let Some((row, head)) = view.room(room)? else {
            return Ok(Self { log: None, head: Seq::ZERO, known: Known::new(Seq::ZERO), used, batch: 0 });
        };
        let before = head.seq.get().saturating_sub(DEDUP_ENTRIES);
        let mut known = Known::new(Seq::new(before));
        let mut next = before + 1;
        for (seq, digest) in view.known((row.id.place(Seq::new(next)), row.id.end()))? {
            (next..seq.get()).for_each(|_| known.push(None));
            known.push(Some(digest));
            next = seq.get() + 1;
        }
        (next..=head.seq.get()).for_each(|_| known.push(None));
        Ok(Self { log: Some((row.id, row.epoch)), head: head.seq, known, used, batch: 0 })
    }

    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.known.bytes() + size_of::<Self>()
    }
}
