//! The file: JSON that a person can read, replaced whole.
//!
//! To change it: take the lock, read, change, write beside it, rename over it. The lock is a file of its own, since the
//! file itself is replaced. Where the file system has no locks two clients may overwrite each other's change; what is
//! read is whole all the same.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use realtime_shared::{Position, RoomName, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// The version of the form of the file.
const VERSION: u32 = 1;
/// A file is not longer than this, in bytes: [`super::ROOMS`] with the longest names and an address of 2 KiB.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// What is in the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Book {
    version: u32,
    pub(super) rooms: Vec<Entry>,
}

/// How far a room is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) server: String,
    pub(super) user: UserId,
    pub(super) room: RoomName,
    pub(super) position: Position,
    /// When it was read, by the clock on the wall.
    pub(super) at: Timestamp,
}

impl Default for Book {
    fn default() -> Self {
        Self { version: VERSION, rooms: Vec::new() }
    }
}

pub(super) fn path(directory: &Path) -> PathBuf {
    directory.join("read.json")
}

/// What a broken file is called.
pub(super) fn aside(directory: &Path) -> PathBuf {
    directory.join("read.json.broken")
}

/// Reads the file. One that is not there is empty, and so is a broken one, which is set aside.
pub(super) fn read(directory: &Path) -> Result<(Book, Option<Fault>), Fault> {
    let path = path(directory);
    let bytes = match bytes(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Book::default(), None)),
        Err(error) => return Err(Fault::Failed(path, error)),
    };
    match parse(&bytes) {
        Ok(book) => Ok((book, None)),
        Err(Unread::Later) => Err(Fault::Later(path)),
        Err(Unread::Broken(why)) => {
            let aside = aside(directory);
            fs::rename(&path, &aside).map_err(|error| Fault::Failed(path.clone(), error))?;
            Ok((Book::default(), Some(Fault::SetAside { path, aside, why })))
        }
    }
}

/// Changes the file as `change` says. What comes back is what was found in its place, where it was broken.
pub(super) fn change(directory: &Path, change: impl FnOnce(&mut Book)) -> Result<Option<Fault>, Fault> {
    let failed = |error| Fault::Failed(directory.to_owned(), error);
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let lock = private(&directory.join("lock")).map_err(failed)?;
    // Without it the change is made all the same. It ends with the file that is dropped.
    let _ = lock.lock();

    let (mut book, fault) = read(directory)?;
    change(&mut book);
    let mut text = serde_json::to_vec_pretty(&book).map_err(|error| failed(error.into()))?;
    text.push(b'\n');
    let fresh = directory.join("read.json.new");
    let mut file = private(&fresh).map_err(failed)?;
    file.write_all(&text)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&fresh, path(directory)))
        .map_err(failed)?;
    Ok(fault)
}

/// A file for its owner alone, empty.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// What is in a file, up to one byte more than it may have.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[derive(Debug)]
enum Unread {
    Later,
    Broken(String),
}

fn parse(bytes: &[u8]) -> Result<Book, Unread> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let broken = |error: serde_json::Error| Unread::Broken(error.to_string());
    if bytes.len() as u64 > FILE_BYTES {
        return Err(Unread::Broken(format!("it has more than {FILE_BYTES} bytes")));
    }
    let Versioned { version } = serde_json::from_slice(bytes).map_err(broken)?;
    match version {
        VERSION => serde_json::from_slice(bytes).map_err(broken),
        0 => Err(Unread::Broken("it has version 0".to_owned())),
        _ => Err(Unread::Later),
    }
}
