//! Several instances on one Redis, and a Redis that is not what it was.
//!
//! A test has a Redis of its own, instances on it, and a [`Raw`] client for what nobody expects there. It waits for what
//! an instance hears, or looks until something is so ([`eventually`]): never for a time.

mod announcements;
mod broadcasts;
mod dedup;
mod divergence;
mod order;
mod outage;
mod presence;
mod refusals;
mod retention;
#[path = "../../../tests/support/redis.rs"]
pub(in crate::broker) mod server;
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
use crate::broker::contract::{Heard, PATIENCE as PATIENCE_OF_TESTS, Subject, redis_at, room, shown, user};
use crate::store::digest;

/// How often it is looked whether something is so that nobody announces.
const LOOK: Duration = Duration::from_millis(10);

/// Where the engine finds that Redis.
pub(in crate::broker) fn target(url: &str) -> RedisTarget {
    let info = url.parse::<::redis::ConnectionInfo>().expect("a URL");
    let settings = info.redis_settings().clone().set_protocol(::redis::ProtocolVersion::RESP3);
    RedisTarget {
        client: Client::open(info.set_redis_settings(settings)).expect("a client"),
        prefix: "realtime".to_owned(),
        relay_channel: Some("ws:broadcast".to_owned()),
    }
}

/// A broker with an engine of its own, which ends when this is dropped.
type Instance = Subject<RedisBroker>;

/// An instance that keeps what is kept unless something else is asked for.
fn instance(redis: &Redis) -> Instance {
    keeping(redis, Retain::default())
}

fn keeping(redis: &Redis, retain: Retain) -> Instance {
    Subject::new(|feed| {
        let (broker, engine) = redis_at(&redis.url(), feed, retain);
        (broker, Box::new(engine))
    })
}

/// As many instances, all of which have opened the room `a`.
async fn instances_in_a<const COUNT: usize>(redis: &Redis) -> [Instance; COUNT] {
    let instances = std::array::from_fn(|_| instance(redis));
    for instance in &instances {
        instance.broker.open(&room("a")).await.expect("opened");
    }
    instances
}

impl Instance {
    /// Waits until this instance has heard a message of that text last of all entries.
    async fn hears(&self, text: &str) -> Vec<Heard> {
        self.heard.until(|heard| texts(heard).last().is_some_and(|last| last == text)).await
    }

    /// How often the log that is announced became another one.
    fn resets(heard: &[Heard]) -> usize {
        heard.iter().filter(|heard| matches!(heard, Heard::Reset(..))).count()
    }
}

/// The texts of the entries among what was heard.
fn texts(heard: &[Heard]) -> Vec<String> {
    let entry = |heard: &Heard| if let Heard::Entry(.., entry) = heard { Some(entry.clone()) } else { None };
    heard.iter().filter_map(entry).map(|entry| shown(&entry).text.as_str().to_owned()).collect()
}

/// Somebody else who talks to a Redis.
struct Raw(MultiplexedConnection);

impl Raw {
    async fn to(redis: &Redis) -> Self {
        let client = target(&redis.url()).client;
        Self(client.get_multiplexed_async_connection().await.expect("a connection"))
    }

    async fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = ::redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.0).await.unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Ends the connections of that name.
    async fn kill(&mut self, name: &str) {
        let clients: String = self.ask(&["CLIENT", "LIST"]).await;
        for client in clients.lines().filter(|client| client.contains(&format!(" name={name} "))) {
            let id = client.split(' ').find_map(|field| field.strip_prefix("id=")).expect("an id");
            // It may be gone meanwhile.
            let _: u64 = self.ask(&["CLIENT", "KILL", "ID", id]).await;
        }
    }
}

/// The channel of a room, with which its keys begin.
fn channel(name: &str) -> String {
    Keys::new("realtime").channel(&room(name))
}

/// Looks until something is so that nobody announces.
async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looking = timeout(PATIENCE_OF_TESTS, async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    });
    assert!(looking.await.is_ok(), "{what}: this has not come true");
}
