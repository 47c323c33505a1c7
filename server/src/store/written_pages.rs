//! Pages of the database that were written since their unused space was last read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::page_set::PageSet;
use super::unused_space::MAX_PAGES;
use super::watch::{FRAME_HEADER_BYTES, WAL_HEADER_BYTES, WAL_SALT_AT};

/// Pages that were written, from the headers of the WAL's frames. At the start, all pages count as written.
#[derive(Debug)]
pub(crate) struct WrittenPages(Mutex<Written>);

#[derive(Debug)]
struct Written {
    pages: PageSet,
    wal: File,
    frame_bytes: u64,
    /// Salt of the WAL whose frames were read last. It changes when the WAL restarts.
    salt: [u8; 8],
    /// Frames of that WAL that were read.
    read: u64,
}

impl WrittenPages {
    /// `frames`: frames in the WAL. `page_bytes`: size of a page.
    pub(super) fn new(wal: &Path, frames: u64, page_bytes: u64) -> io::Result<Arc<Self>> {
        // SQLite has no locks on this file that closing it could release.
        let (wal, frame_bytes) = (File::open(wal)?, FRAME_HEADER_BYTES + page_bytes);
        let pages = PageSet::all();
        let mut written = Written { pages, wal, frame_bytes, salt: [0; 8], read: 0 };
        if frames > 0 {
            written.add_frames(frames)?;
        }
        Ok(Arc::new(Self(Mutex::new(written))))
    }

    /// Adds the pages of new frames, after a commit. `frames`: frames in the WAL then. The next commit may overwrite them.
    pub(super) fn add_frames(&self, frames: u64) {
        let mut written = self.0.lock();
        if let Err(error) = written.add_frames(frames) {
            tracing::warn!(%error, "the write-ahead log cannot be read; the next deletion reads the whole store");
            written.pages = PageSet::all();
        }
    }

    /// Takes all pages.
    pub(crate) fn take(&self) -> PageSet {
        std::mem::take(&mut self.0.lock().pages)
    }

    /// Adds pages that were taken, and not read.
    pub(crate) fn put_back(&self, pages: &PageSet) {
        self.0.lock().pages.insert_all(pages);
    }
}

impl Written {
    fn add_frames(&mut self, frames: u64) -> io::Result<()> {
        let mut salt = [0; 8];
        self.wal.read_exact_at(&mut salt, WAL_SALT_AT)?;
        if salt != self.salt {
            (self.salt, self.read) = (salt, 0);
        }
        for frame in self.read..frames {
            let mut page = [0; 4];
            self.wal.read_exact_at(&mut page, WAL_HEADER_BYTES + frame * self.frame_bytes)?;
            self.pages.insert(u32::from_be_bytes(page), MAX_PAGES);
        }
        self.read = frames;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
    use tempfile::TempDir;

    use crate::store::{CheckpointMode, Row, Store, StoreWriter};

    const PAGE: usize = 4_096;

    /// Commits a room with an entry of this length.
    fn commit(writer: &StoreWriter, number: u128, length: usize) {
        let mut batch = writer.begin().expect("a batch");
        let (id, name) = (EntryId::from_u128(number), RoomName::new(&format!("{number}")).expect("a name"));
        let room = batch.add_room(&name, &Epoch::from_id(id), Seq::new(1)).expect("written").expect("a room");
        let (key, ts, frame) = (room.key(Seq::new(1)), Timestamp::from_millis(1), "x".repeat(length));
        batch.add(&Row { key, id, ts, dedup_digest: None, frame: Some(&frame) }).expect("written");
        batch.commit().expect("committed");
    }

    /// Pages in which two versions of a file differ.
    fn changed(before: &[u8], after: &[u8]) -> BTreeSet<u32> {
        let before: Vec<_> = before.chunks(PAGE).collect();
        let is_changed = |(at, page): (usize, &[u8])| {
            (before.get(at) != Some(&page)).then(|| u32::try_from(at + 1).expect("a number"))
        };
        after.chunks(PAGE).enumerate().filter_map(is_changed).collect()
    }

    #[test]
    fn all_pages_that_commits_change_are_written_pages() {
        let directory = TempDir::new().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let written = store.written();
        let writer = store.into_writer().expect("a writer");
        assert_eq!(written.take().take_run(9, 5), Some(1..6), "all pages at first");
        let file = || std::fs::read(directory.path().join("store.db")).expect("a file");
        let mut random = fastrand::Rng::with_seed(1);
        let mut before = file();
        for round in 0..30_u128 {
            // The WAL restarts after checkpoints of both modes. The commits after it are longer or shorter than those before.
            for nth in 0..random.u128(1..20) {
                commit(&writer, round * 100 + nth, random.usize(10..20_000));
                if random.u8(0..4) == 0 {
                    writer.checkpoint(CheckpointMode::Passive).expect("a checkpoint");
                }
            }
            assert!(writer.checkpoint(CheckpointMode::Truncate).expect("a checkpoint"));
            let after = file();
            let (mut pages, mut found) = (written.take(), BTreeSet::new());
            while let Some(run) = pages.take_run(7, u32::MAX) {
                found.extend(run);
            }
            let missing: Vec<_> = changed(&before, &after).difference(&found).copied().collect();
            assert!(missing.is_empty(), "round {round}: {missing:?}");
            assert!(found.len() < after.len() / PAGE, "only what was written");
            before = after;
        }
    }
}
