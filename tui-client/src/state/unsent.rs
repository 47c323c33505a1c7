//! File of texts that were not sent when the terminal was lost. The user reads and deletes it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Path of the file in the directory of the state.
fn path(directory: &Path) -> PathBuf {
    directory.join("unsent.txt")
}

/// Appends `text` to the file, which only its owner can access. Returns the path.
///
/// # Errors
///
/// The file cannot be written.
pub fn keep(directory: &Path, text: &str) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = path(directory);
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(path)
}

/// Path of the file, if it exists.
#[must_use]
pub fn kept(directory: &Path) -> Option<PathBuf> {
    let path = path(directory);
    path.exists().then_some(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn texts_are_appended_to_the_file() {
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
}
