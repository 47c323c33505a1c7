//! What can be wrong with the file, and what that means.

use std::io;
use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi::SQLITE_IOERR_SHMSIZE;

/// Why the store cannot be opened. The file is as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The data directory, or a file in it, cannot be made or opened.
    #[error("cannot use {path}: {cause}; name another directory with --data-dir, or keep rooms in memory with --memory", path = .path.display())]
    Unusable {
        /// What cannot be used.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// There is none to be read.
    #[error("there is no store at {path}; name the server's data directory with --data-dir", path = .0.display())]
    Missing(PathBuf),
    /// Another process has it.
    #[error("{path} is in use by {holder}; stop that one first, or name another directory with --data-dir", path = .path.display())]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// Who has it, as it says of itself.
        holder: String,
    },
    /// It was written by a newer version of this program.
    #[error(
        "{path} was written by a newer version of realtime-server (its format is {found}, this program knows {known}); \
         nothing was changed",
        path = .path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// Something else has this name.
    #[error("{path} is no store of realtime-server: {what}; nothing was changed", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What tells.
        what: &'static str,
    },
    /// It is damaged.
    #[error(
        "{path} is damaged ({what}); nothing was changed. Put a backup in its place and remove {path}-wal and \
         {path}-shm, or move all three away to begin anew; what can be read of it can be had with `realtime-server export`",
        path = .path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, as SQLite says it.
        what: String,
    },
    /// Anything else.
    #[error("cannot open {path}: {cause}", path = .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        cause: rusqlite::Error,
    },
}

impl OpenError {
    /// What an error of SQLite's means for a file that is being opened.
    pub(super) fn of(path: &std::path::Path, cause: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match cause.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                Self::Damaged { path, what: cause.to_string() }
            }
            _ => Self::Sqlite { path, cause },
        }
    }
}

/// What it means that something could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cannot {
    /// Nothing of it was written; it may be possible later.
    #[error("{0}")]
    Now(rusqlite::Error),
    /// Nothing that follows could be believed.
    #[error("{0}")]
    GoOn(rusqlite::Error),
}

/// What an error in writing means: a disk that is full, and somebody else who has locked the file, pass. After an error
/// of the disk nobody knows what is on it.
pub(crate) fn cannot(error: rusqlite::Error) -> Cannot {
    let code = error.sqlite_error();
    let passes = code.is_some_and(|code| {
        matches!(code.code, ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
            // The index of the log grows by a piece of file, for which there was no room.
            || code.extended_code == SQLITE_IOERR_SHMSIZE
    });
    if passes { Cannot::Now(error) } else { Cannot::GoOn(error) }
}
