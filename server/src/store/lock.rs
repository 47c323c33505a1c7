//! Lock of the data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreOpenError;

/// Name of the lock file, which holds the process id of its owner.
const LOCK: &str = "store.lock";

/// Lock of the data directory. The system releases it when it is dropped or the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "held for its drop, never read")] File);

impl Lock {
    /// Takes the lock, and writes this process's id into its file.
    pub(super) fn take(directory: &Path) -> Result<Self, StoreOpenError> {
        let path = directory.join(LOCK);
        let unusable = |cause| StoreOpenError::Unusable { path: path.clone(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The other process may not have written its id yet.
                let _ = (&file).take(256).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another program" } else { holder }.to_owned();
                return Err(StoreOpenError::InUse { path: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        file.set_len(0).map_err(unusable)?;
        writeln!(file, "process {}", std::process::id()).map_err(unusable)?;
        Ok(Self(file))
    }
}
