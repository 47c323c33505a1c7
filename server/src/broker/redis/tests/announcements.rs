//! Announcements that were not heard: what they announced is fetched.

use super::*;
use crate::broker::contract::said;

const KILLS: u64 = 3;
const MESSAGES: u64 = 200;

/// Nothing comes after the last one that could show that it is missing.
#[tokio::test]
async fn what_was_announced_while_nobody_heard_it_is_fetched_and_the_last_one_too() {
    let redis = Redis::start();
    let [deaf, other] = instances_in_a::<2>(&redis).await;
    let mut raw = Raw::to(&redis).await;
    let mut number = 0;
    for _ in 0..KILLS {
        // In the middle of what is posted: the last messages are announced to nobody.
        for of_round in 0..MESSAGES {
            if of_round == MESSAGES / 2 {
                raw.kill("realtime-subscriber").await;
            }
            number += 1;
            other.post(said("alice", "a", &number.to_string())).await;
        }
        raw.kill("realtime-subscriber").await;
        number += 1;
        other.post(said("alice", "a", &number.to_string())).await;
        for instance in [&deaf, &other] {
            let heard = instance.hears(&number.to_string()).await;
            assert!(texts(&heard).iter().map(|text| text.parse::<u64>().expect("a number")).eq(1..=number));
            assert_eq!(Instance::resets(&heard), 0);
        }
    }
}

/// Appends a message to a log of one that nobody announces.
pub(super) async fn append_unheard(instance: &Instance, redis: &Redis, first: &str) {
    let (log, id) = (keys::log(&channel("a")), EntryId::from_parts(Clock::system().now(), 1).to_string());
    let page = instance.broker.history(&room("a"), Range::Newest, 1, usize::MAX).await.expect("a page");
    let frame = page.entries[0].json.replace(first, "unheard");
    let words = ["XADD", &log, "2-0", "i", &id, "t", "1", "f", &frame];
    let _: String = Raw::to(redis).await.ask(&words).await;
}

/// The connection stands, and one announcement of it is lost: only a comparison shows that.
#[tokio::test]
async fn an_announcement_that_is_lost_without_a_trace_is_fetched() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.post(said("alice", "a", "first")).await;
    one.hears("first").await;
    append_unheard(&one, &redis, "first").await;
    assert_eq!(texts(&one.hears("unheard").await), ["first", "unheard"]);
}

/// Who asks has it when the answer comes, and not when the next comparison is due.
#[tokio::test]
async fn who_asks_for_what_is_stored_now_has_heard_it_when_it_is_answered() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.post(said("alice", "a", "first")).await;
    one.hears("first").await;
    append_unheard(&one, &redis, "first").await;
    one.broker.catch_up(&room("a")).await.expect("answered");
    assert_eq!(texts(&one.heard.until(|_| true).await), ["first", "unheard"]);
}

/// A room that is opened while the connection is made anew is heard on the new one.
#[tokio::test]
async fn who_opens_a_room_while_the_connection_is_made_anew_misses_nothing() {
    let redis = Redis::start();
    let [deaf, other] = instances_in_a::<2>(&redis).await;
    Raw::to(&redis).await.kill("realtime-subscriber").await;
    assert_eq!(deaf.broker.open(&room("b")).await, Ok(Position::Start));
    other.post(said("alice", "b", "hello")).await;
    assert_eq!(texts(&deaf.hears("hello").await), ["hello"]);
}
