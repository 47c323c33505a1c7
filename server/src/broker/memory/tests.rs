//! Tests of this engine alone: limits on memory, retention and the dedup window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use realtime_shared::{Position, Seq, Timestamp};

use super::log::{DEDUP_BYTES, ENTRY_BYTES};
use super::*;
use crate::broker::contract::{self, room, said};
use crate::broker::{DEDUP_ENTRIES, Receipt};

const DAY: u64 = 24 * 60 * 60 * 1_000;
/// Limit larger than any page in these tests.
const PLENTY: usize = 1 << 20;

type MemorySubject = contract::Subject<MemoryBroker>;

fn subject(messages: u64, history_bytes: usize) -> MemorySubject {
    subject_with_clock(Retain { age: None, messages: Some(messages) }, history_bytes).0
}

/// Broker, and the milliseconds of its clock.
fn subject_with_clock(retain: Retain, history_bytes: usize) -> (MemorySubject, Arc<AtomicU64>) {
    let millis = Arc::new(AtomicU64::new(1_000));
    let hands = millis.clone();
    let clock = Clock::from_fn(move || Timestamp::from_millis(hands.load(Ordering::SeqCst)));
    let limits = MemoryStore { history_bytes };
    let make = |feed: Weak<dyn Feed>| {
        (Arc::new(MemoryBroker::new(feed, clock, limits, retain)), Box::new(()) as contract::Rest)
    };
    (MemorySubject::new(make), millis)
}

async fn seqs(subject: &MemorySubject, name: &str) -> Vec<u64> {
    let page = subject.broker.history(&room(name), Range::Newest, usize::MAX, PLENTY).await.expect("a page");
    page.entries.iter().map(|entry| entry.seq.get()).collect()
}

/// Memory of an entry with a text of one character.
async fn entry_bytes() -> usize {
    let subject = subject(10, PLENTY);
    subject.post(said("alice", "a", "1")).await;
    subject.broker.eviction.lock().usage.bytes.unsigned_abs()
}

#[tokio::test]
async fn a_page_leaves_out_entries_beyond_the_retention() {
    let (subject, millis) =
        subject_with_clock(Retain { age: Some(Duration::from_millis(10)), messages: None }, PLENTY);
    let shown = || seqs(&subject, "a");
    subject.fill("a", 2).await;
    millis.fetch_add(6, Ordering::SeqCst);
    subject.fill("a", 2).await;
    millis.fetch_add(4, Ordering::SeqCst);
    assert_eq!(shown().await, [1, 2, 3, 4]);
    millis.fetch_add(1, Ordering::SeqCst);
    assert_eq!(shown().await, [3, 4]);
    let page =
        subject.broker.history(&room("a"), Range::Before(Seq::new(4)), 9, PLENTY).await.expect("a page");
    assert_eq!((page.entries.len(), page.has_more), (1, false));
    let page = subject.broker.history(&room("a"), Range::After(Seq::ZERO), 1, PLENTY).await.expect("a page");
    assert_eq!((page.entries[0].seq, page.has_more), (Seq::new(3), true));
    millis.fetch_add(6, Ordering::SeqCst);
    assert!(shown().await.is_empty());
    subject.fill("a", 1).await;
    assert_eq!(shown().await, [5], "the seqs go on");
    assert_eq!(subject.broker.eviction.lock().usage.items, 1);
}

#[tokio::test]
async fn eviction_drops_the_oldest_entries_across_rooms() {
    let subject = subject(100, 4 * entry_bytes().await);
    for name in ["a", "b", "a", "b"] {
        subject.post(said("alice", name, "1")).await;
    }
    assert_eq!((seqs(&subject, "a").await, seqs(&subject, "b").await), (vec![1, 2], vec![1, 2]));
    subject.post(said("alice", "b", "1")).await;
    assert_eq!((seqs(&subject, "a").await, seqs(&subject, "b").await), (vec![2], vec![1, 2, 3]));
    subject.post(said("alice", "b", "1")).await;
    assert_eq!((seqs(&subject, "a").await, seqs(&subject, "b").await), (vec![2], vec![2, 3, 4]));
}

#[tokio::test]
async fn a_room_that_lost_everything_starts_a_new_epoch() {
    let subject = subject(100, 2 * entry_bytes().await);
    let first = subject.post(said("alice", "a", "1")).await;
    subject.fill("b", 2).await;
    assert_eq!(subject.head("a").await, Position::Start);
    let (rooms, _) = subject.broker.list(Box::new(|_| true), 10).await.expect("a list");
    assert_eq!(rooms.iter().map(|summary| summary.room.as_str()).collect::<Vec<_>>(), ["b"]);

    let anew = subject.post(said("alice", "a", "1")).await;
    assert_eq!(anew.seq, Seq::new(1));
    assert_ne!(anew.epoch, first.epoch);
}

#[tokio::test]
async fn an_open_room_keeps_its_head() {
    let subject = subject(100, 2 * entry_bytes().await);
    for _ in 0..2 {
        subject.broker.open(&room("a")).await.expect("opened");
    }
    let first = subject.post(said("alice", "a", "1")).await;
    subject.broker.release(&room("a"));
    subject.fill("b", 2).await;
    assert!(seqs(&subject, "a").await.is_empty());
    let second = subject.post(said("alice", "a", "1")).await;
    assert_eq!((second.epoch, second.seq), (first.epoch, Seq::new(2)), "the log of an open room goes on");

    subject.fill("b", 2).await;
    subject.broker.release(&room("a"));
    assert_eq!(subject.head("a").await, Position::Start, "a released room is forgotten");
    subject.broker.open(&room("c")).await.expect("opened");
    subject.broker.release(&room("c"));
    assert_eq!(subject.broker.rooms.lock().keys().collect::<Vec<_>>(), [&room("b")]);
}

#[tokio::test]
async fn a_duplicate_is_recognized_after_its_entry_was_dropped() {
    let subject = subject(1, PLENTY);
    let first = subject.post(said("alice", "a", "1").known_as("1")).await;
    subject.fill("a", 5).await;
    assert_eq!(seqs(&subject, "a").await, [6]);
    let again = subject.post(said("alice", "a", "1").known_as("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first });
}

#[tokio::test]
async fn a_duplicate_is_recognized_among_the_last_10_000_entries() {
    let subject = subject(10, PLENTY);
    let first = subject.post(said("alice", "a", "1").known_as("1")).await;
    subject.fill("a", DEDUP_ENTRIES - 1).await;
    let again = || subject.post(said("alice", "a", "1").known_as("1"));
    assert_eq!(again().await, Receipt { duplicate: true, ..first });
    subject.fill("a", 1).await;
    let new = again().await;
    assert_eq!((new.seq.get(), new.duplicate), (DEDUP_ENTRIES + 2, false));
    assert_eq!(subject.broker.log(&room("a")).expect("a log").lock().dedup.len(), 1);
}

#[tokio::test]
async fn a_duplicate_is_recognized_for_a_day() {
    let (subject, millis) = subject_with_clock(Retain::default(), PLENTY);
    let again = || subject.post(said("alice", "a", "1").known_as("1"));
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
    let log = subject.broker.log(&room("a")).expect("a log");
    let log = log.lock();
    assert_eq!((log.dedup.len(), log.dedup_order.len()), (1, 1));
}

#[tokio::test]
async fn a_clock_that_goes_back_forgets_no_dedup_record() {
    let (subject, millis) = subject_with_clock(Retain::default(), PLENTY);
    let first = subject.post(said("alice", "a", "1").known_as("1")).await;
    millis.store(0, Ordering::SeqCst);
    let again = subject.post(said("alice", "a", "1").known_as("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first });
}

#[tokio::test]
async fn dropped_items_are_subtracted_from_the_usage() {
    let subject = subject(3, PLENTY);
    for number in 0..10 {
        subject.post(said("alice", "a", "1").known_as(&number.to_string())).await;
    }
    let mut eviction = subject.broker.eviction.lock();
    assert_eq!(eviction.usage.items, 3 + 10);
    let log = subject.broker.log(&room("a")).expect("a log");
    eviction.usage.subtract(log.lock().drop_up_to(Seq::new(10)));
    assert_eq!(eviction.usage, Usage::default());
}

#[tokio::test]
async fn the_eviction_order_is_compacted() {
    let subject = subject(1, PLENTY);
    // The dedup record stays for long, and does not keep younger entries in the order.
    subject.post(said("alice", "a", "1").known_as("1")).await;
    for _ in 0..SPARE_ORDER + 10 {
        subject.post(said("alice", "a", "1")).await;
    }
    assert!(subject.broker.eviction.lock().order.len() <= SPARE_ORDER);
    // What is stored is still in the order, so that it can be evicted.
    let log = subject.broker.log(&room("a")).expect("a log");
    let mut seqs: Vec<_> = {
        let eviction = subject.broker.eviction.lock();
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
    let subject = subject(2, bound);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let subject = &subject;
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    let text = "x".repeat(1 + number * 7 % 900);
                    let message = said("alice", ["a", "b", "c"][(thread + number) % 3], &text);
                    subject.submit(message.known_as(&format!("{thread} {number}")), |result| {
                        result.expect("stored");
                    });
                }
            });
        }
    });
    let usage = subject.broker.eviction.lock().usage;
    assert!(usage.bytes.unsigned_abs() <= bound, "{usage:?}");
    let mut stored = Usage::default();
    for log in subject.broker.rooms.lock().values() {
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
