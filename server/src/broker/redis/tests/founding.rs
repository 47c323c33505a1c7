//! Limits on new rooms, over instances.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::Timestamp;

use super::*;
use crate::broker::contract::{metrics, submission};
use crate::broker::{NotStored, Receipt};

const DAY: u64 = 24 * 60 * 60 * 1_000;
const LIMITS: RoomLimits = RoomLimits { new_per_user: 2, total: 4 };

/// An instance whose clock shows `now`.
fn limited(redis: &Redis, now: &Arc<AtomicU64>) -> Instance {
    let now = now.clone();
    let clock = Clock::from_fn(move || Timestamp::from_millis(now.load(Ordering::Relaxed)));
    EngineFixture::new(|feed| {
        let target = target(&redis.url());
        let engine =
            RedisEngine::start(target, clock, Retain::default(), LIMITS, Rules::default(), metrics())
                .expect("a thread");
        (Arc::new(engine.broker(feed)), Box::new(engine))
    })
}

async fn post(instance: &Instance, from: &str, to: &str) -> Result<Receipt, NotStored> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    instance.submit(submission(from, to, "hello"), |result| drop(done.send(result)));
    outcome.await.expect("completed")
}

#[tokio::test]
async fn rooms_that_a_user_founds_count_on_all_instances_until_a_day_is_over() {
    let redis = Redis::start();
    let now = Arc::new(AtomicU64::new(10 * DAY));
    let (one, other) = (limited(&redis, &now), limited(&redis, &now));
    post(&one, "alice", "a").await.expect("stored");
    post(&other, "alice", "b").await.expect("stored");
    for instance in [&one, &other] {
        assert_eq!(post(instance, "alice", "c").await, Err(NotStored::too_many_founded(2)));
    }
    drop((one, other));
    now.fetch_add(DAY - 1, Ordering::Relaxed);
    let anew = limited(&redis, &now);
    assert_eq!(post(&anew, "alice", "c").await, Err(NotStored::too_many_founded(2)));
    now.fetch_add(1, Ordering::Relaxed);
    post(&anew, "alice", "c").await.expect("stored");
    post(&anew, "bob", "d").await.expect("stored");
    assert_eq!(post(&anew, "bob", "e").await, Err(NotStored::too_many_rooms(4)));
    post(&anew, "bob", "c").await.expect("stored");
    let mut raw = RedisClient::connect(&redis).await;
    let mut rooms: Vec<String> = raw.query(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    rooms.retain(|room| !room.is_empty());
    assert_eq!(rooms.len(), 4, "refused rooms are removed: {rooms:?}");
}

/// A room whose members are there is listed although its first message is refused.
#[tokio::test]
async fn a_refused_room_with_members_stays_listed() {
    let redis = Redis::start();
    let now = Arc::new(AtomicU64::new(10 * DAY));
    let one = limited(&redis, &now);
    for name in ["a", "b"] {
        post(&one, "alice", name).await.expect("stored");
    }
    one.broker.enter(&room("c"), &user("alice"), 0).await.expect("entered");
    assert_eq!(post(&one, "alice", "c").await, Err(NotStored::too_many_founded(2)));
    let mut raw = RedisClient::connect(&redis).await;
    let mut rooms: Vec<String> = raw.query(&["SMEMBERS", &Keys::new("realtime").rooms()]).await;
    rooms.retain(|room| !room.is_empty());
    rooms.sort();
    assert_eq!(rooms, ["a", "b", "c"]);
}

/// The counts are of other slots than the room.
#[tokio::test]
async fn rooms_are_founded_on_a_cluster_of_one_node() {
    let (redis, _) = cluster_of_one_node().await;
    let now = Arc::new(AtomicU64::new(10 * DAY));
    let one = limited(&redis, &now);
    for name in ["a", "b"] {
        assert!(post(&one, "alice", name).await.is_ok(), "{name}");
    }
    assert_eq!(post(&one, "alice", "c").await, Err(NotStored::too_many_founded(2)));
}
