//! What was written and not sent, where the terminal went away and could not be told: a file for the user to read, and
//! to delete.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file, in the directory of the state.
fn path(directory: &Path) -> PathBuf {
    directory.join("unsent.txt")
}

/// Adds `text` to the end of the file, which is for its owner alone; where that is.
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

/// The file, where the user has not deleted it.
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
    fn what_is_kept_is_added_to_what_is_there() {
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
