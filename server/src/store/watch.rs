//! Watch on the files of an open store: an entry must not be acknowledged if the next start would not find it.
//!
//! SQLite keeps its files open and goes on writing to them when their paths lead to other files, or nowhere. The watch
//! compares paths with the files that were opened, by device and inode. That needs no descriptor. Two kinds of damage
//! keep the inode:
//!
//! - The database is overwritten in place. Only checkpoints write to it, so a change between two of them is foreign.
//!   It is compared by a digest, because a change of the time alone (`touch`) does no harm. Another process may have
//!   run a checkpoint of its own; SQLite counts the pages that were moved.
//! - The WAL is shorter than its frames.
//!
//! If only the WAL or the shared memory is gone, checkpoints go on: they move what was acknowledged into the database.
//!
//! A file that is back at its path is used again. An overwritten one stays faulty until the next start.
//!
//! The watch holds a descriptor of the database from before SQLite opened it. It is closed after all of SQLite's: when a
//! process closes a file, POSIX releases all of its locks on it.

#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{Context, SHA256};
use parking_lot::Mutex;
use rusqlite::Connection;

use super::checkpoint::{CheckpointMode, WalState, checkpoint, wal_state};

/// Bytes of the database that the digest covers: a small file as a whole, a large one in pieces.
const DIGEST_BYTES: u64 = 1 << 20;
const PIECE_BYTES: usize = 4_096;
/// Size of the header of a WAL, and of the header of each frame in it.
pub(super) const WAL_HEADER_BYTES: u64 = 32;
/// Place of the salt in the header of a WAL. It changes when the WAL restarts.
pub(super) const WAL_SALT_AT: u64 = 16;
pub(super) const FRAME_HEADER_BYTES: u64 = 24;

/// Fault of the store's files. While there is one, no entry is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreFault {
    #[error("{path} was removed or moved away", path = .0.display())]
    Removed(PathBuf),
    #[error("{path} was replaced by another file", path = .0.display())]
    Replaced(PathBuf),
    #[error("{path} was overwritten by another program", path = .0.display())]
    Overwritten(PathBuf),
    #[error("{path} cannot be looked at: {1}", path = .0.display())]
    Hidden(PathBuf, ErrorKind),
}

/// Watch on the files of a store that is open.
#[derive(Debug)]
pub(crate) struct StoreWatch {
    /// The database, its WAL and its shared memory.
    files: [WatchedFile; 3],
    content: Mutex<Content>,
    page_bytes: u64,
    fault: Mutex<Option<StoreFault>>,
}

#[derive(Debug)]
struct WatchedFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Content of the database as of the last checkpoint. Its lock is held during a checkpoint.
#[derive(Debug)]
struct Content {
    database: File,
    state: ContentState,
    /// Frames in the WAL at the last look.
    frames: u64,
    /// Frames of a WAL that was too short for them at the last check. A checkpoint shortens the file before it changes their
    /// number, so one observation proves nothing.
    cut_frames: Option<u64>,
}

#[derive(Debug)]
struct ContentState {
    length: u64,
    modified: Option<SystemTime>,
    digest: [u8; 16],
    wal_salt: [u8; 8],
    /// Frames of that WAL that were in the database.
    moved: u64,
}

impl StoreWatch {
    /// Watches the files that `connection` has open. `database` was opened before it.
    pub(super) fn new(path: &Path, database: File, connection: &Connection) -> io::Result<Arc<Self>> {
        let page_bytes: u64 = connection
            .pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))
            .map_err(io::Error::other)?
            .unsigned_abs();
        let files = ["", "-wal", "-shm"].map(|suffix| WatchedFile::new(beside(path, suffix)));
        let [database_file, wal, shared] = files;
        let files = [database_file?, wal?, shared?];
        let wal_state = wal_state(connection).map_err(io::Error::other)?;
        let state = ContentState::read(&database, &files[1].path, wal_state)?;
        let content = Mutex::new(Content { database, state, frames: wal_state.frames, cut_frames: None });
        let watch = Self { files, content, page_bytes, fault: Mutex::new(None) };
        // The path may have been given to another file since `database` was opened.
        let opened = watch.content.lock().database.metadata()?;
        if !watch.files[0].is(&opened) {
            return Err(io::Error::other("the file was replaced while it was opened"));
        }
        Ok(Arc::new(watch))
    }

    /// Fault as of the last check.
    pub(crate) fn fault(&self) -> Option<StoreFault> {
        self.fault.lock().clone()
    }

    /// Compares the paths with the files that are open. Costs three calls of the system.
    pub(crate) fn check_paths(&self) -> Result<(), StoreFault> {
        let found = self.files.iter().try_for_each(WatchedFile::check);
        self.settle(found)
    }

    /// Compares paths and content. Skips the content while a checkpoint runs.
    pub(crate) fn check(&self, connection: &Connection) -> Result<(), StoreFault> {
        self.check_paths()?;
        let Some(mut content) = self.content.try_lock() else { return Ok(()) };
        let found = self.check_content(&mut content, connection);
        drop(content);
        self.settle(found)
    }

    /// Runs a checkpoint, unless there is a fault or, for a passive one, another one runs. Returns `false` if nothing or
    /// only a part was moved.
    pub(crate) fn checkpoint(&self, connection: &Connection, mode: CheckpointMode) -> rusqlite::Result<bool> {
        let content = match mode {
            CheckpointMode::Passive => self.content.try_lock(),
            CheckpointMode::Truncate => Some(self.content.lock()),
        };
        let Some(mut content) = content else { return Ok(false) };
        let found = self.check_content(&mut content, connection);
        if self.settle_lasting(found).is_err() || self.files[0].check().is_err() {
            return Ok(false);
        }
        let moved = checkpoint(connection, mode);
        // Even a failed checkpoint may have written something.
        if let Ok(state) = wal_state(connection)
            && let Ok(read) = ContentState::read(&content.database, &self.files[1].path, state)
        {
            (content.state, content.frames) = (read, state.frames);
        }
        content.cut_frames = None;
        moved
    }

    /// Size of a page of the database.
    pub(super) fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// Reads from the database file, while no checkpoint of this process changes it.
    pub(super) fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let content = self.content.lock();
        let mut read = 0;
        while read < bytes.len() {
            match content.database.read_at(&mut bytes[read..], at + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// Pages in the database file.
    pub(super) fn pages(&self) -> u64 {
        self.content.lock().database.metadata().map_or(0, |found| found.len()) / self.page_bytes
    }

    /// Frames in the WAL as of the last check or checkpoint.
    pub(crate) fn wal_frames(&self) -> u64 {
        self.content.lock().frames
    }

    /// Length of the WAL on the disk.
    pub(crate) fn wal_bytes(&self) -> u64 {
        self.files[1].path.metadata().map_or(0, |found| found.len())
    }

    fn check_content(&self, content: &mut Content, connection: &Connection) -> Result<(), StoreFault> {
        let path = &self.files[0].path;
        let unreadable = |fault: io::Error| StoreFault::Hidden(path.clone(), fault.kind());
        // A busy database is checked the next time.
        let Ok(wal) = wal_state(connection) else { return Ok(()) };
        let found = content.database.metadata().map_err(unreadable)?;
        let before = &content.state;
        if found.len() != before.length || found.modified().ok() != before.modified {
            let now = ContentState::read(&content.database, &self.files[1].path, wal).map_err(unreadable)?;
            let moved_before = if now.wal_salt == before.wal_salt { before.moved } else { 0 };
            let moved_by_another = now.moved > moved_before;
            if now.digest != before.digest && !moved_by_another {
                return Err(StoreFault::Overwritten(path.clone()));
            }
            content.state = now;
        }
        content.frames = wal.frames;
        let needed = WAL_HEADER_BYTES + wal.frames * (self.page_bytes + FRAME_HEADER_BYTES);
        let is_cut = wal.frames > 0 && self.wal_bytes() < needed;
        let was_cut = content.cut_frames.is_some();
        content.cut_frames = is_cut.then_some(wal.frames);
        if is_cut && was_cut {
            return Err(StoreFault::Overwritten(self.files[1].path.clone()));
        }
        Ok(())
    }

    /// Keeps a fault that lasts; any other result leaves the state to the check of the paths.
    fn settle_lasting(&self, found: Result<(), StoreFault>) -> Result<(), StoreFault> {
        match found {
            Err(fault) => self.settle(Err(fault)),
            Ok(()) => match self.fault() {
                Some(fault @ StoreFault::Overwritten(_)) => Err(fault),
                _ => Ok(()),
            },
        }
    }

    /// Keeps the result of a check, and logs a change of it.
    fn settle(&self, found: Result<(), StoreFault>) -> Result<(), StoreFault> {
        let mut fault = self.fault.lock();
        if let Some(lasting @ StoreFault::Overwritten(_)) = &*fault {
            return Err(lasting.clone());
        }
        let before = std::mem::replace(&mut *fault, found.clone().err());
        match (&before, &found) {
            (None, Err(fault)) => tracing::error!(
                %fault,
                "messages are refused: an acknowledged one would be lost at the next start. Put the file back, or stop the server \
                 and restore a backup"
            ),
            (Some(_), Ok(())) => tracing::info!("the files of the store are back; messages are stored again"),
            _ => {}
        }
        found
    }
}

impl WatchedFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        let found = path.symlink_metadata()?;
        Ok(Self { path, device: found.dev(), inode: found.ino() })
    }

    fn is(&self, found: &Metadata) -> bool {
        (found.dev(), found.ino()) == (self.device, self.inode)
    }

    fn check(&self) -> Result<(), StoreFault> {
        match self.path.symlink_metadata() {
            Ok(found) if self.is(&found) => Ok(()),
            Ok(_) => Err(StoreFault::Replaced(self.path.clone())),
            Err(fault) if matches!(fault.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(StoreFault::Removed(self.path.clone()))
            }
            Err(fault) => Err(StoreFault::Hidden(self.path.clone(), fault.kind())),
        }
    }
}

impl ContentState {
    fn read(database: &File, wal: &Path, state: WalState) -> io::Result<Self> {
        let found = database.metadata()?;
        let digest = digest(database, found.len())?;
        // An empty or missing WAL has no salt. SQLite has no locks on this file that closing it could release.
        let mut wal_salt = [0; 8];
        let _ = File::open(wal).and_then(|wal| wal.read_exact_at(&mut wal_salt, WAL_SALT_AT));
        Ok(Self {
            length: found.len(),
            modified: found.modified().ok(),
            digest,
            wal_salt,
            moved: state.moved,
        })
    }
}

/// Digest of the length of a file and of up to [`DIGEST_BYTES`] of it, in pieces at equal distances.
fn digest(file: &File, length: u64) -> io::Result<[u8; 16]> {
    let mut context = Context::new(&SHA256);
    context.update(&length.to_be_bytes());
    let mut piece = [0; PIECE_BYTES];
    let step = (length / (DIGEST_BYTES / PIECE_BYTES as u64)).max(PIECE_BYTES as u64);
    let mut at = 0;
    while at < length {
        let read = file.read_at(&mut piece, at)?;
        if read == 0 {
            break;
        }
        context.update(&piece[..read]);
        at += step;
    }
    let digest = context.finish();
    let (first, _) = digest.as_ref().split_first_chunk().expect("32 bytes");
    Ok(*first)
}

/// Path of a file of SQLite beside the database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().map_or_else(Default::default, OsStr::to_owned);
    name.push(suffix);
    path.with_file_name(name)
}
