//! Faults of the state files.

use std::io;
use std::path::PathBuf;

/// A fault of the file of read positions.
#[derive(Debug, thiserror::Error)]
pub enum StateFault {
    /// The file is damaged or not of this program. It was renamed, and a new one begins.
    #[error("{} is broken ({why}): it was renamed to {}, and unread positions start anew", .path.display(), .aside.display())]
    SetAside {
        path: PathBuf,
        /// Its new path.
        aside: PathBuf,
        why: String,
    },
    /// A later version wrote the file. It is left alone.
    #[error("{} is of a later version of this program: unread positions are not kept", .0.display())]
    Later(PathBuf),
    /// The file cannot be read or written.
    #[error("unread positions are not kept: {}: {}", .0.display(), .1)]
    Failed(PathBuf, io::Error),
}
