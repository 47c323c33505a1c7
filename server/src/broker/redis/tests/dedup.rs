//! The dedup table in Redis: its window in time and in entries, and its size.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::*;
use crate::broker::contract::submission;
use crate::broker::{DEDUP_ENTRIES, DEDUP_WINDOW, NotStored, Receipt, Submission};

/// Longest time to live of a generation, in seconds.
const KNOWN_SECONDS: u64 = 25 * 60 * 60;
/// Messages in flight.
const WINDOW: usize = 2_000;

/// Posts messages whose texts and ids are these numbers, with many in flight.
async fn post_all(instance: &Instance, numbers: impl Iterator<Item = u64>) -> Vec<Receipt> {
    let (mut receipts, mut waiting) = (Vec::new(), VecDeque::new());
    for number in numbers {
        let (done, receipt) = oneshot::channel();
        let done =
            move |result: Result<Receipt, NotStored>| done.send(result.expect("stored")).expect("awaited");
        instance.submit(numbered_submission(number), done);
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

fn numbered_submission(number: u64) -> Submission {
    submission("alice", "a", &number.to_string()).with_id(&number.to_string())
}

/// After two generations and one message more, each of the two keys has been started again.
#[tokio::test]
async fn the_newest_messages_are_recognized_across_generations_and_the_table_is_bounded() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    let receipts = post_all(&one, 1..=2 * DEDUP_ENTRIES + 1).await;
    let count = u64::try_from(receipts.len()).expect("few");
    assert!(receipts.iter().map(|receipt| receipt.seq.get()).eq(1..=count));
    for generation in [0, 1] {
        let key = keys::known(&channel("a"), generation);
        let entries: u64 = raw.query(&["HLEN", &key]).await;
        // One more field makes Redis use a hash table.
        assert!((1..=DEDUP_ENTRIES + 1).contains(&entries), "{key} has {entries}");
        let left: u64 = raw.query(&["TTL", &key]).await;
        assert!((1..=KNOWN_SECONDS).contains(&left), "{key} is kept for {left} s");
    }
    // The newest `DEDUP_ENTRIES` messages are recognized.
    let oldest = count - DEDUP_ENTRIES;
    let again = post_all(&one, oldest + 1..=count).await;
    for (again, first) in again.iter().zip(&receipts[usize::try_from(oldest).expect("few")..]) {
        assert_eq!(*again, Receipt { duplicate: true, ..first.clone() });
    }
    // An older one is stored as a new message, and starts a generation.
    let first = one.post(numbered_submission(1)).await;
    assert_eq!((first.duplicate, first.seq.get()), (false, count + 1));
}

/// The window is measured with the clocks of the instance that stored the message and of the one that gets it again.
#[tokio::test]
async fn a_duplicate_is_recognized_for_a_day() {
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    let first = one.post(numbered_submission(1)).await;
    let digest = digest(&user("alice"), &numbered_submission(1).client_msg_id.expect("given")).to_be_bytes();
    let age = u64::try_from(DEDUP_WINDOW.as_millis()).expect("a day");
    // The stored time is moved into the past.
    for (earlier, known) in [(age - 60_000, true), (age + 1, false)] {
        let then = first.ts.millis() - earlier;
        let stored = format!("{}:{then}:{}", first.seq, first.id);
        let mut store = ::redis::cmd("HSET");
        store.arg(keys::known(&channel("a"), 0)).arg(&digest).arg(stored);
        let new: u64 = store.query_async(&mut raw.0).await.expect("stored");
        assert_eq!(new, 0, "the field exists");
        assert_eq!(one.post(numbered_submission(1)).await.duplicate, known, "{earlier} ms later");
    }
}
