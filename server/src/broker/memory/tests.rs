//! Tests specific to this engine: limits on memory, retention and the dedup window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use realtime_shared::{Position, Seq, Timestamp};

use super::log::{DEDUP_BYTES, ENTRY_BYTES};
use super::*;
use crate::broker::contract::{self, room, submission};
use crate::broker::{DEDUP_ENTRIES, Receipt};

const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Limit larger than any page in these tests.
const PLENTY: usize = 1 << 20;

type MemoryFixture = contract::EngineFixture<MemoryBroker>;

fn fixture(messages: u64, history_bytes: usize) -> MemoryFixture {
    fixture_with_clock(Retain { age: None, messages: Some(messages), confirmed: false }, history_bytes).0
}

/// Broker, and the milliseconds of its clock.
fn fixture_with_clock(retain: Retain, history_bytes: usize) -> (MemoryFixture, Arc<AtomicU64>) {
    let millis = Arc::new(AtomicU64::new(1_000));
    let now = millis.clone();
    let clock = Clock::from_fn(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
    let limits = MemoryStore { history_bytes };
    let make = |feed: Weak<dyn Feed>| {
        (
            Arc::new(MemoryBroker::new(feed, clock, limits, retain, RoomLimits::none())),
            Box::new(()) as contract::KeepAlive,
        )
    };
    (MemoryFixture::new(make), millis)
}

async fn seqs(fixture: &MemoryFixture, name: &str) -> Vec<u64> {
    let page = fixture.broker.history(&room(name), Range::Newest, usize::MAX, PLENTY).await.expect("a page");
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

/// Memory of an entry with a text of one character.
async fn entry_bytes() -> usize {
    let fixture = fixture(10, PLENTY);
    fixture.post(submission("alice", "a", "1")).await;
    usage(&fixture).unsigned_abs()
}

/// Bytes in use.
fn usage(fixture: &MemoryFixture) -> isize {
    fixture.broker.usage.load(Ordering::SeqCst)
}

/// Number of entries and dedup records.
fn items(fixture: &MemoryFixture) -> usize {
    let rooms = fixture.broker.rooms.lock();
    rooms.values().map(|log| log.lock()).map(|log| log.entries.len() + log.dedup.len()).sum()
}

#[tokio::test]
async fn a_page_leaves_out_entries_beyond_the_retention() {
    let (fixture, millis) = fixture_with_clock(
        Retain { age: Some(Duration::from_millis(10)), messages: None, confirmed: false },
        PLENTY,
    );
    let retained = || seqs(&fixture, "a");
    fixture.fill("a", 2).await;
    millis.fetch_add(6, Ordering::SeqCst);
    fixture.fill("a", 2).await;
    millis.fetch_add(4, Ordering::SeqCst);
    assert_eq!(retained().await, [1, 2, 3, 4]);
    millis.fetch_add(1, Ordering::SeqCst);
    assert_eq!(retained().await, [3, 4]);
    let page =
        fixture.broker.history(&room("a"), Range::Before(Seq::new(4)), 9, PLENTY).await.expect("a page");
    assert_eq!((page.entries.len(), page.has_more), (1, false));
    let page = fixture.broker.history(&room("a"), Range::After(Seq::ZERO), 1, PLENTY).await.expect("a page");
    assert_eq!((page.entries[0].seq, page.has_more), (Seq::new(3), true));
    millis.fetch_add(6, Ordering::SeqCst);
    assert!(retained().await.is_empty());
    fixture.fill("a", 1).await;
    assert_eq!(retained().await, [5], "seqs continue");
    assert_eq!(items(&fixture), 1);
}

#[tokio::test]
async fn eviction_drops_the_oldest_entries_across_rooms() {
    let retain = Retain { age: None, messages: Some(100), confirmed: false };
    let (fixture, millis) = fixture_with_clock(retain, 4 * entry_bytes().await);
    let post = async |name: &str| {
        millis.fetch_add(1, Ordering::SeqCst);
        fixture.post(submission("alice", name, "1")).await;
    };
    let stored = async || (seqs(&fixture, "a").await, seqs(&fixture, "b").await);
    for name in ["a", "b", "a", "b"] {
        post(name).await;
    }
    assert_eq!(stored().await, (vec![1, 2], vec![1, 2]));
    post("b").await;
    assert_eq!(stored().await, (vec![2], vec![1, 2, 3]));
    post("b").await;
    assert_eq!(stored().await, (vec![2], vec![2, 3, 4]));
    for _ in 0..3 {
        post("a").await;
    }
    assert_eq!(stored().await, (vec![3, 4, 5], vec![4]));
    for _ in 0..4 {
        post("c").await;
    }
    assert_eq!((stored().await, seqs(&fixture, "c").await), ((vec![], vec![]), vec![1, 2, 3, 4]));
    post("a").await;
    assert_eq!((seqs(&fixture, "a").await, seqs(&fixture, "c").await), (vec![6], vec![2, 3, 4]));
}

#[tokio::test]
async fn the_list_has_the_newest_head_of_each_room() {
    let fixture = fixture(100, PLENTY);
    let heads = async || {
        let (rooms, _) =
            fixture.broker.list(RoomFilter::with_prefix(String::new()), 1_000).await.expect("a list");
        let mut seqs: Vec<_> = rooms.into_iter().map(|summary| summary.position.seq().get()).collect();
        seqs.sort_unstable();
        seqs
    };
    // More rooms than wait for the list.
    let rooms = MAX_UNLISTED as u64 + 7;
    for name in (0..rooms).map(|number| number.to_string()) {
        fixture.post(submission("alice", &name, "1")).await;
    }
    assert_eq!(heads().await, vec![1; MAX_UNLISTED + 7]);
    for count in 1..4 {
        fixture.fill("0", count).await;
        assert_eq!(heads().await.last(), Some(&(1 + (1..=count).sum::<u64>())));
    }
}

#[tokio::test]
async fn a_room_that_lost_everything_starts_a_new_epoch_after_a_day() {
    let retain = Retain { age: None, messages: Some(100), confirmed: false };
    let (fixture, millis) = fixture_with_clock(retain, 2 * entry_bytes().await);
    let first = fixture.post(submission("alice", "a", "1")).await;
    millis.fetch_add(DAY, Ordering::SeqCst);
    fixture.fill("b", 2).await;
    assert!(seqs(&fixture, "a").await.is_empty(), "evicted");
    fixture.broker.sweep();
    assert_eq!(fixture.head("a").await.seq(), Seq::new(1), "its head is known");
    millis.fetch_add(1, Ordering::SeqCst);
    fixture.broker.sweep();
    assert_eq!(fixture.head("a").await, Position::Start);
    let (rooms, _) = fixture.broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
    assert_eq!(rooms.iter().map(|summary| summary.room.as_str()).collect::<Vec<_>>(), ["b"]);

    let anew = fixture.post(submission("alice", "a", "1")).await;
    assert_eq!(anew.seq, Seq::new(1));
    assert_ne!(anew.epoch, first.epoch);
}

#[tokio::test]
async fn an_open_room_keeps_its_head() {
    let retain = Retain { age: None, messages: Some(100), confirmed: false };
    let (fixture, millis) = fixture_with_clock(retain, 2 * entry_bytes().await);
    for _ in 0..2 {
        fixture.broker.open(&room("a")).await.expect("opened");
    }
    let first = fixture.post(submission("alice", "a", "1")).await;
    fixture.broker.release(&room("a"));
    millis.fetch_add(1, Ordering::SeqCst);
    fixture.fill("b", 2).await;
    assert!(seqs(&fixture, "a").await.is_empty());
    millis.fetch_add(DAY + 1, Ordering::SeqCst);
    fixture.broker.sweep();
    let second = fixture.post(submission("alice", "a", "1")).await;
    assert_eq!((second.epoch, second.seq), (first.epoch, Seq::new(2)), "the log of an open room goes on");

    millis.fetch_add(1, Ordering::SeqCst);
    fixture.fill("b", 2).await;
    millis.fetch_add(DAY + 1, Ordering::SeqCst);
    fixture.broker.release(&room("a"));
    assert_eq!(fixture.head("a").await, Position::Start, "a released room is forgotten");
    fixture.broker.open(&room("c")).await.expect("opened");
    fixture.broker.release(&room("c"));
    assert_eq!(fixture.broker.rooms.lock().keys().collect::<Vec<_>>(), [&room("b")]);
}

#[tokio::test]
async fn a_sweep_drops_what_is_too_old() {
    let retain = Retain { age: Some(Duration::from_hours(48)), messages: None, confirmed: false };
    let (fixture, millis) = fixture_with_clock(retain, PLENTY);
    // More rooms than one read of the list names.
    for number in 0..=SWEEP_ROOMS {
        fixture.post(submission("alice", &number.to_string(), "1").with_id("1")).await;
    }
    let left = || {
        fixture.broker.sweep();
        items(&fixture)
    };
    let rooms = SWEEP_ROOMS + 1;
    millis.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(left(), 2 * rooms, "an entry and a dedup record each");
    millis.fetch_add(1, Ordering::SeqCst);
    assert_eq!(left(), rooms);
    assert_eq!(fixture.broker.rooms.lock().len(), rooms);
    millis.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(left(), 0);
    assert_eq!(usage(&fixture), 0);
    assert!(fixture.broker.rooms.lock().is_empty());
}

#[tokio::test]
async fn a_released_room_is_removed_with_its_dedup_records() {
    let retain = Retain { age: Some(Duration::from_hours(1)), messages: None, confirmed: false };
    let (fixture, millis) = fixture_with_clock(retain, PLENTY);
    fixture.broker.open(&room("a")).await.expect("opened");
    fixture.post(submission("alice", "a", "1").with_id("1")).await;
    millis.fetch_add(DAY / 2, Ordering::SeqCst);
    fixture.broker.sweep();
    assert_eq!(items(&fixture), 1, "the dedup record");
    millis.fetch_add(DAY, Ordering::SeqCst);
    fixture.broker.release(&room("a"));
    fixture.broker.sweep();
    assert_eq!(usage(&fixture), 0);
    assert!(fixture.broker.rooms.lock().is_empty());
}

#[test]
fn the_thread_that_sweeps_does_not_keep_its_broker() {
    let limits = MemoryStore { history_bytes: PLENTY };
    let no_feed: Weak<dyn Feed> = Weak::<contract::Recorder>::new();
    let broker = MemoryBroker::new(no_feed, Clock::system(), limits, Retain::default(), RoomLimits::none());
    let broker = Arc::new(broker);
    broker.start_sweeps().expect("a thread");
    let alive = Arc::downgrade(&broker);
    drop(broker);
    assert!(alive.upgrade().is_none());
}

#[tokio::test]
async fn a_duplicate_is_recognized_after_its_entry_was_dropped() {
    let fixture = fixture(1, PLENTY);
    let first = fixture.post(submission("alice", "a", "1").with_id("1")).await;
    fixture.fill("a", 5).await;
    assert_eq!(seqs(&fixture, "a").await, [6]);
    let again = fixture.post(submission("alice", "a", "1").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first });
}

#[tokio::test]
async fn a_duplicate_is_recognized_among_the_last_10_000_entries() {
    let fixture = fixture(10, PLENTY);
    let first = fixture.post(submission("alice", "a", "1").with_id("1")).await;
    fixture.fill("a", DEDUP_ENTRIES - 1).await;
    let again = || fixture.post(submission("alice", "a", "1").with_id("1"));
    assert_eq!(again().await, Receipt { duplicate: true, ..first });
    fixture.fill("a", 1).await;
    let new = again().await;
    assert_eq!((new.seq.get(), new.duplicate), (DEDUP_ENTRIES + 2, false));
    assert_eq!(fixture.broker.log(&room("a")).expect("a log").lock().dedup.len(), 1);
}

#[tokio::test]
async fn a_duplicate_is_recognized_for_a_day() {
    let (fixture, millis) = fixture_with_clock(Retain::default(), PLENTY);
    let again = || fixture.post(submission("alice", "a", "1").with_id("1"));
    let first = again().await;
    millis.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(again().await, Receipt { duplicate: true, ..first.clone() });
    millis.fetch_add(1, Ordering::SeqCst);
    let second = again().await;
    assert!(!second.duplicate);
    assert_eq!(second.ts.millis(), first.ts.millis() + DAY + 1);
    // Only the second message is on record from now on.
    millis.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(again().await, Receipt { duplicate: true, ..second });
    assert_eq!(fixture.broker.log(&room("a")).expect("a log").lock().dedup.len(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_back_forgets_no_dedup_record() {
    let (fixture, millis) = fixture_with_clock(Retain::default(), PLENTY);
    let first = fixture.post(submission("alice", "a", "1").with_id("1")).await;
    millis.store(0, Ordering::SeqCst);
    let again = fixture.post(submission("alice", "a", "1").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first });
}

#[tokio::test]
async fn dropped_items_are_subtracted_from_the_usage() {
    let fixture = fixture(3, PLENTY);
    for number in 0..10 {
        fixture.post(submission("alice", "a", "1").with_id(&number.to_string())).await;
    }
    assert_eq!(items(&fixture), 3 + 10);
    let log = fixture.broker.log(&room("a")).expect("a log");
    let freed = log.lock().drop_up_to(Seq::new(10));
    assert_eq!((usage(&fixture), items(&fixture)), (freed.cast_signed(), 0));
}

#[tokio::test]
async fn the_eviction_order_has_each_room_once_and_forgets_removed_ones() {
    let retain = Retain { age: Some(Duration::from_hours(1)), messages: None, confirmed: false };
    let (fixture, millis) = fixture_with_clock(retain, 4 * PLENTY);
    for _ in 0..10 {
        fixture.post(submission("alice", "a", "1")).await;
    }
    assert_eq!(fixture.broker.eviction.lock().len(), 1);
    for number in 0..SPARE_ORDER {
        fixture.post(submission("alice", &number.to_string(), "1")).await;
    }
    assert_eq!(fixture.broker.eviction.lock().len(), SPARE_ORDER + 1, "all of them exist");
    millis.fetch_add(2 * DAY, Ordering::SeqCst);
    fixture.broker.sweep();
    assert!(fixture.broker.rooms.lock().is_empty());
    fixture.post(submission("alice", "b", "1")).await;
    assert_eq!(fixture.broker.eviction.lock().len(), 1);
}

#[test]
fn concurrent_writers_stay_within_the_memory_limit() {
    const THREADS: usize = 8;
    const MESSAGES: usize = 500;
    let bound = 4 * 1024;
    let fixture = fixture(2, bound);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let fixture = &fixture;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let text = "x".repeat(1 + number * 7 % 900);
                    let message = submission("alice", ["a", "b", "c"][(thread + number) % 3], &text);
                    fixture.submit(message.with_id(&format!("{thread} {number}")), |result| {
                        result.expect("stored");
                    });
                }
            });
        }
    });
    let usage = usage(&fixture);
    assert!(usage.unsigned_abs() <= bound, "{usage}");
    let rooms = fixture.broker.rooms.lock();
    let stored: usize = rooms.values().map(|log| bytes(&log.lock())).sum();
    assert_eq!(usage, stored.cast_signed());
}

/// Bytes that a log counts.
fn bytes(log: &MemoryLog) -> usize {
    let entries: usize = log.entries.iter().map(|stored| stored.json.len() + ENTRY_BYTES).sum();
    entries + log.dedup.len() * DEDUP_BYTES
}
