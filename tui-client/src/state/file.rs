//! The files of read positions and of joined rooms: indented JSON, replaced as a whole.
//!
//! A change takes the lock, reads, changes, writes beside the file and renames over it. The lock is a separate file,
//! since the file itself is replaced. On file systems without locks two clients may overwrite each other's change; a
//! reader still sees a complete file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use realtime_shared::{Position, RoomName, Timestamp, UserId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::disk::{self, RealDisk};
use super::fault::StateFault;
use super::json::{self, ReadError, VERSION};

/// Longest file, in bytes: [`super::ROOMS`] with the longest names and addresses of 2 KiB.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A file with its name. The default is its content when it is missing.
pub(super) trait StateFile: Default + Serialize + DeserializeOwned {
    const NAME: &'static str;

    fn path(directory: &Path) -> PathBuf {
        directory.join(Self::NAME)
    }

    /// New path of a broken file.
    fn aside(directory: &Path) -> PathBuf {
        directory.join(format!("{}.broken", Self::NAME))
    }
}

/// Content of `read.json`.
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

/// Content of `rooms.json`: joined rooms, the one that was joined last at the end.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JoinedFile {
    version: u32,
    pub(super) rooms: Vec<JoinedRoom>,
}

/// A room of a server that a user has joined and not left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JoinedRoom {
    pub(super) server: String,
    pub(super) user: UserId,
    pub(super) room: RoomName,
}

impl StateFile for PositionsFile {
    const NAME: &'static str = "read.json";
}

impl StateFile for JoinedFile {
    const NAME: &'static str = "rooms.json";
}

impl Default for PositionsFile {
    fn default() -> Self {
        Self { version: VERSION, rooms: Vec::new() }
    }
}

impl Default for JoinedFile {
    fn default() -> Self {
        Self { version: VERSION, rooms: Vec::new() }
    }
}

/// Reads a file. A missing file is empty. A broken file is renamed and counts as empty.
pub(super) fn read<T: StateFile>(directory: &Path) -> Result<(T, Option<StateFault>), StateFault> {
    let path = T::path(directory);
    match json::read(&path, FILE_BYTES) {
        Ok(content) => Ok((content.unwrap_or_default(), None)),
        Err(ReadError::Failed(error)) => Err(StateFault::Failed(path, error)),
        Err(ReadError::Later) => Err(StateFault::Later(path)),
        Err(ReadError::Broken(why)) => {
            let aside = T::aside(directory);
            fs::rename(&path, &aside).map_err(|error| StateFault::Failed(path.clone(), error))?;
            Ok((T::default(), Some(StateFault::SetAside { path, aside, why })))
        }
    }
}

/// Applies `change` to a file. Returns the fault of a broken file that it replaced.
pub(super) fn change<T: StateFile>(
    directory: &Path,
    change: impl FnOnce(&mut T),
) -> Result<Option<StateFault>, StateFault> {
    let failed = |error| StateFault::Failed(directory.to_owned(), error);
    let _lock = lock(directory).map_err(failed)?;
    let (mut content, fault) = read::<T>(directory)?;
    change(&mut content);
    let mut text = serde_json::to_vec_pretty(&content).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    disk::replace(&RealDisk, &T::path(directory), &text).map_err(failed)?;
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
