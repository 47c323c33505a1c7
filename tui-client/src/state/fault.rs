//! Reasons why nothing is kept, or something is not as it was.

use std::io;
use std::path::PathBuf;

/// Why nothing is kept, or something is not as it was.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The file is none of ours, or damaged. It was set aside, and another one begins.
    #[error("{} is broken ({why}): it is {} now, and what was unread is not known", .path.display(), .aside.display())]
    SetAside {
        /// The file.
        path: PathBuf,
        /// What it is called now.
        aside: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A later version wrote the file.
    #[error("{} is of a later version of this program: unread positions are not kept", .0.display())]
    Later(PathBuf),
    /// The file cannot be read or written, for the system's reason.
    #[error("unread positions are not kept: {}: {}", .0.display(), .1)]
    Failed(PathBuf, io::Error),
}
