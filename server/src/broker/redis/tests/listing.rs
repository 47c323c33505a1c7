//! Lists of more rooms than are read for a request.

use realtime_shared::RoomSummary;

use super::*;
use crate::broker::RoomFilter;
use crate::broker::contract::submission;

pub(super) const ROOMS: usize = 1_000;

/// Posts to many rooms, each once.
pub(super) async fn post_to_many(instance: &Instance) {
    let (done, mut stored) = tokio::sync::mpsc::channel(ROOMS);
    for number in 0..ROOMS {
        let done = done.clone();
        let post = submission("alice", &format!("room-{number:04}"), "hello");
        instance.submit(post, move |result| {
            let _ = done.try_send(result.is_ok());
        });
    }
    for _ in 0..ROOMS {
        assert_eq!(stored.recv().await, Some(true));
    }
}

pub(super) async fn first_rooms(instance: &Instance, prefix: &str, limit: usize) -> Vec<RoomSummary> {
    instance.broker.list(RoomFilter::with_prefix(prefix.to_owned()), limit).await.expect("a list").0
}

#[tokio::test]
async fn changes_of_many_rooms_are_listed_on_their_instance_at_once_and_then_on_the_others() {
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    post_to_many(&one).await;
    assert_eq!(first_rooms(&one, "", ROOMS + 1).await.len(), ROOMS);
    eventually("all rooms are listed", async || first_rooms(&other, "", ROOMS + 1).await.len() == ROOMS)
        .await;

    one.broker.enter(&room("room-0007"), &user("alice"), 0).await.expect("entered");
    let receipt = one.post(submission("alice", "room-0003", "hello")).await;
    let expected = |summaries: &[RoomSummary]| {
        let of = |index: usize| {
            let RoomSummary { room, member_count, position, .. } = &summaries[index];
            (room.to_string(), *member_count, position.seq().get())
        };
        [of(0), of(1)] == [("room-0007".to_owned(), 1, 1), ("room-0003".to_owned(), 0, 2)]
            && summaries[1].last_ts == Some(receipt.ts)
    };
    assert!(expected(&first_rooms(&one, "", 2).await), "{:?}", first_rooms(&one, "", 2).await);
    eventually("the changes are listed", async || expected(&first_rooms(&other, "", 2).await)).await;
    other.broker.enter(&room("room-0007"), &user("bob"), 0).await.expect("entered");
    eventually("both members are counted", async || first_rooms(&one, "", 1).await[0].member_count == 2)
        .await;
    one.broker.leave(&room("room-0007"), &user("alice"), LeaveReason::Left).await.expect("left");
    other.broker.leave(&room("room-0007"), &user("bob"), LeaveReason::Left).await.expect("left");
    for instance in [&one, &other] {
        eventually("the leaves are listed", async || first_rooms(instance, "", 1).await[0].member_count == 0)
            .await;
    }
}

#[tokio::test]
async fn an_instance_lists_the_rooms_that_were_there_at_its_start() {
    let redis = Redis::start();
    let one = instance(&redis);
    post_to_many(&one).await;
    one.broker.enter(&room("room-0007"), &user("alice"), 0).await.expect("entered");
    let other = instance(&redis);
    eventually("the list is loaded", async || first_rooms(&other, "", ROOMS + 1).await.len() == ROOMS).await;
    assert_eq!(first_rooms(&other, "", 1).await, first_rooms(&one, "", 1).await);
    assert_eq!(first_rooms(&other, "room-000", ROOMS).await.len(), 10);
}

#[tokio::test]
async fn rooms_that_redis_lost_are_no_longer_listed() {
    let redis = Redis::start();
    let one = instance(&redis);
    post_to_many(&one).await;
    assert_eq!(first_rooms(&one, "", ROOMS + 1).await.len(), ROOMS);
    let mut raw = RedisClient::connect(&redis).await;
    let _: String = raw.query(&["FLUSHALL"]).await;
    eventually("the list is empty", async || first_rooms(&one, "", 1).await.is_empty()).await;
}
