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
    fixture.broker.eviction.lock().usage.bytes.unsigned_abs()
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
    assert_eq!(fixture.broker.eviction.lock().usage.items, 1);
}

#[tokio::test]
async fn eviction_drops_the_oldest_entries_across_rooms() {
    let fixture = fixture(100, 4 * entry_bytes().await);
    for name in ["a", "b", "a", "b"] {
        fixture.post(submission("alice", name, "1")).await;
    }
    assert_eq!((seqs(&fixture, "a").await, seqs(&fixture, "b").await), (vec![1, 2], vec![1, 2]));
    fixture.post(submission("alice", "b", "1")).await;
    assert_eq!((seqs(&fixture, "a").await, seqs(&fixture, "b").await), (vec![2], vec![1, 2, 3]));
    fixture.post(submission("alice", "b", "1")).await;
    assert_eq!((seqs(&fixture, "a").await, seqs(&fixture, "b").await), (vec![2], vec![2, 3, 4]));
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
    fixture.fill("b", 2).await;
    assert!(seqs(&fixture, "a").await.is_empty());
    millis.fetch_add(DAY + 1, Ordering::SeqCst);
    fixture.broker.sweep();
    let second = fixture.post(submission("alice", "a", "1")).await;
    assert_eq!((second.epoch, second.seq), (first.epoch, Seq::new(2)), "the log of an open room goes on");

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
    let items = || {
        fixture.broker.sweep();
        fixture.broker.eviction.lock().usage.items
    };
    let rooms = SWEEP_ROOMS.cast_signed() + 1;
    millis.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(items(), 2 * rooms, "an entry and a dedup record each");
    millis.fetch_add(1, Ordering::SeqCst);
    assert_eq!(items(), rooms);
    assert_eq!(fixture.broker.rooms.lock().len(), SWEEP_ROOMS + 1);
    millis.fetch_add(DAY, Ordering::SeqCst);
    assert_eq!(items(), 0);
    assert_eq!(fixture.broker.eviction.lock().usage, Usage::default());
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
    assert_eq!(fixture.broker.eviction.lock().usage.items, 1, "the dedup record");
    millis.fetch_add(DAY, Ordering::SeqCst);
    fixture.broker.release(&room("a"));
    fixture.broker.sweep();
    assert_eq!(fixture.broker.eviction.lock().usage, Usage::default());
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
    let log = fixture.broker.log(&room("a")).expect("a log");
    let log = log.lock();
    assert_eq!((log.dedup.len(), log.dedup_order.len()), (1, 1));
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
    let mut eviction = fixture.broker.eviction.lock();
    assert_eq!(eviction.usage.items, 3 + 10);
    let log = fixture.broker.log(&room("a")).expect("a log");
    eviction.usage.subtract(log.lock().drop_up_to(Seq::new(10)));
    assert_eq!(eviction.usage, Usage::default());
}

#[tokio::test]
async fn the_eviction_order_is_compacted() {
    let fixture = fixture(1, PLENTY);
    // The dedup record stays for long, and does not keep younger entries in the order.
    fixture.post(submission("alice", "a", "1").with_id("1")).await;
    for _ in 0..SPARE_ORDER + 10 {
        fixture.post(submission("alice", "a", "1")).await;
    }
    assert!(fixture.broker.eviction.lock().order.len() <= SPARE_ORDER);
    // What is stored is still in the order, so that it can be evicted.
    let log = fixture.broker.log(&room("a")).expect("a log");
    let mut seqs: Vec<_> = {
        let eviction = fixture.broker.eviction.lock();
        let log = log.lock();
        eviction.order.iter().map(|(_, seq)| *seq).filter(|seq| log.holds(*seq)).collect()
    };
    seqs.dedup();
    assert_eq!(seqs, [Seq::new(1), Seq::new(SPARE_ORDER as u64 + 11)]);
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
    let usage = fixture.broker.eviction.lock().usage;
    assert!(usage.bytes.unsigned_abs() <= bound, "{usage:?}");
    let mut stored = Usage::default();
    for log in fixture.broker.rooms.lock().values() {
        stored.add_all(&log.lock());
    }
    assert_eq!(usage, stored);
}

impl Usage {
    /// Adds everything that a log stores.
    fn add_all(&mut self, log: &MemoryLog) {
        log.entries.iter().for_each(|kept| self.add(kept.entry.json.len() + ENTRY_BYTES));
        log.dedup.iter().for_each(|_| self.add(DEDUP_BYTES));
    }
}
