//! Faults of the state files.

use std::io;
use std::path::PathBuf;

/// A fault of a file.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// The file is damaged or not of this program. It was renamed, and a new one begins.
    #[error("{} is invalid ({why}): it was renamed to {}, and a new file begins", .path.display(), .aside.display())]
    SetAside {
        path: PathBuf,
        /// Its new path.
        aside: PathBuf,
        why: String,
    },
    /// A later version wrote the file. It stays unchanged.
    #[error("{} is from a later version of this program: read positions and rooms are not stored", .0.display())]
    Later(PathBuf),
    /// The file cannot be read or written.
    #[error("read positions and rooms are not stored: {}: {}", .0.display(), .1)]
    Failed(PathBuf, io::Error),
    /// A later version wrote the file. It stays unchanged.
    #[error("{} is from a later version of this program: its texts are not restored", .0.display())]
    TextsLater(PathBuf),
    /// The file cannot be read or written.
    #[error("typed texts are not kept: {}: {}", .0.display(), .1)]
    TextsFailed(PathBuf, io::Error),
}
