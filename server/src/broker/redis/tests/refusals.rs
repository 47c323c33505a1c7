//! A Redis that refuses commands, for example because its memory is full.

use super::*;

impl RedisClient {
    /// A statistic of a command: `calls`, `rejected_calls` or `failed_calls`.
    pub(super) async fn stat(&mut self, command: &str, name: &str) -> u64 {
        let all: String = self.query(&["INFO", "commandstats"]).await;
        let prefix = format!("cmdstat_{command}:");
        let fields = all.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        let number = fields.split(',').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        number.map_or(0, |number| number.parse().expect("a number"))
    }

    async fn set_memory(&mut self, limit: &str) {
        let _: String = self.query(&["CONFIG", "SET", "maxmemory", limit]).await;
    }
}

/// A full Redis ends no lease. The instance does not repeat refused commands without a pause.
#[tokio::test]
async fn an_instance_keeps_its_name_while_redis_is_full() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    assert_eq!(one.broker.connect(&user("alice"), 0).await, Ok(Some(1)));
    let (name, keys, mut raw) =
        (one.broker.0.transport.instance.get(), Keys::new("realtime"), RedisClient::connect(&redis).await);
    raw.set_memory("1").await;
    one.broker.disconnect(&user("alice"));
    eventually("heartbeats are refused", async || raw.stat("evalsha", "failed_calls").await >= 2).await;
    let refused = raw.stat("hset", "rejected_calls").await;
    assert!((1..15).contains(&refused), "{refused} times within a few heartbeats");
    raw.set_memory("0").await;
    eventually("the disconnection is counted", async || {
        raw.query::<u64>(&["HGET", &keys.online(), &name]).await == 0
    })
    .await;
    let beats: Vec<String> = raw.query(&["HKEYS", &keys.beats()]).await;
    assert_eq!(beats, [&*name]);
    assert_eq!(one.broker.0.transport.instance.get(), name);
}
