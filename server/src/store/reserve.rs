//! Reserve: a file of some megabytes that is given up when the disk is full, so that there is space to drop old entries,
//! to start and to stop.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::files::{FileFault, open_own};

/// Name of the reserve in the data directory.
const RESERVE: &str = "store.reserve";
/// Name of the file with which the space is tried.
const PROBE: &str = "store.probe";
/// Size of the reserve: more than a step of retention writes.
pub(super) const RESERVE_BYTES: u64 = 8 << 20;
/// Size of the probe: more than any file of the store grows at once.
const PROBE_BYTES: usize = 64 << 10;

/// Files in the data directory by which space is kept and tried.
#[derive(Debug)]
pub(super) struct Reserve {
    directory: PathBuf,
}

impl Reserve {
    pub(super) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    /// True if the whole reserve is there.
    pub(super) fn is_whole(&self) -> bool {
        let found = self.directory.join(RESERVE).symlink_metadata();
        found.is_ok_and(|found| found.is_file() && found.len() == RESERVE_BYTES)
    }

    /// Creates the reserve, or leaves nothing behind.
    pub(super) fn create(&self) -> io::Result<()> {
        let path = self.directory.join(RESERVE);
        let created = new_file(&path).and_then(allocate);
        if created.is_err() {
            let _ = fs::remove_file(&path);
        }
        created
    }

    /// The same, if there is as much space again for posts. Otherwise the space of a reserve that was given up would
    /// count as space for posts.
    pub(super) fn create_again(&self) -> io::Result<()> {
        let path = self.directory.join(PROBE);
        let created = new_file(&path).and_then(allocate).and_then(|()| self.create());
        let _ = fs::remove_file(&path);
        created
    }

    /// Removes the reserve. False if there was none.
    pub(super) fn give_up(&self) -> bool {
        let given_up = fs::remove_file(self.directory.join(RESERVE));
        if let Err(error) = &given_up
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(%error, "the reserve of the store cannot be removed");
        }
        given_up.is_ok()
    }

    /// Tries to write some data.
    pub(super) fn probe(&self) -> io::Result<()> {
        let path = self.directory.join(PROBE);
        let tried = new_file(&path).and_then(|mut file| file.write_all(&vec![0xA5; PROBE_BYTES]));
        let _ = fs::remove_file(&path);
        tried
    }
}

/// True if a write failed because the disk is full, or a quota is used up.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}

fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    open_own(path, &mut options).map_err(|fault| match fault {
        FileFault::Io(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

/// Fills a file. Every file system keeps space for data that it cannot compress, and not each for a hole.
fn allocate(mut file: File) -> io::Result<()> {
    let mut piece = vec![0; PROBE_BYTES];
    fastrand::fill(&mut piece);
    for _ in 0..RESERVE_BYTES / PROBE_BYTES as u64 {
        file.write_all(&piece)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use rustix::io::Errno;

    use super::*;

    #[test]
    fn a_reserve_takes_space_until_it_is_given_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let reserve = Reserve::of(directory.path());
        assert!(!reserve.is_whole() && !reserve.give_up());
        reserve.create_again().expect("enough space");
        assert!(reserve.is_whole());
        let found = directory.path().join(RESERVE).metadata().expect("a file");
        assert!(found.blocks() * 512 >= RESERVE_BYTES, "it is not sparse: {}", found.blocks());
        assert!(reserve.give_up() && !reserve.is_whole());
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 0, "nothing stays");
    }

    #[test]
    fn a_partial_reserve_is_not_whole_and_is_created_again() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join(RESERVE), "cut short").expect("writable");
        let reserve = Reserve::of(directory.path());
        assert!(!reserve.is_whole());
        reserve.create().expect("enough space");
        assert!(reserve.is_whole());
    }

    #[test]
    fn a_used_up_quota_counts_as_a_full_disk() {
        let full = |errno: Errno| is_full(&errno.into());
        assert!(full(Errno::NOSPC) && full(Errno::DQUOT));
        assert!(!full(Errno::IO) && !full(Errno::ACCESS));
    }
}
