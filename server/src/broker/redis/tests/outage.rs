//! A Redis that is away for a while: what is posted meanwhile is stored once, or is said not to be known to be.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::*;
use crate::broker::contract::said;
use crate::broker::{NotStored, Receipt};

/// Who posts without a pause, and again what was refused: under the same id.
struct Poster {
    number: u64,
    stored: BTreeMap<u64, Receipt>,
    done: mpsc::Sender<(u64, Result<Receipt, NotStored>)>,
    answers: mpsc::Receiver<(u64, Result<Receipt, NotStored>)>,
    /// How many are on their way.
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
        let message = said("alice", "a", &number.to_string()).known_as(&number.to_string());
        instance.submit(message, move |result| done.try_send((number, result)).expect("room for it"));
    }

    fn send_new(&mut self, instance: &Instance, count: u64) {
        for _ in 0..count {
            self.number += 1;
            self.send(instance, self.number);
        }
    }

    /// Waits until all that is on its way is answered: each is, whatever becomes of Redis.
    async fn answered(&mut self) {
        while self.sent > 0 {
            let answer = timeout(PATIENCE_OF_TESTS, self.answers.recv()).await;
            let (number, result) = answer.expect("each is answered").expect("open");
            self.sent -= 1;
            match result {
                Ok(receipt) => drop(self.stored.insert(number, receipt)),
                Err(NotStored::Unavailable(_)) => self.refused.push(number),
                Err(refused @ NotStored::Refused { .. }) => panic!("no rule concerns messages: {refused}"),
            }
        }
    }

    /// Posts again what was refused, in its order, until all is stored.
    async fn finish(&mut self, instance: &Instance) {
        self.answered().await;
        while !self.refused.is_empty() {
            let mut again = std::mem::take(&mut self.refused);
            again.sort_unstable();
            for number in again {
                self.send(instance, number);
            }
            self.answered().await;
        }
    }
}

/// What each instance heard is what was stored, once each.
async fn assert_heard_once(instances: &[Instance], poster: &Poster) {
    let mut stored: Vec<_> = poster.stored.values().map(|receipt| (receipt.seq, receipt.id)).collect();
    stored.sort();
    assert!(stored.iter().map(|(seq, _)| seq.get()).eq(1..=poster.number), "{stored:?}");
    for instance in instances {
        let heard = instance.heard.at_least(stored.len()).await;
        let entries: Vec<_> = instance.heard.entries().iter().map(|entry| (entry.seq, entry.id)).collect();
        assert_eq!(entries, stored);
        assert_eq!(Instance::resets(&heard), 0);
    }
}

async fn ready(instances: &[Instance], is_ready: bool) {
    for instance in instances {
        eventually("all know of it", async || instance.broker.is_ready() == is_ready).await;
    }
}

#[tokio::test]
async fn a_redis_that_is_killed_and_started_again_has_each_message_once() {
    let mut redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    ready(&instances, true).await;
    let mut poster = Poster::new();
    poster.send_new(&instances[0], 40);
    redis.kill();
    poster.send_new(&instances[0], 40);
    ready(&instances, false).await;
    redis.restart();
    ready(&instances, true).await;
    poster.send_new(&instances[0], 5);
    poster.finish(&instances[0]).await;
    assert_heard_once(&instances, &poster).await;
}

/// Until then everything is answered, and nothing is kept for later.
#[tokio::test]
async fn a_redis_that_stays_away_refuses_what_is_posted() {
    let mut redis = Redis::start();
    let instances = instances_in_a::<1>(&redis).await;
    let mut poster = Poster::new();
    redis.kill();
    poster.send_new(&instances[0], 10);
    poster.answered().await;
    assert_eq!(poster.refused.len(), 10);
    assert_eq!(instances[0].broker.open(&room("b")).await, Err(Unavailable));
    assert_eq!(instances[0].broker.members(&room("a"), 10).await, Err(Unavailable));
    redis.restart();
    poster.finish(&instances[0]).await;
    assert_heard_once(&instances, &poster).await;
    let (rooms, _) = instances[0].broker.list(Box::new(|_| true), 10).await.expect("a list");
    assert_eq!(rooms.iter().map(|of| of.room.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_redis_that_is_stopped_has_each_message_once() {
    let redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    ready(&instances, true).await;
    let mut poster = Poster::new();
    poster.send_new(&instances[0], 20);
    redis.stop();
    poster.send_new(&instances[0], 20);
    ready(&instances, false).await;
    // It has them in its socket, and does them when it goes on: they are refused by then.
    poster.answered().await;
    redis.cont();
    ready(&instances, true).await;
    poster.finish(&instances[0]).await;
    assert_heard_once(&instances, &poster).await;
}

/// What was taken is stored, where Redis is there: the end waits for it.
#[tokio::test]
async fn what_was_submitted_before_the_end_is_stored() {
    const MESSAGES: usize = 2_000;
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    for number in 0..MESSAGES {
        one.broker.submit(said("alice", "a", &number.to_string()), Box::new(|_| ()));
    }
    tokio::task::spawn_blocking(move || drop(one)).await.expect("ended");
    let page = other.broker.history(&room("a"), Range::Newest, MESSAGES, usize::MAX).await.expect("a page");
    assert_eq!(page.entries.len(), MESSAGES);
}

/// They wait together, and not one after the other.
#[tokio::test]
async fn a_redis_that_is_stopped_is_waited_for_by_all_who_ask_for_a_list_at_once() {
    const ASKING: usize = 100;
    let redis = Redis::start();
    let instances = instances_in_a::<1>(&redis).await;
    redis.stop();
    let asked = (0..ASKING).map(|_| instances[0].broker.list(Box::new(|_| true), 10));
    let answers = timeout(PATIENCE_OF_TESTS, join_all(asked)).await.expect("all are answered");
    assert!(answers.iter().all(|answer| matches!(answer, Err(Unavailable))));
    redis.cont();
    ready(&instances, true).await;
    instances[0].broker.list(Box::new(|_| true), 10).await.expect("a list");
}
