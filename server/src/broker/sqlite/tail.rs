//! End of a room's log: the state that the writer needs to append to it.

use realtime_shared::{DirectPair, Epoch, RoomName, Seq};
use rusqlite::Result;

use super::dedup_index::DedupIndex;
use crate::broker::DEDUP_ENTRIES;
use crate::store::{RoomId, SettingsRow, View};

/// Cached end of a room's log.
pub(super) struct Tail {
    /// `None` while the room has no entry.
    pub(super) log: Option<(RoomId, Epoch)>,
    pub(super) head: Seq,
    pub(super) known: DedupIndex,
    /// `None` if they were never changed.
    pub(super) settings: Option<SettingsRow>,
    /// The users of a direct room, if they are stored.
    pub(super) pair: Option<Box<DirectPair>>,
    /// Number of the last batch that used the tail; 0 for none.
    pub(super) batch: u64,
}

impl Tail {
    /// Reads the tail from the file.
    pub(super) fn read(view: View<'_>, room: &RoomName) -> Result<Self> {
        let pair = if room.is_direct() { view.direct_pair(room)?.map(Box::new) } else { None };
        let Some((row, head)) = view.room(room)? else {
            return Ok(Self {
                log: None,
                head: Seq::ZERO,
                known: DedupIndex::new(Seq::ZERO),
                settings: None,
                pair,
                batch: 0,
            });
        };
        let before = head.seq.back(DEDUP_ENTRIES);
        let mut known = DedupIndex::new(before);
        let mut next = before.next();
        for (seq, digest) in view.dedup_digests((row.id.key(next), row.id.end()))? {
            (next.get()..seq.get()).for_each(|_| known.push(None));
            known.push(Some(digest));
            next = seq.next();
        }
        (next.get()..=head.seq.get()).for_each(|_| known.push(None));
        let settings = view.settings(row.id)?;
        Ok(Self { log: Some((row.id, row.epoch)), head: head.seq, known, settings, pair, batch: 0 })
    }

    /// Estimated size in memory.
    pub(super) fn bytes(&self) -> usize {
        self.known.bytes() + size_of::<Self>()
    }
}
