//! A copy of the whole file, as of one moment, while a server goes on writing.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};
use tempfile::NamedTempFile;

use super::Archive;
use super::file::sync_directory;

/// Pages that are copied between two looks at the progress: 1 MiB.
const STEP_PAGES: i32 = 256;
const BUSY: Duration = Duration::from_millis(20);

/// Why there is no copy. Nothing of it is left behind.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is a file of that name.
    #[error("{path} is there already, and is not overwritten", path = .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("cannot write {path}: {cause}", path = .path.display())]
    Output {
        /// The copy.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// The store cannot be read, or the copy not be written.
    #[error("cannot copy the store: {0}")]
    Copy(#[from] rusqlite::Error),
}

impl Archive {
    /// Writes a copy to `path`, where there must be nothing yet. It is a store of its own, as of the moment at which this
    /// began, and is on the disk when this returns.
    ///
    /// `progress` is told how many pages were copied, and how many there are.
    pub fn backup(&self, path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<(), BackupError> {
        let failed = |cause| BackupError::Output { path: path.to_owned(), cause };
        if path.exists() {
            return Err(BackupError::Exists(path.to_owned()));
        }
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // Only its owner may read it, and it goes away by itself where it does not get its name.
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
    // What is read in it is one state of the file: commits meanwhile do not make the copy begin anew.
    let moment = source.unchecked_transaction()?;
    moment.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut target = Connection::open(to)?;
    // It is synced as a whole.
    target.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(&moment, &mut target)?;
    loop {
        let step = backup.step(STEP_PAGES)?;
        let at = backup.progress();
        let pages = |count: i32| u64::try_from(count).unwrap_or(0);
        progress(pages(at.pagecount - at.remaining), pages(at.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            // Somebody has locked all of the file, which nobody does for long.
            StepResult::Busy | StepResult::Locked => thread::sleep(BUSY),
            _ => {}
        }
    }
}
