//! Posts and removals of one room, in both orders.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use realtime_shared::{EntryId, Epoch, Seq, Timestamp};

use super::*;
use crate::store::{Head, RoomRow, Row};

const DAY: u64 = 24 * 60 * 60 * 1_000;

/// A writer whose clock a test moves, with a retention of an hour.
struct WriterFixture {
    directory: TempDir,
    millis: Arc<AtomicU64>,
    writer: WriterThread,
}

impl WriterFixture {
    /// A writer of the store in a directory, `now` milliseconds after 1970.
    fn new(directory: TempDir, now: u64) -> Self {
        let millis = Arc::new(AtomicU64::new(now));
        let now = millis.clone();
        let clock = Clock::from_fn(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
        let retain = Retain { age: Some(Duration::from_hours(1)), messages: None, confirmed: true };
        let writer = writer_with(&directory, clock, retain);
        Self { directory, millis, writer }
    }

    fn advance(&self, millis: u64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Runs a turn with a message to each of these rooms, and then a step of the sweep.
    fn turn(&mut self, rooms: &[&str]) {
        self.writer.sweep.make_due();
        self.writer.turn(input(rooms)).expect("no error");
    }

    fn room(&self) -> Option<(RoomRow, Head)> {
        self.writer.store.view().room(&room("a")).expect("readable")
    }
}

#[test]
fn a_post_before_a_removal_keeps_the_room() {
    let mut fixture = WriterFixture::new(TempDir::new().expect("a directory"), 1_000 * DAY);
    fixture.turn(&["a"]);
    let (first, _) = fixture.room().expect("a room");
    fixture.advance(DAY + 1);
    fixture.turn(&["a"]);
    let (row, head) = fixture.room().expect("a room");
    assert_eq!((row.epoch, head.seq), (first.epoch, Seq::new(2)));
}

#[test]
fn a_post_after_a_removal_founds_the_room_anew() {
    let mut fixture = WriterFixture::new(TempDir::new().expect("a directory"), 1_000 * DAY);
    fixture.turn(&["a"]);
    let (first, _) = fixture.room().expect("a room");
    fixture.advance(DAY + 1);
    fixture.turn(&[]);
    assert_eq!(fixture.room(), None);
    // The tail of the former log is not used, although it was cached.
    fixture.turn(&["a"]);
    let (row, head) = fixture.room().expect("a room");
    assert_ne!(row.epoch, first.epoch);
    assert_eq!((head.seq, row.first), (Seq::new(1), Seq::new(1)));
}

#[test]
fn a_post_that_waits_for_the_tail_of_its_room_keeps_the_room() {
    let directory = TempDir::new().expect("a directory");
    let epoch = Epoch::from_id(EntryId::from_u128(1));
    {
        // So long that the writer does not read the tail itself.
        let store = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
        let mut batch = store.begin().expect("a batch");
        let id = batch.add_room(&room("a"), &epoch, Seq::new(1_000)).expect("added").expect("a room");
        let (key, ts) = (id.key(Seq::new(1_000)), Timestamp::from_millis(1_000 * DAY));
        let row = Row { key, id: EntryId::from_u128(1_000), ts, dedup_digest: None, frame: Some("{}") };
        batch.add(&row).expect("added");
        batch.commit().expect("committed");
    }
    let mut fixture = WriterFixture::new(directory, 1_001 * DAY + 1);
    fixture.turn(&["a"]);
    assert!(fixture.room().is_some(), "the message waits");
    let tails = fixture.writer.queue.take(None).expect("the tail");
    fixture.writer.turn(tails).expect("no error");
    let (row, head) = fixture.room().expect("a room");
    assert_eq!((row.epoch, head.seq), (epoch, Seq::new(1_001)));

    // Without a message that waits, it would have been removed.
    fixture.advance(DAY + 1);
    fixture.turn(&[]);
    assert_eq!(fixture.room(), None);
    drop(fixture.directory);
}
