//! Tests of several instances on one Redis, and of a Redis that fails or loses data.
//!
//! Each test has a Redis of its own, instances on it, and a [`RedisClient`] for unexpected changes. It waits for
//! announcements, or polls for a condition that nothing announces ([`eventually`]); it never waits for a time.

mod aggregates;
mod announcements;
mod broadcasts;
mod changes;
mod dedup;
mod divergence;
mod founding;
mod listing;
mod member_search;
mod order;
mod outage;
mod pages;
mod presence;
mod refusals;
pub(in crate::broker) mod removal;
mod renaming;
mod retention;
#[path = "../../../tests/support/redis.rs"]
pub(in crate::broker) mod server;
mod spending;
mod stalls;

use std::time::Duration;

use ::redis::FromRedisValue;
use ::redis::aio::MultiplexedConnection;
use realtime_shared::{EntryId, Position, Seq, codec};
use tokio::time::timeout;

use self::server::Redis;
use super::transport::keys;
use super::*;
use crate::broker::Unavailable;
use crate::broker::contract::{EngineFixture, FeedEvent, TEST_TIMEOUT, message_of, redis_at, room, user};
use crate::store::digest;

/// Interval of polling in [`eventually`].
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// The target of an engine on the Redis of this URL.
pub(in crate::broker) fn target(url: &str) -> RedisTarget {
    let info = url.parse::<::redis::ConnectionInfo>().expect("a URL");
    let settings = info.redis_settings().clone().set_protocol(::redis::ProtocolVersion::RESP3);
    RedisTarget {
        client: Client::open(info.set_redis_settings(settings)).expect("a client"),
        prefix: "realtime".to_owned(),
        relay_channel: Some("ws:broadcast".to_owned()),
    }
}

/// A broker with an engine of its own; dropping it ends the engine.
type Instance = EngineFixture<RedisBroker>;

/// An instance with the default retention.
fn instance(redis: &Redis) -> Instance {
    instance_with(redis, Retain::default())
}

fn instance_with(redis: &Redis, retain: Retain) -> Instance {
    EngineFixture::new(|feed| {
        let (broker, engine) = redis_at(&redis.url(), feed, retain, RoomLimits::none());
        (broker, Box::new(engine))
    })
}

/// Instances that have all opened the room `a`.
async fn instances_in_a<const COUNT: usize>(redis: &Redis) -> [Instance; COUNT] {
    let instances = std::array::from_fn(|_| instance(redis));
    for instance in &instances {
        instance.broker.open(&room("a")).await.expect("opened");
    }
    instances
}

impl Instance {
    /// All events, as soon as the newest entry is a message with this text.
    async fn wait_for_text(&self, text: &str) -> Vec<FeedEvent> {
        self.recorder.wait_until(|events| texts(events).last().is_some_and(|last| last == text)).await
    }

    /// Number of resets among events.
    fn resets(events: &[FeedEvent]) -> usize {
        events.iter().filter(|event| matches!(event, FeedEvent::Reset(..))).count()
    }
}

/// The texts of the entries among events.
fn texts(events: &[FeedEvent]) -> Vec<String> {
    let entry =
        |event: &FeedEvent| if let FeedEvent::Entry(.., entry) = event { Some(entry.clone()) } else { None };
    events.iter().filter_map(entry).map(|entry| message_of(&entry).text.as_str().to_owned()).collect()
}

/// A client of Redis beside the instances.
struct RedisClient(MultiplexedConnection);

impl RedisClient {
    async fn connect(redis: &Redis) -> Self {
        let client = target(&redis.url()).client;
        Self(client.get_multiplexed_async_connection().await.expect("a connection"))
    }

    async fn query<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.0).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Kills the connections of this client name.
    async fn kill(&mut self, name: &str) {
        let clients: String = self.query(&["CLIENT", "LIST"]).await;
        for client in clients.lines().filter(|client| client.contains(&format!(" name={name} "))) {
            let id = client.split(' ').find_map(|field| field.strip_prefix("id=")).expect("an id");
            // The connection may have ended meanwhile.
            let _: u64 = self.query(&["CLIENT", "KILL", "ID", id]).await;
        }
    }
}

/// The channel of a room; it is the prefix of the room's keys.
fn channel(name: &str) -> String {
    Keys::new("realtime").channel(&room(name))
}

/// A node that has all slots of a cluster, and a connection to it.
async fn cluster_of_one_node() -> (Redis, RedisClient) {
    let redis = Redis::start_with(&["--cluster-enabled", "yes"]);
    let mut raw = RedisClient::connect(&redis).await;
    let _: String = raw.query(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the cluster is up", async || {
        let state: String = raw.query(&["CLUSTER", "INFO"]).await;
        state.contains("cluster_state:ok")
    })
    .await;
    (redis, raw)
}

/// Polls until a condition is true. For conditions that nothing announces.
async fn eventually(description: &str, mut condition: impl AsyncFnMut() -> bool) {
    let polling = timeout(TEST_TIMEOUT, async {
        while !condition().await {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    });
    assert!(polling.await.is_ok(), "timeout: {description}");
}
