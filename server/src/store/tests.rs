//! Opening: what is made, what is refused, and that what is refused stays as it was.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

use super::schema::VERSION;
use super::*;

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("store.db")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn room() -> RoomName {
    RoomName::new("a").expect("a room's name")
}

/// Adds as many entries to a room.
fn fill(writer: &Writer, entries: u64) {
    let mut batch = writer.begin().expect("a batch");
    let epoch = Epoch::new("epoch").expect("an epoch");
    let id = batch.add_room(&room(), &epoch, Seq::new(1)).expect("added").expect("a room");
    for number in 1..=entries {
        let row = Row {
            place: id.place(Seq::new(number)),
            id: EntryId::from_u128(u128::from(number)),
            ts: Timestamp::from_millis(number),
            known: (number % 2 == 0).then_some(u128::from(number)),
            frame: Some("a frame"),
        };
        batch.add(&row).expect("added");
    }
    batch.commit().expect("committed");
}

/// A directory with a store of a room, closed in order.
fn filled(entries: u64) -> TempDir {
    let directory = directory();
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    fill(&writer, entries);
    writer.checkpoint(Checkpoint::Truncate).expect("moved");
    directory
}

/// All that is in a directory, but for what says who uses it and what SQLite makes for itself when it looks.
fn content(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry"));
    files
        .map(|file| {
            (file.file_name().into_string().expect("a name"), fs::read(file.path()).expect("readable"))
        })
        .filter(|(name, bytes)| {
            name != "store.lock" && name != "store.db-shm" && !(name == "store.db-wal" && bytes.is_empty())
        })
        .collect()
}

/// The error of opening a directory, which stays as it was.
#[track_caller]
fn refused(directory: &Path) -> OpenError {
    let before = content(directory);
    let error = Store::open(directory).expect_err("refused");
    assert!(content(directory) == before, "{error}: something was changed");
    let said = error.to_string();
    assert!(!said.contains('\n') && said.contains(directory.to_str().expect("a path")), "{said}");
    error
}

#[test]
fn it_is_its_owners_alone() {
    let parent = directory();
    let directory = parent.path().join("deep/down");
    drop(Store::open(&directory).expect("a store"));
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&parent.path().join("deep")), 0o700);
    let file = directory.join("store.db");
    assert_eq!((mode(&file), mode(&directory.join("store.lock"))), (0o600, 0o600));

    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("ours");
    drop(Store::open(&directory).expect("a store"));
    assert_eq!(mode(&file), 0o600, "a backup that was put there, say");
}

#[test]
fn what_was_written_is_read_by_the_next_one() {
    let directory = filled(3);
    let store = Store::open(directory.path()).expect("a store");
    assert!(store.is_checked());
    let found = store.reader().expect("a reader").ask(|view| view.room(&room())).expect("readable");
    let (row, head) = found.expect("the room");
    assert_eq!((row.epoch.as_str(), row.first), ("epoch", Seq::new(1)));
    assert_eq!((head.seq, head.id), (Seq::new(3), EntryId::from_u128(3)));
}

#[test]
fn a_log_that_was_left_behind_is_read() {
    let directory = directory();
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    fill(&writer, 3);
    let killed = self::directory();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(directory.path().join(name), killed.path().join(name)).expect("copied");
    }
    let store = Store::open(killed.path()).expect("a store");
    assert!(store.reader().expect("a reader").ask(|view| view.room(&room())).expect("readable").is_some());
    let log = fs::metadata(killed.path().join("store.db-wal")).expect("it is there");
    assert_eq!(log.len(), 0, "all of it is in the file");
}

#[test]
fn it_is_one_process_s_at_a_time() {
    let directory = directory();
    let store = Store::open(directory.path()).expect("a store");
    let OpenError::InUse { holder, .. } = refused(directory.path()) else { panic!("another error") };
    assert_eq!(holder, format!("process {}", std::process::id()));
    let writer = store.into_writer().expect("a writer");
    assert!(matches!(refused(directory.path()), OpenError::InUse { .. }), "the lock goes with the writer");
    drop(writer);
    Store::open(directory.path()).expect("it is free again");
}

#[test]
fn a_newer_format_is_refused() {
    let directory = filled(1);
    let connection = Connection::open(file(&directory)).expect("a file");
    connection.pragma_update(None, "user_version", VERSION + 1).expect("written");
    // In the log alone, as a killed server leaves it; and in the file.
    let killed = self::directory();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(directory.path().join(name), killed.path().join(name)).expect("copied");
    }
    drop(connection);
    for directory in [killed, directory] {
        let OpenError::Newer { found, known, .. } = refused(directory.path()) else {
            panic!("another error")
        };
        assert_eq!((found, known), (VERSION + 1, VERSION));
    }
}

#[test]
fn what_is_no_store_is_refused() {
    let directory = directory();
    fs::write(file(&directory), "dear diary,\n".repeat(100)).expect("writable");
    assert!(matches!(refused(directory.path()), OpenError::Foreign { .. }));
    fs::remove_file(file(&directory)).expect("ours");
    Connection::open(file(&directory))
        .and_then(|c| c.execute_batch("CREATE TABLE song (name)"))
        .expect("a file");
    assert!(matches!(refused(directory.path()), OpenError::Foreign { .. }));
    // What was being written the old way: SQLite looks first, and then we do.
    fs::write(directory.path().join("store.db-journal"), "").expect("writable");
    assert!(matches!(Store::open(directory.path()), Err(OpenError::Foreign { .. })));
    assert!(matches!(Archive::open(directory.path()), Err(OpenError::Foreign { .. })));
}

#[test]
fn a_damaged_file_is_said_to_be_so() {
    let directory = filled(1_000);
    let sound = fs::read(file(&directory)).expect("readable");
    let pages = sound.len() / 4_096;
    assert!(pages > 10);
    for page in [2, pages / 2, pages - 1] {
        let mut damaged = sound.clone();
        damaged[page * 4_096..][..64].fill(0xFF);
        fs::write(file(&directory), damaged).expect("writable");
        assert!(matches!(refused(directory.path()), OpenError::Damaged { .. }), "page {page}");
    }
    for len in [50, 4_096, sound.len() - 4_096] {
        fs::write(file(&directory), &sound[..len]).expect("writable");
        assert!(matches!(refused(directory.path()), OpenError::Damaged { .. }), "{len} bytes");
    }
    fs::write(file(&directory), sound).expect("writable");
    Store::open(directory.path()).expect("sound again");
}

#[test]
fn a_directory_may_be_named_without_a_slash() {
    // What `--data-dir data` is: relative, and nothing before it.
    assert_eq!(file::parents(Path::new("data")), [Path::new(".")]);
    assert_eq!(
        file::parents(Path::new("/nonexistent/deep/down")),
        ["/nonexistent/deep", "/nonexistent", "/"].map(Path::new)
    );
}

#[test]
fn an_empty_file_is_a_new_store() {
    let directory = directory();
    fs::write(file(&directory), "").expect("writable");
    let store = Store::open(directory.path()).expect("a store");
    assert!(store.reader().expect("a reader").ask(|view| view.rooms(|_| true)).expect("readable").is_empty());
}

#[test]
fn a_directory_that_cannot_be_had_is_named() {
    let directory = directory();
    let taken = directory.path().join("taken");
    fs::write(&taken, "").expect("writable");
    let error = Store::open(&taken).expect_err("a file").to_string();
    assert!(error.contains("taken") && error.contains("--data-dir"), "{error}");
}

#[test]
fn what_is_not_committed_is_not_there() {
    let directory = directory();
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    {
        let batch = writer.begin().expect("a batch");
        batch.add_room(&room(), &Epoch::new("epoch").expect("an epoch"), Seq::new(1)).expect("added");
    }
    fill(&writer, 1);
    drop(writer);
    let store = Store::open(directory.path()).expect("a store");
    let rooms = store.reader().expect("a reader").ask(|view| view.rooms(|_| true)).expect("readable");
    assert_eq!(rooms.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Opened, or refused with a reason; and then what is in it can be read, or not, without a panic.
    #[test]
    fn no_damage_makes_it_panic(flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..8)) {
        let directory = filled(40);
        let mut bytes = fs::read(file(&directory)).expect("readable");
        for (place, flip) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
        }
        fs::write(file(&directory), bytes).expect("writable");
        if let Ok(store) = Store::open(directory.path()) {
            let reader = store.reader().expect("a reader");
            let _ = reader.ask(|view| view.rooms(|_| true));
            let _ = reader.ask(|view| view.room(&room()));
        }
    }
}
