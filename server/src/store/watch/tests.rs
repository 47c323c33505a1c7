//! Tests of the watch: damage behind the back of SQLite is detected, and nothing else is.

use std::fs;
use std::time::Duration;

use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::store::file::connect;
use crate::store::{Row, Store, StoreWriter};

/// An open store, and the connection that checks it.
struct WatchFixture {
    directory: TempDir,
    writer: StoreWriter,
    watch: Arc<StoreWatch>,
    connection: Connection,
    posted: u64,
}

impl WatchFixture {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let store = Store::open(directory.path()).expect("a store");
        let (watch, connection) = (store.watch(), store.checkpointer().expect("a connection"));
        let mut fixture =
            Self { writer: store.into_writer().expect("a writer"), directory, watch, connection, posted: 0 };
        fixture.post();
        fixture
    }

    /// Commits a room with one entry.
    fn post(&mut self) {
        self.posted += 1;
        let name = RoomName::new(&format!("room {}", self.posted)).expect("a room's name");
        let mut batch = self.writer.begin().expect("a batch");
        let epoch = Epoch::new("epoch").expect("an epoch");
        let id = batch.add_room(&name, &epoch, Seq::new(1)).expect("added").expect("a room");
        let row = Row {
            key: id.key(Seq::new(1)),
            id: EntryId::from_u128(u128::from(self.posted)),
            ts: Timestamp::from_millis(1),
            dedup_digest: None,
            frame: Some("a frame"),
        };
        batch.add(&row).expect("added");
        batch.commit().expect("committed");
    }

    fn path(&self, suffix: &str) -> PathBuf {
        beside(&self.directory.path().join("store.db"), suffix)
    }

    fn check(&self) -> Result<(), StoreFault> {
        self.watch.check(&self.connection)
    }

    fn checkpoint(&self) -> bool {
        self.watch.checkpoint(&self.connection, CheckpointMode::Passive).expect("no error")
    }

    /// Writes other content into the file of the database, with the same length and without a change of the inode.
    fn overwrite(&self) {
        let mut bytes = fs::read(self.path("")).expect("readable");
        *bytes.last_mut().expect("a byte") ^= 1;
        fs::write(self.path(""), bytes).expect("writable");
    }
}

#[test]
fn own_writes_are_no_fault() {
    let mut fixture = WatchFixture::new();
    for _ in 0..3 {
        fixture.post();
        assert_eq!(fixture.check(), Ok(()));
        assert!(fixture.checkpoint());
        assert_eq!(fixture.check(), Ok(()));
    }
    assert!(fixture.watch.checkpoint(&fixture.connection, CheckpointMode::Truncate).expect("no error"));
    assert_eq!((fixture.check(), fixture.watch.wal_bytes()), (Ok(()), 0));
}

#[test]
fn a_file_that_is_moved_away_is_a_fault_until_it_is_back() {
    for suffix in ["", "-wal", "-shm"] {
        let fixture = WatchFixture::new();
        let (path, away) = (fixture.path(suffix), fixture.directory.path().join("away"));
        fs::rename(&path, &away).expect("moved");
        assert_eq!(fixture.check(), Err(StoreFault::Removed(path.clone())));
        assert_eq!(fixture.watch.fault(), Some(StoreFault::Removed(path.clone())));
        assert_eq!(fixture.checkpoint(), !suffix.is_empty(), "nothing is written to a database that is gone");

        fs::copy(&away, &path).expect("copied");
        assert_eq!(fixture.watch.check_paths(), Err(StoreFault::Replaced(path.clone())));
        fs::rename(&away, &path).expect("moved back");
        assert_eq!((fixture.check(), fixture.watch.fault()), (Ok(()), None));
        assert!(fixture.checkpoint());
    }
}

#[test]
fn a_directory_that_is_moved_away_is_a_fault() {
    let fixture = WatchFixture::new();
    let away = fixture.directory.path().with_extension("away");
    fs::rename(fixture.directory.path(), &away).expect("moved");
    assert_eq!(fixture.check(), Err(StoreFault::Removed(fixture.path(""))));
    fs::rename(away, fixture.directory.path()).expect("moved back");
    assert_eq!(fixture.check(), Ok(()));
}

#[test]
fn a_link_to_the_file_is_no_replacement() {
    let fixture = WatchFixture::new();
    let (path, away) = (fixture.path(""), fixture.directory.path().join("away"));
    fs::rename(&path, &away).expect("moved");
    std::os::unix::fs::symlink(&away, &path).expect("a link");
    assert_eq!(fixture.check(), Err(StoreFault::Replaced(path.clone())));
}

#[test]
fn an_overwritten_database_is_a_fault_that_lasts() {
    let fixture = WatchFixture::new();
    let before = fs::read(fixture.path("")).expect("readable");
    fixture.overwrite();
    let fault = Err(StoreFault::Overwritten(fixture.path("")));
    assert_eq!(fixture.check(), fault);
    assert!(!fixture.checkpoint());
    fs::write(fixture.path(""), before).expect("writable");
    assert_eq!((fixture.check(), fixture.watch.check_paths()), (fault.clone(), fault));
}

#[test]
fn a_checkpoint_checks_the_database_first() {
    let fixture = WatchFixture::new();
    fixture.overwrite();
    let overwritten = fs::read(fixture.path("")).expect("readable");
    assert!(!fixture.checkpoint());
    assert_eq!(fixture.watch.fault(), Some(StoreFault::Overwritten(fixture.path(""))));
    assert!(fs::read(fixture.path("")).expect("readable") == overwritten, "the checkpoint wrote nothing");
}

#[test]
fn a_truncated_database_is_a_fault() {
    let fixture = WatchFixture::new();
    fs::write(fixture.path(""), b"").expect("writable");
    assert_eq!(fixture.check(), Err(StoreFault::Overwritten(fixture.path(""))));
}

#[test]
fn a_truncated_wal_is_a_fault_at_the_second_look() {
    let fixture = WatchFixture::new();
    fs::write(fixture.path("-wal"), b"").expect("writable");
    assert_eq!(fixture.check(), Ok(()), "it could be a checkpoint");
    assert_eq!(fixture.check(), Err(StoreFault::Overwritten(fixture.path("-wal"))));
}

#[test]
fn a_new_time_or_a_second_name_is_no_fault() {
    let fixture = WatchFixture::new();
    let touched = File::options().write(true).open(fixture.path("-shm")).expect("a file");
    touched.set_modified(SystemTime::UNIX_EPOCH).expect("set");
    // Not through a descriptor: closing it would release the locks.
    let touch = std::process::Command::new("touch").arg(fixture.path("")).status().expect("touch");
    assert!(touch.success());
    fs::hard_link(fixture.path(""), fixture.directory.path().join("second name")).expect("linked");
    assert_eq!(fixture.check(), Ok(()));
}

#[test]
fn a_checkpoint_of_another_connection_is_no_fault() {
    let mut fixture = WatchFixture::new();
    let other = connect(&fixture.path("")).expect("a connection");
    other.busy_timeout(Duration::ZERO).expect("set");
    let before = fs::read(fixture.path("")).expect("readable");
    checkpoint(&other, CheckpointMode::Passive).expect("moved");
    assert!(fs::read(fixture.path("")).expect("readable") != before, "it wrote into the file");
    assert_eq!(fixture.check(), Ok(()));
    fixture.post();
    checkpoint(&other, CheckpointMode::Passive).expect("moved");
    assert_eq!(fixture.check(), Ok(()));
    fixture.overwrite();
    assert_eq!(fixture.check(), Err(StoreFault::Overwritten(fixture.path(""))));
}

#[test]
fn the_digest_covers_a_small_file_and_samples_a_large_one() {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("file");
    let digest_of = |bytes: &[u8]| {
        fs::write(&path, bytes).expect("writable");
        digest(&File::open(&path).expect("a file"), bytes.len() as u64).expect("readable")
    };
    let mut small = vec![1; 1 << 20];
    let before = digest_of(&small);
    for at in [0, 4_095, 500_000, (1 << 20) - 1] {
        small[at] = 2;
        assert_ne!(digest_of(&small), before, "byte {at}");
        small[at] = 1;
    }
    assert_ne!(digest_of(&small[1..]), before);
    let large = vec![1; 3 << 20];
    let mut other = large.clone();
    other[0] = 2;
    assert_ne!(digest_of(&large), digest_of(&other));
}
