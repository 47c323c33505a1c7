//! Lost announcements: the instance fetches their entries.

use super::*;
use crate::broker::contract::submission;

const KILLS: u64 = 3;
const MESSAGES: u64 = 200;

/// No announcement follows the last entry, so nothing but a comparison can show that it is missing.
#[tokio::test]
async fn entries_announced_while_the_subscriber_was_disconnected_are_fetched() {
    let redis = Redis::start();
    let [disconnected, other] = instances_in_a::<2>(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let mut number = 0;
    for _ in 0..KILLS {
        // The connection ends between two messages, and again before the last one.
        for of_round in 0..MESSAGES {
            if of_round == MESSAGES / 2 {
                raw.kill("realtime-subscriber").await;
            }
            number += 1;
            other.post(submission("alice", "a", &number.to_string())).await;
        }
        raw.kill("realtime-subscriber").await;
        number += 1;
        other.post(submission("alice", "a", &number.to_string())).await;
        for instance in [&disconnected, &other] {
            let events = instance.wait_for_text(&number.to_string()).await;
            assert!(texts(&events).iter().map(|text| text.parse::<u64>().expect("a number")).eq(1..=number));
            assert_eq!(Instance::resets(&events), 0);
        }
    }
}

/// Appends an entry to a log of one entry without announcing it.
pub(super) async fn append_unannounced(instance: &Instance, redis: &Redis, first: &str) {
    let (log, id) = (keys::log(&channel("a")), EntryId::from_parts(Clock::system().now(), 1).to_string());
    let page = instance.broker.history(&room("a"), Range::Newest, 1, usize::MAX).await.expect("a page");
    let frame = page.entries[0].json.replace(first, "unannounced");
    let words = ["XADD", &log, "2-0", "i", &id, "t", "1", "f", &frame];
    let _: String = RedisClient::connect(redis).await.query(&words).await;
}

/// The connection works, so only a comparison can find the lost announcement.
#[tokio::test]
async fn a_comparison_finds_an_entry_that_was_not_announced() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.post(submission("alice", "a", "first")).await;
    one.wait_for_text("first").await;
    append_unannounced(&one, &redis, "first").await;
    assert_eq!(texts(&one.wait_for_text("unannounced").await), ["first", "unannounced"]);
}

/// The entries are there with the answer, not with the next comparison.
#[tokio::test]
async fn catch_up_completes_after_the_stored_entries_are_announced() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.post(submission("alice", "a", "first")).await;
    one.wait_for_text("first").await;
    append_unannounced(&one, &redis, "first").await;
    one.broker.catch_up(&room("a")).await.expect("answered");
    assert_eq!(texts(&one.recorder.wait_until(|_| true).await), ["first", "unannounced"]);
}

#[tokio::test]
async fn a_room_opened_during_a_reconnection_is_subscribed_on_the_new_connection() {
    let redis = Redis::start();
    let [disconnected, other] = instances_in_a::<2>(&redis).await;
    RedisClient::connect(&redis).await.kill("realtime-subscriber").await;
    assert_eq!(disconnected.broker.open(&room("b")).await, Ok(Position::Start));
    other.post(submission("alice", "b", "hello")).await;
    assert_eq!(texts(&disconnected.wait_for_text("hello").await), ["hello"]);
}
