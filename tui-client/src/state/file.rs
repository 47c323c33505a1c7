//! File of read positions: indented JSON, replaced as a whole.
//!
//! A change takes the lock, reads, changes, writes beside the file and renames over it. The lock is a separate file,
//! since the file itself is replaced. On file systems without locks two clients may overwrite each other's change; a
//! reader still sees a complete file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use realtime_shared::{Position, RoomName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::disk::{self, RealDisk};
use super::fault::StateFault;
use super::json::{self, ReadError, VERSION};

/// Longest file, in bytes: [`super::ROOMS`] with the longest names and addresses of 2 KiB.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// Content of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PositionsFile {
    version: u32,
    pub(super) rooms: Vec<ReadPosition>,
}

/// Read position of a user in a room of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ReadPosition {
    pub(super) server: String,
    pub(super) user: UserId,
    pub(super) room: RoomName,
    pub(super) position: Position,
    /// Time of the last change, by the wall clock.
    pub(super) at: Timestamp,
}

impl Default for PositionsFile {
    fn default() -> Self {
        Self { version: VERSION, rooms: Vec::new() }
    }
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("read.json")
}

/// New path of a broken file.
pub(super) fn aside(directory: &Path) -> PathBuf {
    directory.join("read.json.broken")
}

/// Reads the file. A missing file is empty. A broken file is renamed and counts as empty.
pub(super) fn read(directory: &Path) -> Result<(PositionsFile, Option<StateFault>), StateFault> {
    let path = path(directory);
    match json::read(&path, FILE_BYTES) {
        Ok(positions) => Ok((positions.unwrap_or_default(), None)),
        Err(ReadError::Failed(error)) => Err(StateFault::Failed(path, error)),
        Err(ReadError::Later) => Err(StateFault::Later(path)),
        Err(ReadError::Broken(why)) => {
            let aside = aside(directory);
            fs::rename(&path, &aside).map_err(|error| StateFault::Failed(path.clone(), error))?;
            Ok((PositionsFile::default(), Some(StateFault::SetAside { path, aside, why })))
        }
    }
}

/// Applies `change` to the file. Returns the fault of a broken file that it replaced.
pub(super) fn change(
    directory: &Path,
    change: impl FnOnce(&mut PositionsFile),
) -> Result<Option<StateFault>, StateFault> {
    let failed = |error| StateFault::Failed(directory.to_owned(), error);
    let _lock = lock(directory).map_err(failed)?;
    let (mut positions, fault) = read(directory)?;
    change(&mut positions);
    let mut text = serde_json::to_vec_pretty(&positions).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    disk::replace(&RealDisk, &path(directory), &text).map_err(failed)?;
    Ok(fault)
}

/// Creates the directory if it is missing, and takes its lock, which ends with the returned file. Without a lock the
/// work is done too.
pub(super) fn lock(directory: &Path) -> io::Result<File> {
    disk::create_directory(directory)?;
    let lock = disk::private(&directory.join("lock"))?;
    let _ = lock.lock();
    Ok(lock)
}
