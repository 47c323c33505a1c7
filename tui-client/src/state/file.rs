//! File of read positions: indented JSON, replaced as a whole.
//!
//! A change takes the lock, reads, changes, writes beside the file and renames over it. The lock is a separate file,
//! since the file itself is replaced. On file systems without locks two clients may overwrite each other's change; a
//! reader still sees a complete file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use realtime_shared::{Position, RoomName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::fault::StateFault;

/// Version of the file's format.
const VERSION: u32 = 1;
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
    let bytes = match bytes(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((PositionsFile::default(), None)),
        Err(error) => return Err(StateFault::Failed(path, error)),
    };
    match parse(&bytes) {
        Ok(positions) => Ok((positions, None)),
        Err(ParseError::Later) => Err(StateFault::Later(path)),
        Err(ParseError::Broken(why)) => {
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
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let lock = private(&directory.join("lock")).map_err(failed)?;
    // Without a lock the change is made too. Dropping the file unlocks it.
    let _ = lock.lock();

    let (mut positions, fault) = read(directory)?;
    change(&mut positions);
    let mut text = serde_json::to_vec_pretty(&positions).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let fresh = directory.join("read.json.new");
    let mut file = private(&fresh).map_err(failed)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, path(directory)))
        .map_err(failed)?;
    Ok(fault)
}

/// Opens an empty file that only its owner can access.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Content of a file, up to one byte beyond its limit.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Debug)]
enum ParseError {
    Later,
    Broken(String),
}

fn parse(bytes: &[u8]) -> Result<PositionsFile, ParseError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let broken = |error: serde_json::Error| ParseError::Broken(error.to_string());
    if bytes.len() as u64 > FILE_BYTES {
        return Err(ParseError::Broken(format!("it has more than {FILE_BYTES} bytes")));
    }
    let Versioned { version } = serde_json::from_slice(bytes).map_err(broken)?;
    match version {
        VERSION => serde_json::from_slice(bytes).map_err(broken),
        0 => Err(ParseError::Broken("it has version 0".to_owned())),
        _ => Err(ParseError::Later),
    }
}
