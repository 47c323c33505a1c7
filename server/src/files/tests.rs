//! Tests of the rules for files.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType as NodeType, Mode, mknodat};
use tempfile::TempDir;

use super::*;

const LIMIT: u64 = 1_024;

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("ours");
}

fn file(directory: &TempDir, mode: u32) -> PathBuf {
    let path = directory.path().join("file");
    fs::write(&path, "content").expect("writable");
    set_mode(&path, mode);
    path
}

fn fifo(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("fifo");
    mknodat(CWD, &path, NodeType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a FIFO");
    path
}

fn open(path: &Path) -> Result<File, FileFault> {
    open_own(path, OpenOptions::new().read(true))
}

#[test]
fn an_own_file_must_be_a_regular_file() {
    let directory = directory();
    let target = file(&directory, 0o600);
    open(&target).expect("a regular file");

    let link = directory.path().join("link");
    symlink(&target, &link).expect("a link");
    let dangling = directory.path().join("dangling");
    symlink("/nonexistent", &dangling).expect("a link");
    for link in [&link, &dangling] {
        assert!(matches!(open(link), Err(FileFault::Link)), "{link:?}");
        let created = open_own(link, OpenOptions::new().write(true).create(true));
        assert!(matches!(created, Err(FileFault::Link)), "{link:?}");
    }
    assert!(matches!(open(&fifo(&directory)), Err(FileFault::Type("a FIFO"))));
    assert!(matches!(open(directory.path()), Err(FileFault::Type("a directory"))));
    let socket = directory.path().join("socket");
    let _listener = UnixListener::bind(&socket).expect("a socket");
    assert!(matches!(open(&socket), Err(FileFault::Type("a socket"))));
    assert!(open(&directory.path().join("missing")).expect_err("missing").is_missing());
    check_own(&directory.path().join("missing")).expect("nothing to check");
}

#[test]
fn an_own_file_of_a_third_user_is_refused() {
    // Only root can give files away.
    if !geteuid().is_root() {
        return;
    }
    let directory = directory();
    let path = file(&directory, 0o600);
    std::os::unix::fs::chown(&path, Some(1_234), None).expect("root");
    let fault = open(&path).expect_err("a foreign file").to_string();
    assert!(fault.contains("1234") && fault.contains("user 0"), "{fault}");
    assert_eq!(foreign_owner(directory.path()), None);
    std::os::unix::fs::chown(directory.path(), Some(1_234), None).expect("root");
    open(&path).expect("the file of the directory's owner");
    assert_eq!(foreign_owner(directory.path()), Some(1_234));
}

#[test]
fn a_directory_that_others_may_write_is_refused() {
    let directory = directory();
    for (mode, is_fine) in [(0o700, true), (0o755, true), (0o770, true), (0o707, false), (0o1777, false)] {
        set_mode(directory.path(), mode);
        let checked = check_directory(directory.path());
        assert_eq!(checked.is_ok(), is_fine, "{mode:o}");
        assert!(is_fine || matches!(checked, Err(FileFault::WritableByOthers)), "{mode:o}");
    }
    set_mode(directory.path(), 0o700);
    assert!(matches!(check_directory(&file(&directory, 0o600)), Err(FileFault::NotADirectory)));
}

#[test]
fn a_named_file_may_be_a_link_and_readable_by_the_group() {
    let directory = directory();
    let target = file(&directory, 0o640);
    let link = directory.path().join("link");
    symlink(&target, &link).expect("a link");
    assert_eq!(read_named(&link, LIMIT, Exposure::Secret).expect("readable"), b"content");
}

#[test]
fn a_named_file_that_others_can_read_or_write_is_refused() {
    let directory = directory();
    let readable = file(&directory, 0o604);
    assert!(matches!(read_named(&readable, LIMIT, Exposure::Secret), Err(FileFault::ReadableByOthers)));
    assert_eq!(read_named(&readable, LIMIT, Exposure::Public).expect("public"), b"content");
    let writable = file(&directory, 0o602);
    for exposure in [Exposure::Secret, Exposure::Public] {
        assert!(matches!(read_named(&writable, LIMIT, exposure), Err(FileFault::WritableByOthers)));
    }
    assert_eq!(read_named(Path::new("/dev/null"), LIMIT, Exposure::Secret).expect("a device"), b"");
}

#[test]
fn a_named_file_has_a_limit() {
    let directory = directory();
    let path = file(&directory, 0o600);
    assert_eq!(read_named(&path, 7, Exposure::Secret).expect("readable"), b"content");
    assert!(matches!(read_named(&path, 6, Exposure::Secret), Err(FileFault::TooLong(6))));
    assert!(matches!(
        read_named(Path::new("/dev/zero"), LIMIT, Exposure::Public),
        Err(FileFault::TooLong(_))
    ));
}

#[test]
fn a_named_pipe_is_read_to_its_end() {
    let directory = directory();
    let path = fifo(&directory);
    let to = path.clone();
    let writer = std::thread::spawn(move || fs::write(to, "from a pipe").expect("written"));
    assert_eq!(read_named(&path, LIMIT, Exposure::Secret).expect("readable"), b"from a pipe");
    writer.join().expect("written");
}
