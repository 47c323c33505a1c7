//! Outages of Redis: a message posted meanwhile is stored once, or is answered with `unavailable`.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::*;
use crate::broker::contract::submission;
use crate::broker::{NotStored, Receipt, RoomFilter};

/// Posts without a pause, and resends refused messages under the same id.
struct Poster {
    number: u64,
    stored: BTreeMap<u64, Receipt>,
    done: mpsc::Sender<(u64, Result<Receipt, NotStored>)>,
    answers: mpsc::Receiver<(u64, Result<Receipt, NotStored>)>,
    /// Messages without an answer.
    sent: usize,
    refused: Vec<u64>,
}

impl Poster {
    fn new() -> Self {
        let (done, answers) = mpsc::channel(100);
        Self { number: 0, stored: BTreeMap::new(), done, answers, sent: 0, refused: Vec::new() }
    }

    fn send(&mut self, instance: &Instance, number: u64) {
        let done = self.done.clone();
        self.sent += 1;
        let message = submission("alice", "a", &number.to_string()).with_id(&number.to_string());
        instance.submit(message, move |result| done.try_send((number, result)).expect("room for it"));
    }

    fn send_new(&mut self, instance: &Instance, count: u64) {
        for _ in 0..count {
            self.number += 1;
            self.send(instance, self.number);
        }
    }

    /// Waits until all messages are answered. Each is answered, with Redis or without it.
    async fn wait_for_answers(&mut self) {
        while self.sent > 0 {
            let answer = timeout(TEST_TIMEOUT, self.answers.recv()).await;
            let (number, result) = answer.expect("each is answered").expect("open");
            self.sent -= 1;
            match result {
                Ok(receipt) => drop(self.stored.insert(number, receipt)),
                Err(NotStored::Unavailable(_)) => self.refused.push(number),
                Err(refused @ (NotStored::Refused { .. } | NotStored::NewRoomNotNfc)) => {
                    panic!("no rule concerns messages: {refused}")
                }
            }
        }
    }

    /// Resends the refused messages in their order until all are stored.
    async fn finish(&mut self, instance: &Instance) {
        self.wait_for_answers().await;
        while !self.refused.is_empty() {
            let mut again = std::mem::take(&mut self.refused);
            again.sort_unstable();
            for number in again {
                self.send(instance, number);
            }
            self.wait_for_answers().await;
        }
    }
}

/// Asserts that each stored message was announced to each instance once.
async fn assert_announced_once(instances: &[Instance], poster: &Poster) {
    let mut stored: Vec<_> = poster.stored.values().map(|receipt| (receipt.seq, receipt.id)).collect();
    stored.sort();
    assert!(stored.iter().map(|(seq, _)| seq.get()).eq(1..=poster.number), "{stored:?}");
    for instance in instances {
        let events = instance.recorder.wait_for_count(stored.len()).await;
        let entries: Vec<_> = instance.recorder.entries().iter().map(|entry| (entry.seq, entry.id)).collect();
        assert_eq!(entries, stored);
        assert_eq!(Instance::resets(&events), 0);
    }
}

async fn wait_until_ready(instances: &[Instance], is_ready: bool) {
    for instance in instances {
        eventually("the state of Redis is known", async || instance.broker.readiness().is_ok() == is_ready)
            .await;
    }
}

#[tokio::test]
async fn messages_are_stored_once_when_redis_is_killed_and_restarted() {
    let mut redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    wait_until_ready(&instances, true).await;
    let mut poster = Poster::new();
    poster.send_new(&instances[0], 40);
    redis.kill();
    poster.send_new(&instances[0], 40);
    wait_until_ready(&instances, false).await;
    redis.restart();
    wait_until_ready(&instances, true).await;
    poster.send_new(&instances[0], 5);
    poster.finish(&instances[0]).await;
    assert_announced_once(&instances, &poster).await;
}

/// All requests are answered, and none is stored later.
#[tokio::test]
async fn requests_are_unavailable_while_redis_is_down() {
    let mut redis = Redis::start();
    let instances = instances_in_a::<1>(&redis).await;
    let mut poster = Poster::new();
    redis.kill();
    poster.send_new(&instances[0], 10);
    poster.wait_for_answers().await;
    assert_eq!(poster.refused.len(), 10);
    assert_eq!(instances[0].broker.open(&room("b")).await, Err(Unavailable));
    assert_eq!(instances[0].broker.members(&room("a"), 10).await, Err(Unavailable));
    redis.restart();
    poster.finish(&instances[0]).await;
    assert_announced_once(&instances, &poster).await;
    let (rooms, _) =
        instances[0].broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
    assert_eq!(rooms.iter().map(|of| of.room.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn messages_are_stored_once_when_redis_is_stopped_and_continued() {
    let redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    wait_until_ready(&instances, true).await;
    let mut poster = Poster::new();
    poster.send_new(&instances[0], 20);
    redis.stop();
    poster.send_new(&instances[0], 20);
    wait_until_ready(&instances, false).await;
    // Redis has the commands in its socket and runs them when it continues. They are answered as unavailable before.
    poster.wait_for_answers().await;
    redis.cont();
    wait_until_ready(&instances, true).await;
    poster.finish(&instances[0]).await;
    assert_announced_once(&instances, &poster).await;
}

#[tokio::test]
async fn dropping_the_engine_waits_for_the_submitted_entries() {
    const MESSAGES: usize = 2_000;
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    for number in 0..MESSAGES {
        one.broker.submit(submission("alice", "a", &number.to_string()), Box::new(|_| ()));
    }
    tokio::task::spawn_blocking(move || drop(one)).await.expect("ended");
    let page = other.broker.history(&room("a"), Range::Newest, MESSAGES, usize::MAX).await.expect("a page");
    assert_eq!(page.entries.len(), MESSAGES);
}

/// The requests wait together, not one after the other.
#[tokio::test]
async fn concurrent_list_requests_time_out_together_while_redis_is_stopped() {
    const REQUESTS: usize = 100;
    let redis = Redis::start();
    let instances = instances_in_a::<1>(&redis).await;
    redis.stop();
    let requests =
        (0..REQUESTS).map(|_| instances[0].broker.list(RoomFilter::with_prefix(String::new()), 10));
    let answers = timeout(TEST_TIMEOUT, join_all(requests)).await.expect("all are answered");
    assert!(answers.iter().all(|answer| matches!(answer, Err(Unavailable))));
    redis.cont();
    wait_until_ready(&instances, true).await;
    instances[0].broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
}
