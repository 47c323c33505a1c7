//! File of texts that were neither sent nor kept for the next start. The user reads and deletes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{self, Disk, RealDisk};
use super::file::lock;

/// Path of the file in the directory of the state.
fn path(directory: &Path) -> PathBuf {
    directory.join("unsent.txt")
}

/// Adds `text` to the file, which only its owner can access. Returns the path.
///
/// # Errors
///
/// The file cannot be written. It has its old content then.
pub fn keep(directory: &Path, text: &str) -> io::Result<PathBuf> {
    // Without the lock, one of two clients that lose their terminals together replaces the text of the other one.
    let _lock = lock(directory)?;
    let path = path(directory);
    add(&RealDisk, &path, text)?;
    Ok(path)
}

fn add(disk: &impl Disk, path: &Path, text: &str) -> io::Result<()> {
    let mut bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    bytes.extend_from_slice(text.as_bytes());
    disk::replace(disk, path, &bytes)
}

/// Path of the file, if it exists.
#[must_use]
pub fn kept(directory: &Path) -> Option<PathBuf> {
    let path = path(directory);
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    /// A disk with no space for content.
    struct FullDisk;

    impl Disk for FullDisk {
        type File = File;

        fn create(&self, path: &Path) -> io::Result<File> {
            RealDisk.create(path)
        }

        fn write(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
            file.write_all(&bytes[..1])?;
            Err(io::ErrorKind::StorageFull.into())
        }

        fn sync(&self, file: &File) -> io::Result<()> {
            RealDisk.sync(file)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            RealDisk.rename(from, to)
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }

        fn sync_directory(&self, path: &Path) -> io::Result<()> {
            RealDisk.sync_directory(path)
        }
    }

    #[test]
    fn texts_are_added_to_the_file() {
        let home = TempDir::new().expect("a directory");
        let directory = home.path().join("deep/realtime");
        assert_eq!(kept(&directory), None);
        let path = keep(&directory, "one\n").expect("kept");
        assert_eq!(keep(&directory, "two\n").expect("kept"), path);
        assert_eq!(fs::read_to_string(&path).expect("a text"), "one\ntwo\n");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(&path)), (0o700, 0o600));
        assert_eq!(kept(&directory), Some(path));
    }

    #[test]
    fn a_full_disk_leaves_the_old_file() {
        let home = TempDir::new().expect("a directory");
        let path = keep(home.path(), "one\n").expect("kept");
        add(&FullDisk, &path, "two\n").expect_err("no space");
        assert_eq!(fs::read_to_string(&path).expect("a text"), "one\n");
        assert!(!disk::fresh(&path).exists());
        fs::remove_file(&path).expect("removed");
        add(&FullDisk, &path, "two\n").expect_err("no space");
        assert_eq!(kept(home.path()), None, "no empty file");
    }
}
