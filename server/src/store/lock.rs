//! Lock of the data directory.
//!
//! Two locks are taken: one on the directory itself, which nobody can remove while it is in use, and one on a file in it,
//! which holds the process id of its owner for the message of a second process. Former versions take only the latter.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreOpenError;
use super::reserve::is_full;
use crate::files::open_own;

/// Name of the lock file, which holds the process id of its owner.
pub(super) const LOCK: &str = "store.lock";

/// Lock of the data directory. The system releases it when it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _directory: File,
    _file: File,
}

impl Lock {
    /// Takes the lock, and writes this process's id into its file.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreOpenError> {
        let path = directory.join(LOCK);
        let unusable = |cause| StoreOpenError::Unusable { path: path.clone(), cause };
        let locked = File::open(directory).map_err(unusable)?;
        let is_taken = match locked.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock) => true,
            // Network file systems lock no directories. The lock file is left.
            Err(TryLockError::Error(error)) => {
                tracing::warn!(%error, "the data directory cannot be locked, only its file {LOCK}");
                false
            }
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(!is_taken).truncate(false).mode(0o600);
        let mut file = match open_own(&path, &mut options) {
            Ok(file) => file,
            Err(fault) if is_taken && fault.is_missing() => return Err(in_use(directory, "")),
            Err(fault) => return Err(StoreOpenError::Unsafe { path, fault }),
        };
        let is_taken = is_taken
            || match file.try_lock() {
                Ok(()) => false,
                Err(TryLockError::WouldBlock) => true,
                Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
            };
        if is_taken {
            let mut holder = String::new();
            // The other process may not have written its id yet.
            let _ = (&file).take(256).read_to_string(&mut holder);
            return Err(in_use(directory, &holder));
        }
        file.set_len(0).map_err(unusable)?;
        // Only a message of another process has the id. A full disk has no space for it.
        if let Err(error) = writeln!(file, "process {}", std::process::id())
            && !is_full(&error)
        {
            return Err(unusable(error));
        }
        Ok(Self { _directory: locked, _file: file })
    }
}

fn in_use(directory: &Path, holder: &str) -> StoreOpenError {
    let holder = holder.trim();
    let holder = if holder.is_empty() { "another program" } else { holder }.to_owned();
    StoreOpenError::InUse { path: directory.to_owned(), holder }
}
