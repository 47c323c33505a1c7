//! Tests of opening: creation, refusals, and files unchanged by a refusal.

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

mod changes;
mod migration;
mod vacuum;

fn directory() -> TempDir {
    TempDir::new().expect("a directory")
}

fn file(directory: &TempDir) -> PathBuf {
    directory.path().join("store.db")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("the file").permissions().mode() & 0o777
}

fn room() -> RoomName {
    RoomName::new("a").expect("a room's name")
}

/// Adds a room with `entries` entries.
fn fill(writer: &StoreWriter, entries: u64) {
    let mut batch = writer.begin().expect("a batch");
    let epoch = Epoch::new("epoch").expect("an epoch");
    let id = batch.add_room(&room(), &epoch, Seq::new(1)).expect("added").expect("a room");
    for number in 1..=entries {
        let row = Row {
            key: id.key(Seq::new(number)),
            id: EntryId::from_u128(u128::from(number)),
            ts: Timestamp::from_millis(number),
            dedup_digest: (number % 2 == 0).then_some(u128::from(number)),
            frame: Some("a frame"),
        };
        batch.add(&row).expect("added");
    }
    batch.commit().expect("committed");
}

/// Directory with a store that holds one room, closed in order.
fn filled(entries: u64) -> TempDir {
    let directory = directory();
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    fill(&writer, entries);
    writer.checkpoint(CheckpointMode::Truncate).expect("moved");
    directory
}

/// Content of a directory, without the lock file and the files that SQLite creates when it reads.
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

/// Error of opening a directory, which must leave it unchanged.
#[track_caller]
fn refused(directory: &Path) -> StoreOpenError {
    let before = content(directory);
    let error = Store::open(directory).expect_err("refused");
    assert!(content(directory) == before, "{error}: something was changed");
    let text = error.to_string();
    assert!(!text.contains('\n') && text.contains(directory.to_str().expect("a path")), "{text}");
    error
}

#[test]
fn files_are_private_to_their_owner() {
    let parent = directory();
    let directory = parent.path().join("deep/down");
    drop(Store::open(&directory).expect("a store"));
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&parent.path().join("deep")), 0o700);
    let file = directory.join("store.db");
    assert_eq!((mode(&file), mode(&directory.join("store.lock"))), (0o600, 0o600));

    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("permitted");
    drop(Store::open(&directory).expect("a store"));
    assert_eq!(mode(&file), 0o600, "as after a restored backup");
}

#[test]
fn a_reopened_store_holds_what_was_written() {
    let directory = filled(3);
    let store = Store::open(directory.path()).expect("a store");
    assert!(store.is_fully_checked());
    let found = store.reader().expect("a reader").read(|view| view.room(&room())).expect("readable");
    let (row, head) = found.expect("the room");
    assert_eq!((row.epoch.as_str(), row.first), ("epoch", Seq::new(1)));
    assert_eq!((head.seq, head.id), (Seq::new(3), EntryId::from_u128(3)));
}

#[test]
fn a_wal_left_by_a_killed_process_is_recovered() {
    let directory = directory();
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    fill(&writer, 3);
    let killed = self::directory();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(directory.path().join(name), killed.path().join(name)).expect("copied");
    }
    let store = Store::open(killed.path()).expect("a store");
    assert!(store.reader().expect("a reader").read(|view| view.room(&room())).expect("readable").is_some());
    let log = fs::metadata(killed.path().join("store.db-wal")).expect("the file");
    assert_eq!(log.len(), 0, "the WAL is moved into the file");
}

#[test]
fn a_second_process_is_refused_while_the_lock_is_held() {
    let directory = directory();
    let store = Store::open(directory.path()).expect("a store");
    let StoreOpenError::InUse { holder, .. } = refused(directory.path()) else { panic!("another error") };
    assert_eq!(holder, format!("process {}", std::process::id()));
    let writer = store.into_writer().expect("a writer");
    assert!(
        matches!(refused(directory.path()), StoreOpenError::InUse { .. }),
        "the lock goes with the writer"
    );
    drop(writer);
    Store::open(directory.path()).expect("unlocked");
}

#[test]
fn a_newer_format_is_refused() {
    let directory = filled(1);
    let connection = Connection::open(file(&directory)).expect("a file");
    connection.pragma_update(None, "user_version", VERSION + 1).expect("written");
    // Only in the WAL, as a killed server leaves it; and in the file.
    let killed = self::directory();
    for name in ["store.db", "store.db-wal"] {
        fs::copy(directory.path().join(name), killed.path().join(name)).expect("copied");
    }
    drop(connection);
    for directory in [killed, directory] {
        let StoreOpenError::Newer { found, supported, .. } = refused(directory.path()) else {
            panic!("another error")
        };
        assert_eq!((found, supported), (VERSION + 1, VERSION));
    }
}

#[test]
fn a_foreign_file_is_refused() {
    let directory = directory();
    fs::write(file(&directory), "dear diary,\n".repeat(100)).expect("writable");
    assert!(matches!(refused(directory.path()), StoreOpenError::Foreign { .. }));
    fs::remove_file(file(&directory)).expect("permitted");
    Connection::open(file(&directory))
        .and_then(|c| c.execute_batch("CREATE TABLE song (name)"))
        .expect("a file");
    assert!(matches!(refused(directory.path()), StoreOpenError::Foreign { .. }));
    // With a rollback journal SQLite recovers first, and the identity check follows.
    fs::write(directory.path().join("store.db-journal"), "").expect("writable");
    assert!(matches!(Store::open(directory.path()), Err(StoreOpenError::Foreign { .. })));
    assert!(matches!(Archive::open(directory.path()), Err(StoreOpenError::Foreign { .. })));
}

#[test]
fn a_damaged_file_is_refused_as_damaged() {
    let directory = filled(1_000);
    let sound = fs::read(file(&directory)).expect("readable");
    let pages = sound.len() / 4_096;
    assert!(pages > 10);
    for page in [2, pages / 2, pages - 1] {
        let mut damaged = sound.clone();
        damaged[page * 4_096..][..64].fill(0xFF);
        fs::write(file(&directory), damaged).expect("writable");
        assert!(matches!(refused(directory.path()), StoreOpenError::Damaged { .. }), "page {page}");
    }
    for len in [50, 4_096, sound.len() - 4_096] {
        fs::write(file(&directory), &sound[..len]).expect("writable");
        assert!(matches!(refused(directory.path()), StoreOpenError::Damaged { .. }), "{len} bytes");
    }
    fs::write(file(&directory), sound).expect("writable");
    Store::open(directory.path()).expect("sound again");
}

#[test]
fn parents_of_a_relative_path_end_at_the_current_directory() {
    // As in `--data-dir data`.
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
    assert!(
        store.reader().expect("a reader").read(|view| view.rooms(None, 10)).expect("readable").0.is_empty()
    );
}

#[test]
fn the_error_names_a_directory_that_cannot_be_created() {
    let directory = directory();
    let taken = directory.path().join("taken");
    fs::write(&taken, "").expect("writable");
    let error = Store::open(&taken).expect_err("a file").to_string();
    assert!(error.contains("taken") && error.contains("--data-dir"), "{error}");
}

#[test]
fn an_uncommitted_batch_is_rolled_back() {
    let directory = directory();
    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    {
        let batch = writer.begin().expect("a batch");
        batch.add_room(&room(), &Epoch::new("epoch").expect("an epoch"), Seq::new(1)).expect("added");
    }
    fill(&writer, 1);
    drop(writer);
    let store = Store::open(directory.path()).expect("a store");
    let read = store.reader().expect("a reader").read(|view| view.rooms(None, 10));
    let (rooms, _) = read.expect("readable");
    assert_eq!(rooms.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Opening succeeds or is refused with a reason; reading what is there never panics.
    #[test]
    fn damage_never_panics(flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..8)) {
        let directory = filled(40);
        let mut bytes = fs::read(file(&directory)).expect("readable");
        for (index, flip) in flips {
            let index = index.index(bytes.len());
            bytes[index] ^= flip;
        }
        fs::write(file(&directory), bytes).expect("writable");
        if let Ok(store) = Store::open(directory.path()) {
            let reader = store.reader().expect("a reader");
            let _ = reader.read(|view| view.rooms(None, 10));
            let _ = reader.read(|view| view.room(&room()));
        }
    }
}
