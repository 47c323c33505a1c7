//! What is known by its digest: how long, and how much of it.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::*;
use crate::broker::contract::said;
use crate::broker::{DEDUP_ENTRIES, DEDUP_WINDOW, NotStored, Receipt, Submission};

/// For how many seconds a generation is kept at most.
const KNOWN_SECONDS: u64 = 25 * 60 * 60;
/// Messages that are on their way at once.
const WINDOW: usize = 2_000;

/// Posts the messages of these numbers, whose ids are their numbers, many at a time.
async fn post_all(instance: &Instance, numbers: impl Iterator<Item = u64>) -> Vec<Receipt> {
    let (mut receipts, mut waiting) = (Vec::new(), VecDeque::new());
    for number in numbers {
        let (done, receipt) = oneshot::channel();
        let done =
            move |result: Result<Receipt, NotStored>| done.send(result.expect("stored")).expect("awaited");
        instance.submit(numbered(number), done);
        waiting.push_back(receipt);
        if waiting.len() == WINDOW {
            receipts.push(waiting.pop_front().expect("one").await.expect("completed"));
        }
    }
    for receipt in waiting {
        receipts.push(receipt.await.expect("completed"));
    }
    receipts
}

fn numbered(number: u64) -> Submission {
    said("alice", "a", &number.to_string()).known_as(&number.to_string())
}

/// Two generations and one more: each of the two keys has begun anew.
#[tokio::test]
async fn the_newest_messages_are_known_whatever_the_generation_and_there_is_an_end_to_it() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = Raw::to(&redis).await;
    let receipts = post_all(&one, 1..=2 * DEDUP_ENTRIES + 1).await;
    let count = u64::try_from(receipts.len()).expect("few");
    assert!(receipts.iter().map(|receipt| receipt.seq.get()).eq(1..=count));
    for generation in [0, 1] {
        let key = keys::known(&channel("a"), generation);
        let entries: u64 = raw.ask(&["HLEN", &key]).await;
        // And one that makes it a table.
        assert!((1..=DEDUP_ENTRIES + 1).contains(&entries), "{key} has {entries}");
        let left: u64 = raw.ask(&["TTL", &key]).await;
        assert!((1..=KNOWN_SECONDS).contains(&left), "{key} is kept for {left} s");
    }
    // All that are at most so far back are known.
    let oldest = count - DEDUP_ENTRIES;
    let again = post_all(&one, oldest + 1..=count).await;
    for (again, first) in again.iter().zip(&receipts[usize::try_from(oldest).expect("few")..]) {
        assert_eq!(*again, Receipt { duplicate: true, ..first.clone() });
    }
    // What is further back is a message like any other, and the first of its generation is forgotten with it.
    let first = one.post(numbered(1)).await;
    assert_eq!((first.duplicate, first.seq.get()), (false, count + 1));
}

/// The window of time goes by the clock of who stored it and who asks.
#[tokio::test]
async fn a_message_is_known_for_a_day() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = Raw::to(&redis).await;
    let first = one.post(numbered(1)).await;
    let digest = digest(&user("alice"), &numbered(1).client_msg_id.expect("given")).to_be_bytes();
    let age = u64::try_from(DEDUP_WINDOW.as_millis()).expect("a day");
    // As if it had come so much earlier.
    for (earlier, known) in [(age - 60_000, true), (age + 1, false)] {
        let then = first.ts.millis() - earlier;
        let stored = format!("{}:{then}:{}", first.seq, first.id);
        let mut store = ::redis::cmd("HSET");
        store.arg(keys::known(&channel("a"), 0)).arg(&digest).arg(stored);
        let new: u64 = store.query_async(&mut raw.0).await.expect("stored");
        assert_eq!(new, 0, "that is where it is");
        assert_eq!(one.post(numbered(1)).await.duplicate, known, "{earlier} ms later");
    }
}
