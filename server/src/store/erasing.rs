//! Operations that erase what SQLite has left in unused space.

use std::io;
use std::ops::Range;

use rusqlite::ffi::{self, SQLITE_IOERR_READ};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior};

use super::unused_space::{MAX_PAGES, clear, is_clear};
use super::{CheckpointMode, PageSet, Store, StoreWatch, StoreWriter};

/// Pages read at once, and cleared in one transaction, while no server runs: 4 MiB.
const RUN_PAGES: u32 = 1_024;

/// True if `flags` let SQLite have its table of pages.
const fn have_pages(flags: Option<&str>) -> bool {
    let Some(flags) = flags else { return false };
    let (flags, flag) = (flags.as_bytes(), b"-DSQLITE_ENABLE_DBPAGE_VTAB");
    let mut at = 0;
    while at + flag.len() <= flags.len() {
        let mut same = 0;
        while same < flag.len() && flags[at + same] == flag[same] {
            same += 1;
        }
        if same == flag.len() {
            return true;
        }
        at += 1;
    }
    false
}

const _: () = assert!(
    have_pages(option_env!("LIBSQLITE3_FLAGS")),
    "build in the workspace, whose .cargo/config.toml sets it, or set LIBSQLITE3_FLAGS=-DSQLITE_ENABLE_DBPAGE_VTAB"
);

impl Store {
    /// Rewrites the whole file, without the space that entries have left. Returns its size before and after.
    pub fn vacuum(self) -> Result<(u64, u64)> {
        let path = self.path().to_owned();
        let size = || path.metadata().map_or(0, |found| found.len());
        let (before, writer) = (size(), self.into_writer()?);
        writer.connection().execute_batch("VACUUM")?;
        writer.checkpoint(CheckpointMode::Truncate)?;
        let (mut pages, count) = (PageSet::all(), writer.watch().clearable_pages().unwrap_or(0));
        while let Some(run) = pages.take_run(RUN_PAGES, count) {
            writer.clear(&writer.watch().read_unclear(run)?)?;
        }
        writer.checkpoint(CheckpointMode::Truncate)?;
        Ok((before, size()))
    }
}

impl StoreWatch {
    /// Pages in the database file. `None`: more than [`MAX_PAGES`], so that their unused space is not known.
    pub(crate) fn clearable_pages(&self) -> Option<u32> {
        u32::try_from(self.pages()).ok().filter(|pages| *pages <= MAX_PAGES)
    }

    /// Reads pages of the file. Returns those whose unused space is not clear.
    pub(crate) fn read_unclear(&self, pages: Range<u32>) -> Result<Vec<u32>> {
        let page_bytes = usize::try_from(self.page_bytes()).unwrap_or(usize::MAX);
        let mut bytes = vec![0; pages.len() * page_bytes];
        let at = u64::from(pages.start.saturating_sub(1)) * self.page_bytes();
        let read = self.read_at(&mut bytes, at).map_err(unreadable)?;
        let whole = bytes[..read].chunks_exact(page_bytes);
        Ok(pages
            .zip(whole)
            .filter(|(number, page)| !is_clear(page, *number))
            .map(|(number, _)| number)
            .collect())
    }
}

impl StoreWriter {
    /// Overwrites the unused space of pages, in one transaction. It is in the file after a checkpoint.
    pub(crate) fn clear(&self, pages: &[u32]) -> Result<()> {
        let transaction = Transaction::new_unchecked(self.connection(), TransactionBehavior::Immediate)?;
        let count: i64 = transaction.pragma_query_value(None, "page_count", |row| row.get(0))?;
        if count > i64::from(MAX_PAGES) {
            return Ok(());
        }
        clear_pages(&transaction, pages)?;
        transaction.commit()
    }
}

/// Overwrites the unused space of pages. The database has at most [`MAX_PAGES`].
pub(super) fn clear_pages(connection: &Connection, pages: &[u32]) -> Result<()> {
    for number in pages {
        let page: Option<Vec<u8>> = connection
            .prepare_cached("SELECT data FROM sqlite_dbpage WHERE pgno = ?")?
            .query_row([number], |row| row.get(0))
            .optional()?;
        // The page may have changed since it was read.
        if let Some(mut page) = page
            && clear(&mut page, *number)
        {
            connection
                .prepare_cached("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?")?
                .execute((page, number))?;
        }
    }
    Ok(())
}

/// The error of SQLite for a read that failed.
#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err`")]
fn unreadable(error: io::Error) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(SQLITE_IOERR_READ), Some(error.to_string()))
}
