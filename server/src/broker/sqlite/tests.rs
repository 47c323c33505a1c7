//! Tests specific to this engine: durability, retention and the dedup window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use realtime_shared::{Position, Seq, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::broker::contract::{self, room, submission};
use crate::broker::{DEDUP_ENTRIES, NotStored, Receipt, Unavailable};

mod changes;
mod clocks;
mod markers;
mod removal;
mod searching;

const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Limit larger than any page in these tests.
const PLENTY: usize = 1 << 20;

type SqliteFixture = contract::EngineFixture<SqliteBroker>;

/// Data directory with a clock that the test moves.
struct DataDir {
    directory: Arc<TempDir>,
    millis: Arc<AtomicU64>,
    since_boot: Arc<AtomicU64>,
    retain: Retain,
    rooms: RoomLimits,
    search: bool,
}

impl DataDir {
    fn new() -> Self {
        Self::with(Retain::default())
    }

    fn with(retain: Retain) -> Self {
        let directory = Arc::new(TempDir::new().expect("a directory"));
        let millis = Arc::new(AtomicU64::new(1_000 * DAY));
        let (since_boot, rooms) = (Arc::default(), RoomLimits::none());
        Self { directory, millis, since_boot, retain, rooms, search: true }
    }

    /// Opens the store. The previous fixture must have been dropped.
    fn open(&self) -> SqliteFixture {
        let (millis, since_boot) = (self.millis.clone(), self.since_boot.clone());
        let clock = Clock::from_fns(
            move || Timestamp::from_millis(millis.load(Ordering::SeqCst)),
            move || Duration::from_millis(since_boot.load(Ordering::SeqCst)),
        );
        let (directory, search) = (self.directory.clone(), self.search);
        let settings = contract::file_settings(self.retain.clone(), self.rooms);
        let settings = FileSettings { search, ..settings };
        SqliteFixture::new(move |feed: Weak<dyn Feed>| {
            let store = Store::open(directory.path()).expect("a store");
            let engine = SqliteEngine::start(store, clock, settings, contract::metrics()).expect("threads");
            (Arc::new(engine.broker(feed)), Box::new((engine, directory)))
        })
    }

    fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
        self.since_boot.fetch_add(millis, Ordering::SeqCst);
    }

    /// Sets the wall clock `days` ahead of where it is.
    fn jump(&self, days: i64) {
        // Wraps around for a negative number.
        self.millis.fetch_add((days * DAY.cast_signed()).cast_unsigned(), Ordering::SeqCst);
    }

    /// Rows of the entries of room `a`, and how many of them have no frame.
    fn rows(&self) -> (u64, u64) {
        let file = rusqlite::Connection::open(self.directory.path().join("store.db")).expect("a file");
        let count = |condition: &str| {
            let all = "SELECT count(*) FROM entry JOIN room ON place >> 35 = room.id WHERE name = 'a'";
            let sql = format!("{all} AND {condition}");
            file.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a number").cast_unsigned()
        };
        (count("true"), count("frame IS NULL"))
    }
}

async fn seqs(fixture: &SqliteFixture, name: &str) -> Vec<u64> {
    let page = fixture.broker.history(&room(name), Range::Newest, usize::MAX, PLENTY).await.expect("a page");
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

fn position(receipt: &Receipt) -> Position {
    let Receipt { epoch, seq, id, .. } = receipt.clone();
    Position::At { epoch, seq, id }
}

#[tokio::test]
async fn a_room_goes_on_after_a_restart() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let receipts = fixture.fill("a", 3).await;
    let page = fixture.broker.history(&room("a"), Range::Newest, 10, PLENTY).await;
    drop(fixture);

    let fixture = data_dir.open();
    assert_eq!(fixture.head("a").await, position(&receipts[2]));
    assert_eq!(fixture.broker.history(&room("a"), Range::Newest, 10, PLENTY).await, page);
    let next = fixture.post(submission("bob", "a", "next")).await;
    assert_eq!((next.epoch, next.seq), (receipts[0].epoch.clone(), Seq::new(4)), "the log goes on");
    assert_eq!(fixture.post(submission("bob", "b", "other")).await.seq, Seq::new(1));
}

#[tokio::test]
async fn a_duplicate_is_recognized_after_a_restart() {
    let data_dir = DataDir::new();
    let mut first = Vec::new();
    {
        let fixture = data_dir.open();
        fixture.fill("a", 2).await;
        for id in ["1", "2"] {
            first.push(fixture.post(submission("alice", "a", id).with_id(id)).await);
            fixture.fill("a", 1).await;
        }
    }
    let fixture = data_dir.open();
    for (id, first) in ["1", "2"].iter().zip(first) {
        let again = fixture.post(submission("alice", "a", "again").with_id(id)).await;
        assert_eq!(again, Receipt { duplicate: true, ..first });
    }
    assert!(!fixture.post(submission("bob", "a", "another's").with_id("1")).await.duplicate);
    assert_eq!(seqs(&fixture, "a").await, [1, 2, 3, 4, 5, 6, 7]);
}

#[tokio::test]
async fn a_duplicate_is_recognized_among_the_last_10_000_entries() {
    let data_dir = DataDir::new();
    let first = data_dir.open().post(submission("alice", "a", "1").with_id("1")).await;
    for (more, known) in [(DEDUP_ENTRIES - 1, true), (1, false)] {
        // From the index in memory, and from the one read back from the file.
        let fixture = data_dir.open();
        let (done, all) = tokio::sync::oneshot::channel::<()>();
        let mut done = Some(done);
        for number in 1..=more {
            let done = if number == more { done.take() } else { None };
            fixture.submit(submission("bob", "a", "x"), move |_| drop(done));
        }
        let _ = all.await;
        let again = fixture.post(submission("alice", "a", "1").with_id("1")).await;
        assert_eq!(again.duplicate, known);
        drop(fixture);
        let again = data_dir.open().post(submission("alice", "a", "1").with_id("1")).await;
        assert!(again.duplicate);
        assert_eq!(again.seq == first.seq, known);
    }
}

#[tokio::test]
async fn a_duplicate_is_recognized_for_a_day() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let post = || fixture.post(submission("alice", "a", "1").with_id("1"));
    let first = post().await;
    data_dir.advance(DAY);
    assert_eq!(post().await, Receipt { duplicate: true, ..first });
    data_dir.advance(1);
    let second = post().await;
    assert_eq!((second.duplicate, second.seq), (false, Seq::new(2)));
    data_dir.millis.store(0, Ordering::SeqCst);
    assert_eq!(post().await, Receipt { duplicate: true, ..second }, "a clock that goes back forgets nothing");
}

#[tokio::test]
async fn retention_deletes_entries_and_keeps_the_head() {
    let mut data_dir =
        DataDir::with(Retain { age: Some(Duration::from_hours(1)), messages: Some(2), confirmed: false });
    let mut known = Vec::new();
    {
        let fixture = data_dir.open();
        fixture.broker.sweep().await;
        for id in ["1", "2", "3", "4"] {
            known.push(fixture.post(submission("alice", "a", "text").with_id(id)).await);
        }
    }
    assert_eq!(data_dir.rows(), (4, 0), "the next sweep is a minute away");
    let fixture = data_dir.open();
    fixture.broker.sweep().await;
    assert_eq!(data_dir.rows(), (4, 2), "dropped by count; all within the dedup window");
    drop(fixture);

    data_dir.advance(DAY / 2);
    let fixture = data_dir.open();
    fixture.broker.sweep().await;
    assert_eq!(data_dir.rows(), (4, 4), "dropped by age");
    let again = fixture.post(submission("alice", "a", "text").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..known[0].clone() });
    drop(fixture);

    // At an age at which only an open room stays.
    let fixture = data_dir.open();
    assert_eq!(fixture.broker.open(&room("a")).await, Ok(position(&known[3])));
    data_dir.advance(DAY);
    fixture.broker.sweep().await;
    assert_eq!(data_dir.rows(), (1, 1), "the head, without its frame");
    assert_eq!(fixture.head("a").await, position(&known[3]));
    assert!(seqs(&fixture, "a").await.is_empty());
    drop(fixture);

    data_dir.retain = Retain::default();
    let fixture = data_dir.open();
    let next = fixture.post(submission("alice", "a", "next")).await;
    assert_eq!((next.epoch, next.seq), (known[0].epoch.clone(), Seq::new(5)));
    assert_eq!(seqs(&fixture, "a").await, [5]);
}

#[tokio::test]
async fn a_sweep_of_many_rooms_and_rows_goes_on_between_posts() {
    let data_dir =
        DataDir::with(Retain { age: Some(Duration::from_hours(1)), messages: None, confirmed: false });
    {
        let fixture = data_dir.open();
        for number in 0..70 {
            fixture.fill(&format!("room {number}"), 1).await;
        }
        fixture.fill("a", 600).await;
    }
    // A start more than a day after the last sweep would be in doubt.
    data_dir.advance(DAY);
    {
        let fixture = data_dir.open();
        fixture.broker.sweep().await;
        // The room stays for a day after this.
        fixture.fill("a", 1).await;
    }
    data_dir.advance(DAY);
    let fixture = data_dir.open();
    // A sweep continues between posts.
    while data_dir.rows() != (1, 1) {
        fixture.fill("elsewhere", 1).await;
    }
    assert!(seqs(&fixture, "room 69").await.is_empty());
}

#[tokio::test]
async fn messages_that_wait_for_a_long_log_keep_their_order() {
    let data_dir = DataDir::new();
    let first = {
        let fixture = data_dir.open();
        let first = fixture.post(submission("alice", "long", "0").with_id("0")).await;
        for _ in 0..400 {
            fixture.broker.submit(submission("alice", "long", "x"), Box::new(|_| ()));
        }
        fixture.fill("long", 1).await;
        first
    };
    let fixture = data_dir.open();
    let (done, mut receipts) = tokio::sync::mpsc::channel(16);
    for number in 0..10 {
        let done = done.clone();
        let room = if number % 5 == 4 { "short" } else { "long" };
        let id = number.to_string();
        fixture.submit(submission("alice", room, &id).with_id(&id), move |stored| {
            done.try_send((number, stored.expect("stored"))).expect("space");
        });
    }
    drop(done);
    let mut of_long = Vec::new();
    while let Some((number, receipt)) = receipts.recv().await {
        if number % 5 != 4 {
            of_long.push((number, receipt));
        }
    }
    assert_eq!(of_long.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [0, 1, 2, 3, 5, 6, 7, 8]);
    assert_eq!(of_long[0].1, Receipt { duplicate: true, ..first }, "found in the tail that was read");
    let seqs: Vec<_> = of_long[1..].iter().map(|(_, receipt)| receipt.seq.get()).collect();
    assert!(seqs.into_iter().eq(403..410));
}

#[tokio::test]
async fn a_panic_in_a_thread_fails_the_engine_and_all_waiting_calls() {
    let data_dir = DataDir::new();
    let store = Store::open(data_dir.directory.path()).expect("a store");
    let engine = SqliteEngine::start(
        store,
        Clock::system(),
        contract::file_settings(Retain::default(), RoomLimits::none()),
        contract::metrics(),
    )
    .expect("threads");
    let no_feed: Weak<dyn Feed> = Weak::<contract::Recorder>::new();
    let broker = engine.broker(no_feed);
    let answer = broker.readers.read(|_| -> rusqlite::Result<()> { panic!("on purpose") }).await;
    assert_eq!(answer, Err(Unavailable));
    assert_eq!(engine.failure().reported().await, "a thread of the engine panicked");
    let (done, result) = tokio::sync::oneshot::channel();
    let done = move |stored| {
        let _ = done.send(stored);
    };
    broker.submit(submission("alice", "a", "1"), Box::new(done));
    assert_eq!(result.await.expect("completed"), Err(Unavailable.into()));
}

#[tokio::test]
async fn a_growing_wal_is_checkpointed_beside_the_writer() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let file = data_dir.directory.path().join("store.db");
    let before = std::fs::metadata(&file).expect("a file").len();
    let text = "x".repeat(4_000);
    // Each message takes more than a page of the WAL; a thousand pages wake the checkpoint thread.
    for round in 0.. {
        if std::fs::metadata(&file).expect("a file").len() > before {
            break;
        }
        assert!(round < 100, "40 MB in the WAL without a checkpoint");
        let (done, stored) = tokio::sync::oneshot::channel::<()>();
        for _ in 0..100 {
            fixture.broker.submit(submission("alice", "a", &text), Box::new(|_| ()));
        }
        fixture.submit(submission("alice", "a", &text), move |_| drop(done));
        let _ = stored.await;
    }
}

#[tokio::test]
async fn the_rooms_that_a_user_has_founded_count_after_a_restart_until_a_day_is_over() {
    let limits = RoomLimits { new_per_user: 2, total: 3 };
    let data_dir = DataDir { rooms: limits, ..DataDir::new() };
    let refusal = async |fixture: &SqliteFixture, from: &str, to: &str| {
        let (done, outcome) = tokio::sync::oneshot::channel();
        fixture.submit(submission(from, to, "hello"), |result| drop(done.send(result)));
        outcome.await.expect("completed").err()
    };
    let fixture = data_dir.open();
    for name in ["a", "b"] {
        assert_eq!(refusal(&fixture, "alice", name).await, None);
    }
    drop(fixture);
    data_dir.advance(DAY - 1);
    let fixture = data_dir.open();
    assert_eq!(refusal(&fixture, "alice", "c").await, Some(NotStored::too_many_founded(2)));
    assert_eq!(refusal(&fixture, "alice", "b").await, None);
    data_dir.advance(1);
    assert_eq!(refusal(&fixture, "alice", "c").await, None);
    drop(fixture);
    let fixture = data_dir.open();
    assert_eq!(refusal(&fixture, "bob", "d").await, Some(NotStored::too_many_rooms(3)));
    assert_eq!(refusal(&fixture, "bob", "c").await, None);
}
