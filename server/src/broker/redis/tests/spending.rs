//! Spending that instances exchange.

use super::*;
use crate::broker::contract::FeedEvent;
use crate::budget::Spending;

#[tokio::test]
async fn spending_reaches_every_other_instance_and_not_its_own() {
    let redis = Redis::start();
    let instances = instances_in_a::<3>(&redis).await;
    let [one, others @ ..] = &instances;
    let of = |messages| Spending {
        messages,
        changes: 5,
        deliveries: 6,
        bytes: 7,
        answers: 8,
        connects: 9,
        offences: 1,
    };
    let spending: Vec<_> = (0..1_500).map(|number| (user(&format!("user {number}")), of(number))).collect();
    one.broker.publish_spending(&spending);
    for other in others {
        let events = other.recorder.wait_for_count(spending.len()).await;
        let expected: Vec<_> =
            spending.iter().map(|(user, spending)| FeedEvent::Spent(user.clone(), *spending)).collect();
        assert_eq!(events, expected);
    }
    // A broadcast after it shows that the publication of an instance itself has passed.
    one.broker.broadcast(Recipients::Everyone, "{}".into());
    let own = one.recorder.wait_for_count(1).await;
    assert_eq!(own, [FeedEvent::Broadcast(Recipients::Everyone, "{}".into())]);
}

#[tokio::test]
async fn spending_of_another_version_is_ignored() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    let mut raw = RedisClient::connect(&redis).await;
    let channel = Keys::new("realtime").spending();
    for text in ["", "x\n1 2 3 alice", "x\n1 2 3 4 5 6 7 a\u{7}b", "x\n1 2 3 4 5 6 7 alice"] {
        let _: u64 = raw.query(&["SPUBLISH", &channel, text]).await;
    }
    let spending =
        Spending { messages: 1, changes: 2, deliveries: 3, bytes: 4, answers: 5, connects: 6, offences: 7 };
    assert_eq!(one.recorder.wait_for_count(1).await, [FeedEvent::Spent(user("alice"), spending)]);
}
