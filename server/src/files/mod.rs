//! Rules for files that the server trusts: their type, owner and permissions.
//!
//! Two kinds of files have different rules. A file in the data directory ([`open_own`], [`check_own`]) is the server's:
//! nobody else may have put it there. A file that a flag names ([`read_named`]) is the operator's: a container platform
//! mounts it as it likes, so links, other owners and the group are accepted.
//!
//! No rule blocks: a FIFO is opened without waiting for its other end.

mod named;
#[cfg(test)]
mod tests;

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::process::geteuid;

pub use self::named::{Exposure, read_named};

const OTHERS_WRITE: u32 = 0o002;
const OTHERS_READ: u32 = 0o004;

/// Reason for not using a file. The texts continue a sentence that begins with the path of the file.
#[derive(Debug, thiserror::Error)]
pub enum FileFault {
    #[error("is a symbolic link; the data directory must hold the file itself")]
    Link,
    /// Type of the file, in words.
    #[error("is {0}, not a regular file")]
    Type(&'static str),
    #[error(
        "belongs to user {owner}; it must belong to user {user}, who runs this program, or to user {directory_owner}, who owns the \
         directory"
    )]
    Owner { owner: u32, user: u32, directory_owner: u32 },
    #[error("is not a directory")]
    NotADirectory,
    #[error("can be written by every user of this machine; run `chmod o-w` on it")]
    WritableByOthers,
    #[error(
        "can be read by every user of this machine; run `chmod o-r` on it, or give --allow-readable-secrets"
    )]
    ReadableByOthers,
    #[error("has more than {0} bytes")]
    TooLong(u64),
    /// The other end of a pipe sends nothing.
    #[error("has no data: the program at the other end of the pipe wrote nothing for {0} seconds")]
    Silent(u64),
    #[error("cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl FileFault {
    /// True if there is no such file.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Io(fault) if fault.kind() == ErrorKind::NotFound)
    }
}

/// Checks the data directory. It may be a link, since an operator names it.
pub fn check_directory(path: &Path) -> Result<(), FileFault> {
    let found = path.metadata()?;
    if !found.is_dir() {
        return Err(FileFault::NotADirectory);
    }
    if found.mode() & OTHERS_WRITE != 0 {
        return Err(FileFault::WritableByOthers);
    }
    Ok(())
}

/// Owner of `path` if this process is root and the owner is not: files that root creates there lock the owner out.
#[must_use]
pub fn foreign_owner(path: &Path) -> Option<u32> {
    let owner = path.metadata().ok()?.uid();
    (geteuid().is_root() && owner != 0).then_some(owner)
}

/// Opens a file of the data directory, without following a link or waiting for a FIFO.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File, FileFault> {
    // First by name: to open a device has effects, and a socket cannot be opened at all.
    check_own(path)?;
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options.custom_flags(flags.bits().cast_signed()).open(path)?;
    // It may have been exchanged meanwhile.
    check_found(path, &file.metadata()?)?;
    Ok(file)
}

/// Checks a file of the data directory that something else opens. A missing one is fine.
pub fn check_own(path: &Path) -> Result<(), FileFault> {
    match path.symlink_metadata() {
        Ok(found) => check_found(path, &found),
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(fault.into()),
    }
}

fn check_found(path: &Path, found: &Metadata) -> Result<(), FileFault> {
    if found.is_symlink() {
        return Err(FileFault::Link);
    }
    if !found.is_file() {
        return Err(FileFault::Type(type_in_words(found.file_type())));
    }
    let (owner, user) = (found.uid(), geteuid().as_raw());
    let directory_owner = parent(path).metadata()?.uid();
    if owner != user && owner != directory_owner {
        return Err(FileFault::Owner { owner, user, directory_owner });
    }
    Ok(())
}

/// Directory of a file; `.` for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn type_in_words(found: FileType) -> &'static str {
    if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a FIFO"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}
