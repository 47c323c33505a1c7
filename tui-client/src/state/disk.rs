//! Replacing a file as a whole: after a crash at any moment, the file has its old or its new content.
//!
//! The steps are those of a [`Disk`], so that a test can cut them anywhere.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The steps of which writing consists.
pub(super) trait Disk {
    type File;

    /// Opens an empty file that only its owner can access.
    fn create(&self, path: &Path) -> io::Result<Self::File>;
    fn write(&self, file: &mut Self::File, bytes: &[u8]) -> io::Result<()>;
    /// Makes the content of a file durable.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    type File = File;

    fn create(&self, path: &Path) -> io::Result<File> {
        private(path)
    }

    fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // The file system has no such operation.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }
}

/// Creates a directory that only its owner can access, if it is missing.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Opens an empty file that only its owner can access.
pub(super) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// Replaces the content of a file. After a failure the file is unchanged.
pub(super) fn replace(disk: &impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = fresh(path);
    let written = write(disk, &fresh, bytes).and_then(|()| disk.rename(&fresh, path));
    if let Err(error) = written {
        // A full disk needs the space.
        let _ = disk.remove(&fresh);
        return Err(error);
    }
    disk.sync_directory(directory(path))
}

fn write(disk: &impl Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.create(path)?;
    disk.write(&mut file, bytes)?;
    // Without this, some file systems have the new name and none of the bytes after a crash.
    disk.sync(&file)
}

/// Removes files, of which some may be missing, all in one directory.
pub(super) fn remove<'a>(disk: &impl Disk, paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
    let mut parent = None;
    for path in paths {
        match disk.remove(path) {
            Ok(()) => parent = Some(directory(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    parent.map_or(Ok(()), |parent| disk.sync_directory(parent))
}

/// Path of the new content before it replaces the old one.
pub(super) fn fresh(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
