//! Numbers, order, deduplication, and what the feed hears.

use std::collections::{HashMap, HashSet};
use std::sync::{Barrier, mpsc};
use std::thread;

use realtime_shared::Seq;

use super::{Heard, Receipt, Recipients, Signal, Subject, Submission, room, said, shown, user};
use crate::broker::Skip;

const THREADS: usize = 8;
const MESSAGES: usize = 100;

pub(super) async fn numbers_have_no_hole(subject: &Subject) {
    subject.broker.open(&room("a")).await.expect("opened");
    let receipts = subject.fill("a", 5).await;
    assert_eq!(receipts.iter().map(|receipt| receipt.seq.get()).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(receipts.iter().map(|receipt| receipt.id).collect::<HashSet<_>>().len(), 5);
    for (receipt, heard) in receipts.iter().zip(subject.heard.at_least(5).await) {
        assert_eq!(receipt.epoch, receipts[0].epoch);
        assert!(!receipt.duplicate);
        let Heard::Entry(in_room, epoch, entry) = heard else { panic!("an entry, and not {heard:?}") };
        assert_eq!((in_room, epoch), (room("a"), receipt.epoch.clone()));
        assert_eq!((entry.seq, entry.id), (receipt.seq, receipt.id));
        let message = shown(&entry);
        assert_eq!((message.room, message.from), (room("a"), user("alice")));
        assert_eq!((message.seq, message.id, message.ts), (receipt.seq, receipt.id, receipt.ts));
        assert_eq!(message.text.as_str(), receipt.seq.to_string());
        assert_eq!(message.client_msg_id, None);
    }
}

pub(super) async fn each_caller_keeps_its_order(subject: &Subject) {
    subject.broker.open(&room("a")).await.expect("opened");
    at_once(subject, |thread, number| said(&format!("user-{thread}"), "a", &number.to_string()));
    let entries = subject.heard.at_least(THREADS * MESSAGES).await.len();
    assert_eq!(entries, THREADS * MESSAGES);
    let mut said_by = HashMap::<_, Vec<usize>>::new();
    for (index, entry) in subject.heard.entries().iter().enumerate() {
        assert_eq!(entry.seq, Seq::new(index as u64 + 1));
        let message = shown(entry);
        said_by.entry(message.from).or_default().push(message.text.as_str().parse().expect("a number"));
    }
    assert_eq!(said_by.len(), THREADS);
    for numbers in said_by.values() {
        assert!(numbers.iter().copied().eq(0..MESSAGES), "{numbers:?}");
    }
}

pub(super) async fn the_feed_has_it_before_the_completion(subject: &Subject) {
    subject.broker.open(&room("a")).await.expect("opened");
    let (done, seen) = mpsc::sync_channel(50);
    for number in 0..50 {
        let (done, heard) = (done.clone(), subject.heard.clone());
        subject.submit(said("alice", "a", &number.to_string()), move |result| {
            let receipt = result.expect("stored");
            let shown =
                heard.entries().iter().any(|entry| entry.seq == receipt.seq && entry.id == receipt.id);
            done.send(shown).expect("counted");
        });
    }
    drop(done);
    let seen: Vec<bool> = tokio::task::spawn_blocking(move || seen.iter().collect()).await.expect("all");
    assert_eq!(seen, [true; 50]);
}

pub(super) async fn the_same_message_again_is_the_first_one(subject: &Subject) {
    subject.broker.open(&room("a")).await.expect("opened");
    let first = subject.post(said("alice", "a", "hello").known_as("1")).await;
    subject.post(said("bob", "a", "between")).await;
    for text in ["hello", "hello again"] {
        let again = subject.post(said("alice", "a", text).known_as("1")).await;
        assert_eq!(again, Receipt { duplicate: true, ..first.clone() });
    }
    subject.post(said("alice", "a", "after")).await;
    // Nothing is announced for a duplicate, and it takes no number.
    let texts: Vec<_> = subject.heard.at_least(3).await.iter().map(text_of).collect();
    assert_eq!(texts, ["hello", "between", "after"]);
    assert_eq!(shown(&subject.heard.entries()[0]).client_msg_id.expect("given").as_str(), "1");
    assert_eq!(subject.heard.entries()[2].seq, Seq::new(3));
}

pub(super) async fn another_room_or_sender_is_another_message(subject: &Subject) {
    let first = subject.post(said("alice", "a", "hello").known_as("1")).await;
    for other in [
        said("alice", "b", "hello").known_as("1"),
        said("bob", "a", "hello").known_as("1"),
        said("alice", "a", "hello").known_as("2"),
    ] {
        let receipt = subject.post(other).await;
        assert!(!receipt.duplicate);
        assert_ne!(receipt.id, first.id);
    }
}

pub(super) async fn without_an_id_every_message_is_new(subject: &Subject) {
    let first = subject.post(said("alice", "a", "hello")).await;
    let second = subject.post(said("alice", "a", "hello")).await;
    assert_eq!((first.seq, second.seq), (Seq::new(1), Seq::new(2)));
    assert!(!second.duplicate);
}

pub(super) async fn a_message_sent_many_times_at_once_is_stored_once(subject: &Subject) {
    subject.broker.open(&room("a")).await.expect("opened");
    let receipts = at_once(subject, |_, number| said("alice", "a", "hello").known_as(&number.to_string()));
    let new = receipts.iter().filter(|receipt| !receipt.duplicate).count();
    assert_eq!((receipts.len(), new), (THREADS * MESSAGES, MESSAGES));
    let distinct: HashSet<_> = receipts.iter().map(|receipt| (receipt.seq, receipt.id, receipt.ts)).collect();
    assert_eq!(distinct.len(), MESSAGES);
    let last = subject.post(said("alice", "a", "last")).await;
    assert_eq!(last.seq, Seq::new(MESSAGES as u64 + 1));
    assert_eq!(subject.heard.at_least(MESSAGES + 1).await.len(), MESSAGES + 1);
}

pub(super) async fn signals_and_tells_are_heard_as_they_are_said(subject: &Subject) {
    subject.broker.open(&room("a")).await.expect("opened");
    for skip in [Skip::Nobody, Skip::User(user("alice"))] {
        let signal = Signal { json: r#"{"type":"typing"}"#.into(), skip, presence_version: 0 };
        subject.broker.signal(&room("a"), signal.clone());
        let heard = subject.heard.at_least(1).await;
        assert_eq!(heard.last(), Some(&Heard::Signal(room("a"), signal)));
        subject.heard.take();
    }
    for to in [Recipients::User(user("bob")), Recipients::Everyone] {
        subject.broker.broadcast(to.clone(), "{}".into());
        assert_eq!(subject.heard.at_least(1).await, [Heard::Tell(to, "{}".into())]);
        subject.heard.take();
    }
    let head = subject.head("a").await;
    assert_eq!(head.seq(), Seq::ZERO, "what is not stored has no number");
}

/// Submits from many threads at once; what became of it, when all of it has completed.
fn at_once(subject: &Subject, message: impl Fn(usize, usize) -> Submission + Sync) -> Vec<Receipt> {
    let (done, receipts) = mpsc::sync_channel(THREADS * MESSAGES);
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (done, start, message) = (done.clone(), &start, &message);
            scope.spawn(move || {
                start.wait();
                for number in 0..MESSAGES {
                    let done = done.clone();
                    subject.submit(message(thread, number), move |result| {
                        done.send(result.expect("stored")).expect("counted");
                    });
                }
            });
        }
    });
    drop(done);
    receipts.iter().collect()
}

#[track_caller]
fn text_of(heard: &Heard) -> String {
    let Heard::Entry(.., entry) = heard else { panic!("an entry, and not {heard:?}") };
    shown(entry).text.as_str().to_owned()
}
