//! Keys that are computed from others, and are lost; and keys of another type.

use super::retention::sweep;
use super::*;
use crate::broker::RoomFilter;
use crate::broker::contract::submission;
use crate::broker::redis::transport::health::Probe;

impl Instance {
    /// Adds a user of this instance to a room that it has open.
    pub(super) async fn add(&self, name: &str, id: &str) {
        self.recorder.members.lock().insert((room(name), user(id)));
        self.broker.enter(&room(name), &user(id), 0).await.expect("entered");
    }

    /// The regular comparison with Redis.
    pub(super) async fn compare(&self) {
        self.broker.0.announcements.comparison.compare_all().await;
        self.broker.0.presence.counts.audit().await;
        self.broker.0.logs.index().restore_if_lost().await;
    }

    /// The names of all rooms in the list, sorted.
    async fn listed(&self) -> Vec<String> {
        let (rooms, _) = self.broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
        let mut names: Vec<_> = rooms.iter().map(|of| of.room.as_str().to_owned()).collect();
        names.sort();
        names
    }

    async fn probe(&self, number: u64) -> Probe {
        let transport = &self.broker.0.transport;
        let name = transport.instance.get();
        transport.health.probe(&transport.commands, &transport.keys, &name, number).await
    }
}

/// A sorted set with its scores, or a hash; sorted.
async fn content(raw: &mut RedisClient, words: &[&str]) -> Vec<(String, u64)> {
    let mut content: Vec<(String, u64)> = raw.query(words).await;
    content.sort();
    content
}

fn counted(members: &[(&str, u64)]) -> Vec<(String, u64)> {
    members.iter().map(|(id, count)| ((*id).to_owned(), *count)).collect()
}

#[tokio::test]
async fn lost_and_wrong_members_of_a_room_are_computed_from_the_users_of_its_instances() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    for (instance, id) in [(&one, "alice"), (&one, "carol"), (&other, "bob"), (&other, "carol")] {
        instance.add("a", id).await;
    }
    let mut raw = RedisClient::connect(&redis).await;
    let (members, instances) = (keys::members(&channel("a")), keys::instances(&channel("a")));
    let right = ["alice 1", "bob 1", "carol 2"];
    for damage in [
        &["DEL", &members][..],
        &["ZREM", &members, "alice", "bob", "carol"],
        &["ZADD", &members, "1", "ghost", "1", "phantom"],
        &["ZADD", &members, "9", "alice", "inf", "bob"],
        &["DEL", &instances],
        &["DEL", &members, &instances],
        &["SADD", &instances, "nobody"],
    ] {
        one.recorder.take();
        let _: u64 = raw.query(damage).await;
        eventually("the members are corrected", async || {
            one.compare().await;
            let all: u64 = raw.query(&["SCARD", &instances]).await;
            let now: Vec<(String, f64)> = raw.query(&["ZRANGE", &members, "0", "-1", "WITHSCORES"]).await;
            let mut now: Vec<_> = now.into_iter().map(|(id, count)| format!("{id} {count}")).collect();
            now.sort();
            all == 2 && now == right
        })
        .await;
        let shows = one.broker.members(&room("a"), 10).await.expect("members");
        assert_eq!(shows.count, 3, "{damage:?}");
    }
    // The last instance of a user decides, as before.
    one.recorder.members.lock().remove(&(room("a"), user("carol")));
    assert!(!one.broker.leave(&room("a"), &user("carol"), LeaveReason::Left).await.expect("left").changed);
    other.recorder.members.lock().remove(&(room("a"), user("carol")));
    assert!(other.broker.leave(&room("a"), &user("carol"), LeaveReason::Left).await.expect("left").changed);
}

/// Members see the same list as new ones.
#[tokio::test]
async fn members_are_sent_the_list_after_a_correction() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.add("a", "alice").await;
    one.recorder.wait_until(|events| events.len() == 1).await;
    let mut raw = RedisClient::connect(&redis).await;
    let _: u64 = raw.query(&["DEL", &keys::members(&channel("a"))]).await;
    one.compare().await;
    let events = one.recorder.wait_until(|events| events.len() == 2).await;
    assert!(
        matches!(&events[1], FeedEvent::Signal(_, signal) if signal.json.contains(r#""member_count":1"#))
    );
}

/// Without the correction, the user would be counted twice and never leave.
#[tokio::test]
async fn a_user_leaves_after_the_users_of_its_instance_were_lost() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.add("a", "alice").await;
    let (mut raw, members) = (RedisClient::connect(&redis).await, keys::members(&channel("a")));
    let name = one.broker.0.transport.instance.get();
    let _: u64 = raw.query(&["DEL", &keys::at(&channel("a"), &name)]).await;
    eventually("the users are sent, and the members corrected", async || {
        one.compare().await;
        let here: u64 = raw.query(&["SCARD", &keys::at(&channel("a"), &name)]).await;
        here == 1
            && content(&mut raw, &["ZRANGE", &members, "0", "-1", "WITHSCORES"]).await
                == counted(&[("alice", 1)])
    })
    .await;
    one.recorder.members.lock().remove(&(room("a"), user("alice")));
    assert!(one.broker.leave(&room("a"), &user("alice"), LeaveReason::Left).await.expect("left").changed);
}

#[tokio::test]
async fn lost_and_wrong_counts_of_connections_are_sent_again() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    for id in ["alice", "alice", "bob"] {
        one.broker.connect(&user(id), 0).await.expect("an answer").expect("counted");
    }
    let (mut raw, keys) = (RedisClient::connect(&redis).await, Keys::new("realtime"));
    let name = one.broker.0.transport.instance.get();
    let (online, here) = (keys.online(), keys.online_at(&name));
    for damage in [
        &["DEL", &online][..],
        &["DEL", &here],
        &["DEL", &online, &here],
        &["HSET", &online, &name, "many"],
        &["HSET", &online, &name, "7"],
        &["HDEL", &here, "bob"],
        &["HSET", &here, "alice", "1"],
        &["HSET", &here, "ghost", "7"],
        &["HSET", &here, "ghost", "7", "alice", "1"],
    ] {
        let _: u64 = raw.query(damage).await;
        eventually("the counts are sent", async || {
            one.compare().await;
            let all: Option<String> = raw.query(&["HGET", &online, &name]).await;
            all.as_deref() == Some("3")
                && content(&mut raw, &["HGETALL", &here]).await == counted(&[("alice", 2), ("bob", 1)])
        })
        .await;
    }
    assert_eq!(one.broker.connect(&user("alice"), 2).await, Ok(None));
}

#[tokio::test]
async fn the_lost_list_of_rooms_is_restored_also_for_rooms_without_a_member() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.add("a", "alice").await;
    for name in ["b", "c {d} %"] {
        one.post(submission("bob", name, "x")).await;
    }
    other.compare().await;
    assert_eq!(other.listed().await, ["a", "b", "c {d} %"]);
    let (mut raw, keys) = (RedisClient::connect(&redis).await, Keys::new("realtime"));
    let _: u64 = raw.query(&["DEL", &keys.rooms()]).await;
    // Other programs may use the Redis.
    let _: String = raw.query(&["SET", "realtime:{%fe}:log", "x"]).await;
    let _: String = raw.query(&["XADD", "other:{e}:log", "1-0", "i", "x"]).await;
    one.compare().await;
    assert_eq!(other.listed().await, ["a", "b", "c {d} %"]);

    let name = one.broker.0.transport.instance.get();
    let _: u64 = raw.query(&["SREM", &keys.rooms(), "a"]).await;
    let _: u64 = raw.query(&["DEL", &keys.rooms_at(&name)]).await;
    one.compare().await;
    assert_eq!(other.listed().await, ["a", "b", "c {d} %"]);
    let open: Vec<String> = raw.query(&["SMEMBERS", &keys.rooms_at(&name)]).await;
    assert_eq!(open, ["a"]);
}

#[tokio::test]
async fn users_are_removed_after_all_connections_of_their_instance_ended() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    let (mut raw, keys) = (RedisClient::connect(&redis).await, Keys::new("realtime"));
    let here = keys.online_at(&one.broker.0.transport.instance.get());
    let _: u64 = raw.query(&["HSET", &here, "ghost", "7"]).await;
    eventually("the user is removed", async || {
        one.compare().await;
        raw.query::<u64>(&["EXISTS", &here]).await == 0
    })
    .await;
}

/// Nothing is posted to the rooms meanwhile.
#[tokio::test]
async fn a_closed_room_that_one_set_of_rooms_has_lost_is_restored() {
    let redis = Redis::start();
    let one = instance(&redis);
    let mut raw = RedisClient::connect(&redis).await;
    let (rooms, founded) = (Keys::new("realtime").rooms(), Keys::new("realtime").founded_rooms());
    for name in ["a", "b"] {
        one.post(submission("bob", name, "x")).await;
    }
    for set in [&rooms, &founded] {
        let _: u64 = raw.query(&["SREM", set, "b"]).await;
        let _: u64 = raw.query(&["SADD", &founded, "ghost"]).await;
        sweep(&one, &mut raw).await;
        assert_eq!(one.listed().await, ["a", "b"]);
        for set in [&rooms, &founded] {
            let all: Vec<String> = raw.query(&["SMEMBERS", set]).await;
            let named = all.iter().filter(|name| !name.is_empty()).count();
            assert!(named == 2 && all.contains(&"b".to_owned()), "{set}: {all:?}");
        }
    }
}

/// The key of another type concerns one room.
#[tokio::test]
async fn a_key_of_another_type_in_a_room_concerns_no_other_room() {
    let redis = Redis::start();
    let [one] = instances_in_a::<1>(&redis).await;
    one.broker.open(&room("b")).await.expect("opened");
    one.add("a", "alice").await;
    one.add("b", "bob").await;
    one.compare().await;
    let (mut raw, name) = (RedisClient::connect(&redis).await, one.broker.0.transport.instance.get());
    let (a, b) = (channel("a"), channel("b"));
    for key in [keys::log(&b), keys::meta(&b), keys::members(&b), keys::instances(&b), keys::at(&b, &name)] {
        let _: u64 = raw.query(&["DEL", &key]).await;
        let _: String = raw.query(&["SET", &key, "x"]).await;
        assert!(one.listed().await.contains(&"a".to_owned()), "{key}");
        let _: u64 = raw.query(&["DEL", &keys::members(&a)]).await;
        one.compare().await;
        let count: u64 = raw.query(&["ZCARD", &keys::members(&a)]).await;
        assert_eq!(count, 1, "{key}");
        one.broker.0.logs.retention.sweep().await.expect("swept");
        let _: u64 = raw.query(&["DEL", &key, &Keys::new("realtime").sweep()]).await;
    }
}

/// Every new connection, or every join, needs these keys.
#[tokio::test]
async fn an_instance_is_not_ready_while_a_shared_key_has_another_type() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    let (mut raw, keys) = (RedisClient::connect(&redis).await, Keys::new("realtime"));
    let names = [&one, &other].map(|instance| instance.broker.0.transport.instance.get());
    for key in [
        keys.online(),
        keys.online_at(&names[0]),
        keys.online_at(&names[1]),
        keys.rooms_at(&names[0]),
        keys.rooms(),
    ] {
        let _: u64 = raw.query(&["DEL", &key]).await;
        let _: String = raw.query(&["SET", &key, "x"]).await;
        let Probe::Mute(fault) = one.probe(1).await else { panic!("received: {key}") };
        assert!(fault.starts_with("WRONGTYPE") && fault.contains(&key), "{key}: {fault}");
        let _: u64 = raw.query(&["DEL", &key]).await;
        assert_ne!(one.probe(2).await, Probe::Mute(fault), "{key}");
    }
    let _: u64 = raw.query(&["DEL", &keys.beats()]).await;
    let _: String = raw.query(&["SET", &keys.beats(), "x"]).await;
    eventually("the instance is not ready", async || {
        one.broker.readiness().is_err_and(|why| why.contains("WRONGTYPE") && why.contains(&keys.beats()))
    })
    .await;
    assert_eq!(one.broker.connect(&user("alice"), 2).await, Err(Unavailable));
    let _: u64 = raw.query(&["DEL", &keys.beats()]).await;
    eventually("the instance is ready", async || one.broker.readiness().is_ok()).await;
    eventually("users connect", async || one.broker.connect(&user("alice"), 2).await.is_ok()).await;
}

/// A lock without an end would stop retention on all instances.
#[tokio::test]
async fn the_turn_of_a_sweep_ends_even_if_its_key_was_damaged() {
    let redis = Redis::start();
    let one = instance(&redis);
    let (mut raw, sweep) = (RedisClient::connect(&redis).await, Keys::new("realtime").sweep());
    for damage in [&["SET", &sweep, "x"][..], &["SADD", &sweep, "x"]] {
        let _: ::redis::Value = raw.query(damage).await;
        one.broker.0.logs.retention.sweep().await.expect("an answer");
        let left: i64 = raw.query(&["TTL", &sweep]).await;
        assert!((1..=50).contains(&left), "{damage:?}: {left}");
        let _: u64 = raw.query(&["DEL", &sweep]).await;
    }
}
