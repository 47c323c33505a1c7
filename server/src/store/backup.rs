//! Copy of the whole file from one snapshot, while a server goes on writing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::NamedTempFile;

use super::Archive;
use super::file::sync_directory;

/// Pages copied between two calls of `progress`: 1 MiB.
const STEP_PAGES: i32 = 256;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Error of a backup. No partial copy is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{path} already exists and is not overwritten", path = .0.display())]
    Exists(PathBuf),
    #[error("cannot write {path}: {cause}", path = .path.display())]
    Output { path: PathBuf, cause: io::Error },
    /// The store cannot be read, or SQLite cannot write the copy.
    #[error("cannot copy the store: {0}")]
    Copy(#[from] rusqlite::Error),
}

impl Archive {
    /// Writes a copy to `path`, which must not exist. The copy is a complete store, taken from the snapshot at the call.
    /// It is on the disk when this returns.
    ///
    /// `progress` receives the number of pages copied and the total.
    pub fn backup(&self, path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), BackupError> {
        let failed = |cause| BackupError::Output { path: path.to_owned(), cause };
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // The temporary file has mode 0600, and is removed unless it gets its final name.
        let partial = NamedTempFile::new_in(directory).map_err(failed)?;
        copy(&self.connect()?, partial.path(), progress)?;
        partial.as_file().sync_all().map_err(failed)?;
        partial.persist_noclobber(path).map_err(|fault| match fault.error.kind() {
            ErrorKind::AlreadyExists => BackupError::Exists(path.to_owned()),
            _ => failed(fault.error),
        })?;
        sync_directory(directory).map_err(failed)
    }
}

fn copy(source: &Connection, to: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), BackupError> {
    // One read transaction: commits meanwhile do not restart the copy.
    let snapshot = source.unchecked_transaction()?;
    snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    // The caller syncs the copy once, as a whole.
    target.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(&snapshot, &mut target)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let at = backup.progress();
        let pages = |count: i32| u64::try_from(count).unwrap_or(0);
        progress(pages(at.pagecount - at.remaining), pages(at.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            // Another process holds an exclusive lock, which is always short.
            StepResult::Busy | StepResult::Locked => thread::sleep(BUSY_PAUSE),
            _ => {}
        }
    }
}
