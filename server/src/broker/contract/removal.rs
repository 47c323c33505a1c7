//! Removal of rooms whose entries were all trimmed. The retention is an hour.
//!
//! To add an engine: an implementation of [`AgedEntries`], and a line in `removal_of_rooms` of `contract.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use realtime_shared::{LeaveReason, Position, RoomName, Seq, Timestamp};
use tempfile::TempDir;

use super::{EngineFixture, NotStored, Receipt, Submission, file_settings, metrics, room, submission, user};
use crate::broker::memory::MemoryBroker;
use crate::broker::sqlite::{SqliteBroker, SqliteEngine};
use crate::broker::{Broker, Range, RoomFilter};
use crate::clock::Clock;
use crate::config::{MemoryStore, Retain, RoomLimits};
use crate::store::Store;

const DAY: Duration = Duration::from_hours(24);
const MOMENT: Duration = Duration::from_millis(1);

/// An engine without rooms, whose entries a test ages.
pub(in crate::broker) trait AgedEntries {
    type Broker: Broker + ?Sized;

    async fn start(rooms: RoomLimits) -> Self;

    fn fixture(&self) -> &EngineFixture<Self::Broker>;

    /// Posts an entry, and lets as much time pass as it needs to get this age.
    async fn post_aged(&self, submission: Submission, age: Duration) -> Receipt;

    /// Runs a whole sweep.
    async fn sweep(&self);
}

/// A retention that trims entries of the tests.
pub(in crate::broker) fn an_hour() -> Retain {
    Retain { age: Some(Duration::from_hours(1)), messages: None, confirmed: true }
}

/// A clock that the test moves.
#[derive(Default)]
struct MovedClock(Arc<AtomicU64>);

impl MovedClock {
    fn clock(&self) -> Clock {
        let millis = self.0.clone();
        Clock::from_fn(move || Timestamp::from_millis(1_000_000_000_000 + millis.load(Ordering::SeqCst)))
    }

    fn advance(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_millis()).expect("short"), Ordering::SeqCst);
    }
}

/// The memory engine.
pub(super) struct MemoryEntries {
    fixture: EngineFixture<MemoryBroker>,
    clock: MovedClock,
}

impl AgedEntries for MemoryEntries {
    type Broker = MemoryBroker;

    async fn start(rooms: RoomLimits) -> Self {
        let clock = MovedClock::default();
        let fixture = EngineFixture::new(|feed| {
            let store = MemoryStore::default();
            (Arc::new(MemoryBroker::new(feed, clock.clock(), store, an_hour(), rooms)), Box::new(()))
        });
        Self { fixture, clock }
    }

    fn fixture(&self) -> &EngineFixture<MemoryBroker> {
        &self.fixture
    }

    async fn post_aged(&self, submission: Submission, age: Duration) -> Receipt {
        let receipt = self.fixture.post(submission).await;
        self.clock.advance(age);
        receipt
    }

    async fn sweep(&self) {
        self.fixture.broker.sweep();
    }
}

/// The file engine.
pub(super) struct SqliteEntries {
    fixture: EngineFixture<SqliteBroker>,
    clock: MovedClock,
}

impl AgedEntries for SqliteEntries {
    type Broker = SqliteBroker;

    async fn start(rooms: RoomLimits) -> Self {
        let clock = MovedClock::default();
        let fixture = EngineFixture::new(|feed| {
            let directory = TempDir::new().expect("a directory");
            let store = Store::open(directory.path()).expect("a store");
            let engine =
                SqliteEngine::start(store, clock.clock(), file_settings(an_hour(), rooms), metrics());
            let engine = engine.expect("threads");
            (Arc::new(engine.broker(feed)), Box::new((engine, directory)))
        });
        // Rooms are removed once the list is loaded. The answer waits for that.
        listed(&fixture).await;
        // The engine begins with a sweep.
        fixture.broker.sweep().await;
        Self { fixture, clock }
    }

    fn fixture(&self) -> &EngineFixture<SqliteBroker> {
        &self.fixture
    }

    async fn post_aged(&self, submission: Submission, age: Duration) -> Receipt {
        let receipt = self.fixture.post(submission).await;
        self.clock.advance(age);
        receipt
    }

    async fn sweep(&self) {
        self.fixture.broker.sweep().await;
    }
}

/// Names of all listed rooms, sorted.
async fn listed<B: Broker + ?Sized>(fixture: &EngineFixture<B>) -> Vec<RoomName> {
    let all = RoomFilter::with_prefix(String::new());
    let (rooms, _) = fixture.broker.list(all, 100).await.expect("a list");
    let mut names: Vec<_> = rooms.into_iter().map(|summary| summary.room).collect();
    names.sort_unstable();
    names
}

fn position(receipt: &Receipt) -> Position {
    let Receipt { epoch, seq, id, .. } = receipt.clone();
    Position::At { epoch, seq, id }
}

/// An engine with room `a`, whose only entry has this age, after a sweep. Returns the entry too.
async fn swept<E: AgedEntries>(age: Duration) -> (E, Receipt) {
    let engine = E::start(RoomLimits::none()).await;
    let receipt = engine.post_aged(submission("alice", "a", "hello").with_id("1"), age).await;
    engine.sweep().await;
    (engine, receipt)
}

pub(super) async fn an_empty_room_is_removed_a_day_after_its_last_entry<E: AgedEntries>() {
    let (engine, _) = swept::<E>(DAY + MOMENT).await;
    assert_eq!(engine.fixture().head("a").await, Position::Start);
    assert!(listed(engine.fixture()).await.is_empty());
    let page = engine.fixture().broker.history(&room("a"), Range::Newest, 9, usize::MAX).await;
    assert_eq!(page.expect("a page").epoch, None);
}

pub(super) async fn a_removed_room_is_founded_anew<E: AgedEntries>() {
    let (engine, former) = swept::<E>(DAY + MOMENT).await;
    let fixture = engine.fixture();
    let anew = fixture.post(submission("alice", "a", "hello").with_id("1")).await;
    assert_eq!((anew.seq, anew.duplicate), (Seq::new(1), false));
    assert_ne!(anew.epoch, former.epoch);
    assert_eq!(fixture.head("a").await, position(&anew));
    assert_eq!(listed(fixture).await, [room("a")]);
    let page = fixture.broker.history(&room("a"), Range::After(Seq::ZERO), 9, usize::MAX).await;
    let page = page.expect("a page");
    assert_eq!((page.epoch, page.entries.len()), (Some(anew.epoch), 1), "nothing of the former log");
}

pub(super) async fn an_empty_room_stays_for_a_day<E: AgedEntries>() {
    let (engine, last) = swept::<E>(Duration::from_mins(24 * 60 - 1)).await;
    let fixture = engine.fixture();
    let page = fixture.broker.history(&room("a"), Range::Newest, 9, usize::MAX).await.expect("a page");
    assert!(page.entries.is_empty(), "trimmed");
    assert_eq!(fixture.head("a").await, position(&last));
    assert_eq!(listed(fixture).await, [room("a")]);
    let again = fixture.post(submission("alice", "a", "hello").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..last.clone() }, "its client_msg_id is known");
    let next = fixture.post(submission("alice", "a", "next")).await;
    assert_eq!((next.epoch, next.seq), (last.epoch, Seq::new(2)), "the log goes on");
}

pub(super) async fn a_room_with_an_entry_stays<E: AgedEntries>() {
    let engine = E::start(RoomLimits::none()).await;
    let first = engine.post_aged(submission("alice", "a", "old"), DAY + MOMENT).await;
    let last = engine.post_aged(submission("alice", "a", "new"), Duration::from_mins(1)).await;
    engine.sweep().await;
    assert_eq!(last.epoch, first.epoch);
    assert_eq!(engine.fixture().head("a").await, position(&last));
}

pub(super) async fn a_room_with_a_member_stays<E: AgedEntries>() {
    let engine = E::start(RoomLimits::none()).await;
    let fixture = engine.fixture();
    fixture.broker.open(&room("a")).await.expect("opened");
    fixture.broker.enter(&room("a"), &user("alice"), 0).await.expect("entered");
    let last = engine.post_aged(submission("bob", "a", "hello"), DAY + MOMENT).await;
    // A room of members can be released for a moment, to be opened again.
    fixture.broker.release(&room("a"));
    engine.sweep().await;
    assert_eq!(fixture.head("a").await, position(&last));
    fixture.broker.leave(&room("a"), &user("alice"), LeaveReason::Left).await.expect("left");
    engine.sweep().await;
    assert_eq!(fixture.head("a").await, Position::Start, "it had no other reason to stay");
}

pub(super) async fn an_open_room_stays<E: AgedEntries>() {
    let engine = E::start(RoomLimits::none()).await;
    let fixture = engine.fixture();
    let last = engine.post_aged(submission("bob", "a", "hello"), DAY + MOMENT).await;
    // A join opens the room before the user is a member.
    let head = fixture.broker.open(&room("a")).await.expect("opened");
    engine.sweep().await;
    assert_eq!(head, position(&last));
    let next = fixture.post(submission("bob", "a", "next")).await;
    assert_eq!((next.epoch, next.seq), (last.epoch, Seq::new(2)), "the log goes on");
}

pub(super) async fn a_removed_room_gives_its_place_to_another<E: AgedEntries>() {
    let engine = E::start(RoomLimits { new_per_user: 0, total: 1 }).await;
    let fixture = engine.fixture();
    engine.post_aged(submission("alice", "a", "hello"), DAY + MOMENT).await;
    let (done, outcome) = tokio::sync::oneshot::channel();
    fixture.submit(submission("alice", "b", "hello"), |result| drop(done.send(result)));
    assert_eq!(outcome.await.expect("completed"), Err(NotStored::too_many_rooms(1)));
    engine.sweep().await;
    fixture.post(submission("alice", "b", "hello")).await;
    let (done, outcome) = tokio::sync::oneshot::channel();
    fixture.submit(submission("alice", "a", "hello"), |result| drop(done.send(result)));
    assert_eq!(outcome.await.expect("completed"), Err(NotStored::too_many_rooms(1)));
}
