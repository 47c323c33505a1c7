//! Seqs, order, deduplication and announcements.

use std::collections::{HashMap, HashSet};
use std::sync::{Barrier, mpsc};
use std::thread;

use realtime_shared::Seq;
use tokio::sync::oneshot;

use super::{
    EngineFixture, FeedEvent, NotStored, Receipt, Recipients, Signal, Submission, message_of, room,
    submission, user,
};
use crate::broker::{RoomFilter, Skip};

const THREADS: usize = 8;
const MESSAGES: usize = 100;

pub(super) async fn seqs_are_contiguous(fixture: &EngineFixture) {
    fixture.broker.open(&room("a")).await.expect("opened");
    let receipts = fixture.fill("a", 5).await;
    assert_eq!(receipts.iter().map(|receipt| receipt.seq.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(receipts.iter().map(|receipt| receipt.id).collect::<HashSet<_>>().len(), 5);
    for (receipt, event) in receipts.iter().zip(fixture.recorder.wait_for_count(5).await) {
        assert_eq!(receipt.epoch, receipts[0].epoch);
        assert!(!receipt.duplicate);
        let FeedEvent::Entry(in_room, epoch, entry) = event else { panic!("not an entry: {event:?}") };
        assert_eq!((in_room, epoch), (room("a"), receipt.epoch.clone()));
        assert_eq!((entry.seq, entry.id), (receipt.seq, receipt.id));
        let message = message_of(&entry);
        assert_eq!((message.room, message.from), (room("a"), user("alice")));
        assert_eq!((message.seq, message.id, message.ts), (receipt.seq, receipt.id, receipt.ts));
        assert_eq!(message.text.as_str(), receipt.seq.to_string());
        assert_eq!(message.client_msg_id, None);
    }
}

pub(super) async fn entries_of_one_caller_keep_their_order(fixture: &EngineFixture) {
    fixture.broker.open(&room("a")).await.expect("opened");
    submit_concurrently(fixture, |thread, number| {
        submission(&format!("user-{thread}"), "a", &number.to_string())
    });
    let entries = fixture.recorder.wait_for_count(THREADS * MESSAGES).await.len();
    assert_eq!(entries, THREADS * MESSAGES);
    let mut numbers_by_user = HashMap::<_, Vec<usize>>::new();
    for (index, entry) in fixture.recorder.entries().iter().enumerate() {
        assert_eq!(entry.seq, Seq::new(index as u64 + 1));
        let message = message_of(entry);
        numbers_by_user
            .entry(message.from)
            .or_default()
            .push(message.text.as_str().parse().expect("a number"));
    }
    assert_eq!(numbers_by_user.len(), THREADS);
    for numbers in numbers_by_user.values() {
        assert!(numbers.iter().copied().eq(0..MESSAGES), "{numbers:?}");
    }
}

pub(super) async fn an_entry_is_announced_before_it_completes(fixture: &EngineFixture) {
    fixture.broker.open(&room("a")).await.expect("opened");
    let (done, outcomes) = mpsc::sync_channel(50);
    for number in 0..50 {
        let (done, recorder) = (done.clone(), fixture.recorder.clone());
        fixture.submit(submission("alice", "a", &number.to_string()), move |result| {
            let receipt = result.expect("stored");
            let announced =
                recorder.entries().iter().any(|entry| entry.seq == receipt.seq && entry.id == receipt.id);
            done.send(announced).expect("a receiver");
        });
    }
    drop(done);
    let announced: Vec<bool> =
        tokio::task::spawn_blocking(move || outcomes.iter().collect()).await.expect("all outcomes");
    assert_eq!(announced, [true; 50]);
}

pub(super) async fn a_resent_message_gets_the_first_receipt(fixture: &EngineFixture) {
    fixture.broker.open(&room("a")).await.expect("opened");
    let first = fixture.post(submission("alice", "a", "hello").with_id("1")).await;
    fixture.post(submission("bob", "a", "between")).await;
    for text in ["hello", "hello again"] {
        let again = fixture.post(submission("alice", "a", text).with_id("1")).await;
        assert_eq!(again, Receipt { duplicate: true, ..first.clone() });
    }
    fixture.post(submission("alice", "a", "after")).await;
    // Nothing is announced for a duplicate, and it takes no number.
    let texts: Vec<_> = fixture.recorder.wait_for_count(3).await.iter().map(text_of).collect();
    assert_eq!(texts, ["hello", "between", "after"]);
    assert_eq!(message_of(&fixture.recorder.entries()[0]).client_msg_id.expect("given").as_str(), "1");
    assert_eq!(fixture.recorder.entries()[2].seq, Seq::new(3));
}

pub(super) async fn a_client_msg_id_is_known_for_one_room_and_sender(fixture: &EngineFixture) {
    let first = fixture.post(submission("alice", "a", "hello").with_id("1")).await;
    for other in [
        submission("alice", "b", "hello").with_id("1"),
        submission("bob", "a", "hello").with_id("1"),
        submission("alice", "a", "hello").with_id("2"),
    ] {
        let receipt = fixture.post(other).await;
        assert!(!receipt.duplicate);
        assert_ne!(receipt.id, first.id);
    }
}

pub(super) async fn messages_without_a_client_msg_id_are_always_stored(fixture: &EngineFixture) {
    let first = fixture.post(submission("alice", "a", "hello")).await;
    let second = fixture.post(submission("alice", "a", "hello")).await;
    assert_eq!((first.seq, second.seq), (Seq::new(1), Seq::new(2)));
    assert!(!second.duplicate);
}

pub(super) async fn a_message_sent_concurrently_is_stored_once(fixture: &EngineFixture) {
    fixture.broker.open(&room("a")).await.expect("opened");
    let receipts = submit_concurrently(fixture, |_, number| {
        submission("alice", "a", "hello").with_id(&number.to_string())
    });
    let new = receipts.iter().filter(|receipt| !receipt.duplicate).count();
    assert_eq!((receipts.len(), new), (THREADS * MESSAGES, MESSAGES));
    let distinct: HashSet<_> = receipts.iter().map(|receipt| (receipt.seq, receipt.id, receipt.ts)).collect();
    assert_eq!(distinct.len(), MESSAGES);
    let last = fixture.post(submission("alice", "a", "last")).await;
    assert_eq!(last.seq, Seq::new(MESSAGES as u64 + 1));
    assert_eq!(fixture.recorder.wait_for_count(MESSAGES + 1).await.len(), MESSAGES + 1);
}

pub(super) async fn signals_and_broadcasts_reach_the_feed_unchanged(fixture: &EngineFixture) {
    fixture.broker.open(&room("a")).await.expect("opened");
    for skip in [Skip::Nobody, Skip::User(user("alice"))] {
        let signal = Signal::new(r#"{"type":"typing"}"#.into(), skip);
        fixture.broker.signal(&room("a"), signal.clone());
        let events = fixture.recorder.wait_for_count(1).await;
        assert_eq!(events.last(), Some(&FeedEvent::Signal(room("a"), signal)));
        fixture.recorder.take();
    }
    for to in [Recipients::User(user("bob")), Recipients::Everyone] {
        fixture.broker.broadcast(to.clone(), "{}".into());
        assert_eq!(fixture.recorder.wait_for_count(1).await, [FeedEvent::Broadcast(to, "{}".into())]);
        fixture.recorder.take();
    }
    let head = fixture.head("a").await;
    assert_eq!(head.seq(), Seq::ZERO, "signals and broadcasts take no seq");
}

pub(super) async fn a_new_room_has_a_name_in_nfc(fixture: &EngineFixture) {
    for id in [None, Some("1")] {
        let message = submission("alice", "cafe\u{301}", "hello");
        let message = if let Some(id) = id { message.with_id(id) } else { message };
        let (done, outcome) = oneshot::channel();
        fixture.submit(message, |result| drop(done.send(result)));
        assert_eq!(outcome.await.expect("completed"), Err(NotStored::NewRoomNotNfc));
    }
    let (rooms, _) = fixture.broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
    assert_eq!(rooms, [], "a refused message leaves nothing behind");
    let receipt = fixture.post(submission("alice", "caf\u{e9}", "hello").with_id("1")).await;
    assert!(!receipt.duplicate && receipt.seq == Seq::new(1));
}

/// Submits from several threads concurrently and returns all receipts.
fn submit_concurrently(
    fixture: &EngineFixture,
    message: impl Fn(usize, usize) -> Submission + Sync,
) -> Vec<Receipt> {
    let (done, receipts) = mpsc::sync_channel(THREADS * MESSAGES);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (done, start, message) = (done.clone(), &start, &message);
            scope.spawn(move || {
                start.wait();
                for number in 0..MESSAGES {
                    let done = done.clone();
                    fixture.submit(message(thread, number), move |result| {
                        done.send(result.expect("stored")).expect("a receiver");
                    });
                }
            });
        }
    });
    drop(done);
    receipts.iter().collect()
}

#[track_caller]
fn text_of(event: &FeedEvent) -> String {
    let FeedEvent::Entry(.., entry) = event else { panic!("not an entry: {event:?}") };
    message_of(entry).text.as_str().to_owned()
}
