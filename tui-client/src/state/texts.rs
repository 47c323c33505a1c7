//! Files of typed texts: one for each run, so that two clients never replace each other's texts.
//!
//! A run writes `drafts/RUN.json` and holds the lock of `drafts/RUN.lock`. A file without a held lock is that of a run
//! that ended: the next start takes its texts, and removes the file when its own file has them. On file systems without
//! locks, a start also takes the texts of clients that run; their messages have the same ids, so each is stored once.
//!
//! Invariants:
//! - At each moment, a text that was stored and is not discarded is in a complete file.
//! - A run without texts has no file.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use realtime_shared::UserId;
use serde::{Deserialize, Serialize};

use super::StateLocation;
use super::disk::{self, Disk, RealDisk};
use super::fault::StateFault;
use super::json::{self, ReadError, VERSION};
use crate::kept_texts::KeptTexts;

/// Longest file, in bytes.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Content of a file.
#[derive(Debug, Serialize, Deserialize)]
struct TextsFile {
    version: u32,
    server: String,
    user: UserId,
    #[serde(flatten)]
    texts: KeptTexts,
}

/// The file of this run, and the files of ended runs whose texts this run has.
#[derive(Debug)]
pub struct TextStore {
    location: StateLocation,
    path: PathBuf,
    lock: Option<File>,
    taken: Vec<TakenFile>,
}

/// A file of an ended run, locked.
#[derive(Debug)]
struct TakenFile {
    path: PathBuf,
    _lock: File,
}

/// State of the files at the start.
#[derive(Debug)]
pub struct OpenedTexts {
    pub store: TextStore,
    /// Texts of ended runs of this user on this server.
    pub texts: KeptTexts,
    /// Faults to show the user.
    pub faults: Vec<StateFault>,
}

impl TextStore {
    /// Reads the texts of ended runs. `run` differs from run to run.
    #[must_use]
    pub fn open(location: StateLocation, run: u64) -> OpenedTexts {
        let directory = location.directory.join("drafts");
        let (mut texts, mut taken, mut faults) = (KeptTexts::default(), Vec::new(), Vec::new());
        match files(&directory) {
            Ok(paths) => {
                for path in paths {
                    match take(&path, &location) {
                        Ok(Some((lock, more))) => {
                            texts.merge(more);
                            taken.push(TakenFile { path, _lock: lock });
                        }
                        Ok(None) => {}
                        Err(fault) => faults.push(fault),
                    }
                }
            }
            Err(error) => faults.push(StateFault::TextsFailed(directory.clone(), error)),
        }
        let path = directory.join(format!("{run:016x}.json"));
        OpenedTexts { store: Self { location, path, lock: None, taken }, texts, faults }
    }

    /// Replaces the texts of this run. They must include those of the opened files. Blocks on the disk.
    ///
    /// # Errors
    ///
    /// The file cannot be written. It has its old content then.
    pub fn save(&mut self, texts: &KeptTexts) -> Result<(), StateFault> {
        self.try_save(texts).map_err(|error| StateFault::TextsFailed(self.path.clone(), error))
    }

    fn try_save(&mut self, texts: &KeptTexts) -> io::Result<()> {
        let bytes = self.bytes(texts)?;
        if bytes.is_some() && self.lock.is_none() {
            disk::create_directory(&self.location.directory.join("drafts"))?;
            let lock = disk::private(&lock_of(&self.path))?;
            let _ = lock.lock();
            self.lock = Some(lock);
        }
        let taken: Vec<&Path> = self.taken.iter().map(|taken| taken.path.as_path()).collect();
        store(&RealDisk, &self.path, bytes.as_deref(), &taken)?;
        for TakenFile { path, .. } in self.taken.drain(..) {
            // A crash may have left the first one.
            let _ = fs::remove_file(disk::fresh(&path));
            let _ = fs::remove_file(lock_of(&path));
        }
        if bytes.is_none() && self.lock.take().is_some() {
            let _ = fs::remove_file(lock_of(&self.path));
        }
        Ok(())
    }

    fn bytes(&self, texts: &KeptTexts) -> io::Result<Option<Vec<u8>>> {
        if texts.is_empty() {
            return Ok(None);
        }
        let StateLocation { server, user, .. } = self.location.clone();
        let mut bytes =
            serde_json::to_vec_pretty(&TextsFile { version: VERSION, server, user, texts: texts.clone() })?;
        bytes.push(b'\n');
        if bytes.len() as u64 > FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(Some(bytes))
    }
}

/// Stores the texts of a run, or removes its file; then removes the files whose texts it has.
fn store(disk: &impl Disk, path: &Path, bytes: Option<&[u8]>, taken: &[&Path]) -> io::Result<()> {
    match bytes {
        Some(bytes) => {
            disk::replace(disk, path, bytes)?;
            disk::remove(disk, taken.iter().copied())
        }
        None => disk::remove(disk, [path].into_iter().chain(taken.iter().copied())),
    }
}

/// The files of all runs, in a fixed order.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    paths.sort();
    Ok(paths)
}

/// Locks and reads the file of an ended run. `None` if its run has not ended, or is not of this server and user.
fn take(path: &Path, location: &StateLocation) -> Result<Option<(File, KeptTexts)>, StateFault> {
    let failed = |error| StateFault::TextsFailed(path.to_owned(), error);
    let lock = disk::private(&lock_of(path)).map_err(failed)?;
    if matches!(lock.try_lock(), Err(TryLockError::WouldBlock)) {
        return Ok(None);
    }
    match json::read::<TextsFile>(path, FILE_BYTES) {
        Ok(Some(file)) if file.server == location.server && file.user == location.user => {
            Ok(Some((lock, file.texts)))
        }
        Ok(_) => Ok(None),
        Err(ReadError::Failed(error)) => Err(failed(error)),
        Err(ReadError::Later) => Err(StateFault::TextsLater(path.to_owned())),
        Err(ReadError::Broken(why)) => {
            let aside = path.with_extension("json.broken");
            fs::rename(path, &aside).map_err(failed)?;
            Err(StateFault::SetAside { path: path.to_owned(), aside, why })
        }
    }
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

#[cfg(test)]
mod tests;
