//! Errors of opening and writing the store.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

use crate::files::FileFault;

/// Error of opening the store. The file is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum StoreOpenError {
    /// The data directory, or a file in it, cannot be created or opened.
    #[error("cannot use {path}: {cause}; name another directory with --data-dir, or keep rooms in memory with --memory", path = .path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    /// The data directory, or a file in it, breaks a rule for files.
    #[error("{path} {fault}", path = .path.display())]
    Unsafe { path: PathBuf, fault: FileFault },
    /// The database was removed, and its WAL was not.
    #[error(
        "{path} is missing or empty, and {path}-wal has messages; put the file back, or move {path}-wal away to start empty",
        path = .0.display()
    )]
    LoneWal(PathBuf),
    /// There is no store to read.
    #[error("there is no store at {path}; name the server's data directory with --data-dir", path = .0.display())]
    Missing(PathBuf),
    /// Another process holds the lock.
    #[error("{path} is in use by {holder}; stop that process first, or name another directory with --data-dir", path = .path.display())]
    InUse {
        path: PathBuf,
        /// The other process, as the lock file names it.
        holder: String,
    },
    #[error(
        "{path} was written by a newer version of realtime-server (its format is {found}, this version supports up to {supported}); \
         nothing was changed",
        path = .path.display()
    )]
    Newer {
        path: PathBuf,
        /// Format of the file.
        found: u32,
        /// Newest format that this program reads.
        supported: u32,
    },
    /// Another program wrote the file.
    #[error("{path} is not a store of realtime-server: {fault}; nothing was changed", path = .path.display())]
    Foreign { path: PathBuf, fault: &'static str },
    #[error(
        "{path} is damaged ({fault}); nothing was changed. Put a backup in its place and remove {path}-wal and \
         {path}-shm, or move all three away to start empty; `realtime-server export` prints what is still readable",
        path = .path.display()
    )]
    Damaged {
        path: PathBuf,
        /// Fault as SQLite reports it.
        fault: String,
    },
    /// Any other error of SQLite.
    #[error("cannot open {path}: {cause}", path = .path.display())]
    Sqlite { path: PathBuf, cause: rusqlite::Error },
}

impl StoreOpenError {
    /// Classifies an error of SQLite for a file that is being opened.
    pub(super) fn of(path: &std::path::Path, cause: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, fault: cause.to_string() }
            }
            _ => Self::Sqlite { path, cause },
        }
    }
}

/// Error of a write, classified by its consequence for the writer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// Nothing was written; a later attempt may succeed.
    #[error("{0}")]
    Retryable(rusqlite::Error),
    /// The state of the file on the disk is unknown; the writer must stop.
    #[error("{0}")]
    Fatal(rusqlite::Error),
}

/// Classifies an error of a write. A full disk and a lock of another process pass. After an I/O error the state of the
/// disk is unknown.
pub(crate) fn write_error(error: rusqlite::Error) -> WriteError {
    let code = error.sqlite_error();
    let is_retryable = code.is_some_and(|code| {
        matches!(code.code, ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            // The WAL index grows by a piece of file, and the disk had no space for it.
            || code.extended_code == SQLITE_IOERR_SHMSIZE
    });
    if is_retryable { WriteError::Retryable(error) } else { WriteError::Fatal(error) }
}
