//! Erasure of deleted texts from the files of the store, in rounds.
//!
//! ```text
//! written pages ─▶ checkpoint ─▶ read pages ─▶ writer clears those with unused space that is not clear ─▶ empty the WAL
//! ```
//!
//! The commit of a deletion overwrites the rows. After it, the text may be in unused space of pages that were written before,
//! and in the WAL. A round reads these pages in parts, while commits go on. The writer clears those with something in their
//! unused space, because it alone knows their present content. At last the WAL is emptied. A reader of an old snapshot
//! prevents the first and the last step; the thread tries them again.
//!
//! The first round after a start reads the whole file. It begins with the start if a message was ever deleted, because a
//! crash may have ended the last round, and else with the first deletion.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use rusqlite::Result;

use crate::store::{CheckpointMode, PageSet, StoreWatch, StoreWriter, WrittenPages};

/// Pages read at once: 1 MiB.
const RUN_PAGES: u32 = 256;
/// Pages read in one step of a round: 16 MiB.
const STEP_PAGES: usize = 4_096;
/// Pages cleared in one transaction. Posts wait for it.
const CLEARED_PAGES: usize = 128;

/// Pages that wait for the writer, which clears their unused space.
#[derive(Default)]
pub(super) struct UnclearPages(Mutex<Vec<u32>>);

/// Texts were deleted since the last round began, and the pages of the next round.
#[derive(Clone)]
pub(super) struct DeletedTexts {
    is_due: Arc<AtomicBool>,
    written: Arc<WrittenPages>,
    pub(super) unclear: Arc<UnclearPages>,
}

/// State of the erasure after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Erasure {
    /// A round is over, or none is due.
    Done,
    /// A reader prevents the next step, or the writer clears pages.
    Waits,
    /// More pages are to be read.
    Reads,
}

/// The steps of rounds, one after the other.
pub(super) struct ErasureRounds {
    deleted: DeletedTexts,
    watch: Arc<StoreWatch>,
    /// Pages of the round that are to be read; `None` between rounds.
    round: Option<PageSet>,
}

impl DeletedTexts {
    /// `is_due`: the first round begins at once.
    pub(super) fn new(written: Arc<WrittenPages>, is_due: bool) -> Self {
        Self { is_due: Arc::new(AtomicBool::new(is_due)), written, unclear: Arc::default() }
    }

    /// Texts were deleted by a commit.
    pub(super) fn add(&self) {
        self.is_due.store(true, Ordering::Release);
    }

    /// Erases texts at the end of the engine, as far as this process has written pages. The caller empties the WAL.
    pub(super) fn erase_now(&self, store: &StoreWriter) -> Result<()> {
        if self.is_due.swap(false, Ordering::AcqRel) {
            let mut pages = self.written.take().without_rest();
            store.checkpoint(CheckpointMode::Passive)?;
            while let Some(count) = store.watch().clearable_pages()
                && let Some(run) = pages.take_run(RUN_PAGES, count)
            {
                self.unclear.0.lock().extend(store.watch().read_unclear(run)?);
            }
        }
        while self.unclear.clear_some(store)? {}
        Ok(())
    }
}

impl UnclearPages {
    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// Clears some pages in a commit. Returns false if there were none.
    pub(super) fn clear_some(&self, store: &StoreWriter) -> Result<bool> {
        let pages: Vec<_> = self.0.lock().iter().copied().take(CLEARED_PAGES).collect();
        if pages.is_empty() {
            return Ok(false);
        }
        store.clear(&pages)?;
        // Only the writer removes pages.
        self.0.lock().drain(..pages.len());
        Ok(true)
    }
}

impl ErasureRounds {
    pub(super) fn new(deleted: DeletedTexts, watch: Arc<StoreWatch>) -> Self {
        Self { deleted, watch, round: None }
    }

    /// Performs the next step of a round. `bring_up_to_date` moves the WAL into the file, and `empty` empties it; both return
    /// false if a reader prevented it.
    pub(super) fn step(
        &mut self,
        bring_up_to_date: impl FnOnce() -> Result<bool>,
        empty: impl FnOnce() -> Result<bool>,
    ) -> Result<Erasure> {
        let DeletedTexts { is_due, written, unclear } = &self.deleted;
        let pages = match &mut self.round {
            Some(pages) => pages,
            // Before the checkpoint: a later commit may delete more, and write more pages.
            round if is_due.swap(false, Ordering::AcqRel) => {
                let pages = written.take();
                if !bring_up_to_date()? {
                    written.put_back(&pages);
                    is_due.store(true, Ordering::Release);
                    return Ok(Erasure::Waits);
                }
                round.insert(pages)
            }
            _ => return Ok(Erasure::Done),
        };
        let count = self.watch.clearable_pages().unwrap_or_else(|| {
            tracing::warn!("the store has more than 128 GiB: copies of deleted texts may stay in it");
            0
        });
        let mut read = 0;
        while let Some(run) = pages.take_run(RUN_PAGES, count) {
            read += run.len();
            unclear.0.lock().extend(self.watch.read_unclear(run)?);
            if read >= STEP_PAGES {
                return Ok(Erasure::Reads);
            }
        }
        if !unclear.is_empty() || !empty()? {
            return Ok(Erasure::Waits);
        }
        self.round = None;
        Ok(Erasure::Done)
    }
}

impl Drop for ErasureRounds {
    /// Leaves a round that has begun to the next one.
    fn drop(&mut self) {
        if let Some(pages) = self.round.take() {
            self.deleted.written.put_back(&pages);
            self.deleted.add();
        }
    }
}
