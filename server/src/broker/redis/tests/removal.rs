//! Removal of rooms that nobody is in and whose entries are all past the retention.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;

use super::listing::{ROOMS, first_rooms, post_to_many};
use super::retention::{HOUR, aged, at_time, at_time_with, real_now, settled, stored, sweep};
use super::*;
use crate::broker::DEDUP_WINDOW;
use crate::broker::Receipt;
use crate::broker::contract::removal::{AgedEntries, an_hour};
use crate::broker::contract::submission;
use crate::broker::redis::log::retention::removal;
use crate::clock::Judged;

/// A time as long ago that a room with a message of that time may be removed.
fn long_ago() -> Arc<AtomicU64> {
    Arc::new(AtomicU64::new(real_now() - 25 * HOUR))
}

/// An instance whose retention is an hour, and whose clock shows the real time.
async fn keeping_an_hour(redis: &Redis) -> Instance {
    let one = instance_with(redis, aged(Duration::from_hours(1)));
    settled(&one).await;
    one
}

/// Posts a message to each room, long ago: no `client_msg_id` of them is known any more.
async fn post_long_ago(redis: &Redis, raw: &mut RedisClient, names: &[&str]) {
    let past = at_time(redis, &long_ago(), Retain::default());
    for name in names {
        past.post(submission("alice", name, "old")).await;
        forget_ids(raw, name).await;
    }
}

/// The keys of known messages expire a day after the last message.
async fn forget_ids(raw: &mut RedisClient, name: &str) {
    let channel = channel(name);
    let _: u64 = raw.query(&["DEL", &keys::known(&channel, 0), &keys::known(&channel, 1)]).await;
}

/// Number of the room's own keys.
async fn keys_of(raw: &mut RedisClient, name: &str) -> u64 {
    let channel = channel(name);
    let keys = [
        keys::log(&channel),
        keys::meta(&channel),
        keys::known(&channel, 0),
        keys::known(&channel, 1),
        keys::members(&channel),
        keys::instances(&channel),
    ];
    let words: Vec<&str> = std::iter::once("EXISTS").chain(keys.iter().map(String::as_str)).collect();
    raw.query(&words).await
}

/// The names in the set of all rooms, and in the set of rooms with an entry; sorted.
async fn sets(raw: &mut RedisClient) -> [Vec<String>; 2] {
    let keys = Keys::new("realtime");
    let mut sets: [Vec<String>; 2] = [
        raw.query(&["SMEMBERS", &keys.rooms()]).await,
        raw.query(&["SMEMBERS", &keys.founded_rooms()]).await,
    ];
    for set in &mut sets {
        set.retain(|name| !name.is_empty());
        set.sort();
    }
    sets
}

/// Calls the script for one room as a sweep does. With another channel its announcement is lost.
async fn remove(instance: &Instance, name: &str, announced_in: &str) -> u64 {
    let transport = &instance.broker.0.transport;
    let remove = removal(&transport.keys, &room(name), announced_in, real_now() - 24 * HOUR);
    let mut removing = ::redis::Pipeline::new();
    removing.add_command(remove);
    let answers = transport.ask(&removing).await.expect("an answer");
    FromRedisValue::from_redis_value(answers[0].clone()).expect("a number")
}

/// The lines of the announcements in a room's channel from now on.
async fn announcements(redis: &Redis, name: &str) -> Lines<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.expect("a listener");
    let command = format!("SSUBSCRIBE {}\r\n", channel(name));
    stream.write_all(command.as_bytes()).await.expect("sent");
    let mut lines = BufReader::new(stream).lines();
    while next(&mut lines).await != "1" {}
    lines
}

/// The next line of announcements, without the lines of the protocol.
async fn next(lines: &mut Lines<BufReader<TcpStream>>) -> String {
    loop {
        let line = timeout(TEST_TIMEOUT, lines.next_line()).await.expect("an announcement");
        let line = line.expect("a line").expect("a connection");
        let number = line.strip_prefix(':').unwrap_or(&line);
        if !number.starts_with(['*', '$', '>']) && number != "smessage" && !number.contains('{') {
            return number.to_owned();
        }
    }
}

async fn post(instance: &Instance, name: &str) -> Receipt {
    instance.post(submission("bob", name, "new")).await
}

/// An engine whose entries get their age from the clock of another instance.
pub(in crate::broker) struct RedisEntries {
    fixture: Instance,
    redis: Redis,
}

impl AgedEntries for RedisEntries {
    type Broker = RedisBroker;

    async fn start(rooms: RoomLimits) -> Self {
        let redis = Redis::start_with(&[]);
        let now = Arc::new(AtomicU64::new(real_now()));
        let fixture = at_time_with(&redis, &now, an_hour(), rooms);
        settled(&fixture).await;
        Self { fixture, redis }
    }

    fn fixture(&self) -> &Instance {
        &self.fixture
    }

    async fn post_aged(&self, submission: Submission, age: Duration) -> Receipt {
        let name = submission.room.clone();
        let millis = u64::try_from(age.as_millis()).expect("short");
        let past = Arc::new(AtomicU64::new(real_now() - millis));
        let receipt = at_time(&self.redis, &past, Retain::default()).post(submission).await;
        if age > DEDUP_WINDOW {
            forget_ids(&mut RedisClient::connect(&self.redis).await, name.as_str()).await;
        }
        receipt
    }

    async fn sweep(&self) {
        sweep(&self.fixture, &mut RedisClient::connect(&self.redis).await).await;
    }
}

#[tokio::test]
async fn a_room_is_removed_a_day_after_its_last_message_when_no_client_msg_id_is_known() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let past = long_ago();
    let before = at_time(&redis, &past, Retain::default());
    before.fill("old", 3).await;
    past.fetch_add(2 * HOUR, Ordering::Relaxed);
    before.fill("young", 3).await;
    forget_ids(&mut raw, "young").await;
    let one = keeping_an_hour(&redis).await;
    sweep(&one, &mut raw).await;
    assert_eq!((stored(&mut raw, "old").await, stored(&mut raw, "young").await), (1, 1), "an id is known");
    forget_ids(&mut raw, "old").await;
    sweep(&one, &mut raw).await;
    assert_eq!((keys_of(&mut raw, "old").await, stored(&mut raw, "young").await), (0, 1));
    assert_eq!(sets(&mut raw).await, [["young"], ["young"]]);
}

#[tokio::test]
async fn a_room_with_a_message_within_the_retention_is_not_removed() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_long_ago(&redis, &mut raw, &["a"]).await;
    for retain in [Retain::default(), aged(Duration::from_hours(26))] {
        let one = instance_with(&redis, retain);
        settled(&one).await;
        sweep(&one, &mut raw).await;
        assert_eq!(stored(&mut raw, "a").await, 1);
    }
    // The newest message has the time of a wrong clock; the one before it does not.
    post(&instance(&redis), "b").await;
    at_time(&redis, &long_ago(), Retain::default()).fill("b", 1).await;
    forget_ids(&mut raw, "b").await;
    let one = keeping_an_hour(&redis).await;
    sweep(&one, &mut raw).await;
    assert_eq!((keys_of(&mut raw, "a").await, stored(&mut raw, "b").await), (0, 2));
}

#[tokio::test]
async fn a_room_with_a_member_is_not_removed() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_long_ago(&redis, &mut raw, &["a"]).await;
    let (one, other) = (keeping_an_hour(&redis).await, instance(&redis));
    other.broker.enter(&room("a"), &user("bob"), 0).await.expect("entered");
    sweep(&one, &mut raw).await;
    assert_eq!(stored(&mut raw, "a").await, 1);
    other.broker.leave(&room("a"), &user("bob"), LeaveReason::Left).await.expect("left");
    sweep(&one, &mut raw).await;
    assert_eq!(keys_of(&mut raw, "a").await, 0);
}

#[tokio::test]
async fn no_room_is_removed_while_a_clock_is_in_doubt() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_long_ago(&redis, &mut raw, &["a"]).await;
    let one = keeping_an_hour(&redis).await;
    let retention = &one.broker.0.logs.retention;
    let now = Timestamp::from_millis(100 * HOUR);
    let before = |drops, forgets| retention.last_before(Judged { now, drops, forgets });
    assert_eq!(before(true, true), 76 * HOUR);
    // A message of the last day may have a wrong time.
    assert_eq!((before(true, false), before(false, true)), (0, 0));
    retention.clock.observe(Timestamp::from_millis(real_now() + 60_000));
    sweep(&one, &mut raw).await;
    assert_eq!(stored(&mut raw, "a").await, 1);
}

#[tokio::test]
async fn instances_that_follow_a_removed_room_are_reset_and_the_next_room_has_another_epoch() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_long_ago(&redis, &mut raw, &["a"]).await;
    let (one, other) = (keeping_an_hour(&redis).await, instance(&redis));
    // The presence version of the replica is higher than that of the next room.
    for _ in 0..3 {
        other.broker.enter(&room("a"), &user("bob"), 0).await.expect("entered");
        other.broker.leave(&room("a"), &user("bob"), LeaveReason::Left).await.expect("left");
    }
    let old = other.broker.open(&room("a")).await.expect("opened");
    let mut lines = announcements(&redis, "a").await;
    sweep(&one, &mut raw).await;
    assert_eq!((next(&mut lines).await, next(&mut lines).await), ("m".to_owned(), "7".to_owned()));
    let reset = FeedEvent::Reset(room("a"), Position::Start, 0);
    other.recorder.wait_until(|events| events.contains(&reset)).await;
    other.broker.catch_up(&room("a")).await.expect("answered");
    assert_eq!(keys_of(&mut raw, "a").await, 0, "a reader leaves no key");
    let receipt = post(&one, "a").await;
    assert_eq!((receipt.seq.get(), old.seq().get()), (1, 1));
    assert_ne!(Some(&receipt.epoch), old.epoch());
    other.wait_for_text("new").await;
    assert_eq!(sets(&mut raw).await, [["a"], ["a"]]);

    other.add("a", "carol").await;
    let version = async || other.broker.members(&room("a"), 0).await.expect("members").presence_version;
    eventually("presence versions continue", async || {
        other.compare().await;
        version().await > 6
    })
    .await;
}

#[tokio::test]
async fn a_lost_announcement_of_a_removal_is_found_by_a_comparison() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_long_ago(&redis, &mut raw, &["a"]).await;
    let [one, other] = instances_in_a::<2>(&redis).await;
    assert_eq!(remove(&one, "a", "elsewhere").await, 2);
    assert!(other.recorder.take().is_empty());
    other.compare().await;
    let reset = FeedEvent::Reset(room("a"), Position::Start, 0);
    other.recorder.wait_until(|events| events.contains(&reset)).await;
    assert_eq!(post(&other, "a").await.seq.get(), 1);
}

/// Both instances remember the room to be in the set of rooms.
#[tokio::test]
async fn a_message_or_a_join_after_a_removal_begins_a_new_room() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let past = at_time(&redis, &long_ago(), Retain::default());
    let olds = [past.fill("a", 1).await, past.fill("b", 1).await].concat();
    forget_ids(&mut raw, "a").await;
    forget_ids(&mut raw, "b").await;
    let one = keeping_an_hour(&redis).await;
    sweep(&one, &mut raw).await;
    assert_eq!(sets(&mut raw).await, [[""; 0], [""; 0]]);
    let new = past.post(submission("alice", "a", "new")).await;
    assert_eq!((new.seq.get(), new.duplicate), (1, false));
    assert!(new.epoch != olds[0].epoch);
    past.broker.open(&room("b")).await.expect("opened");
    past.broker.enter(&room("b"), &user("bob"), 0).await.expect("entered");
    assert_eq!(past.head("b").await, Position::Start);
    assert_eq!(sets(&mut raw).await, [&["a", "b"][..], &["a"]]);
    // The message is old, since the clock of its instance is.
    for name in ["a", "b"] {
        forget_ids(&mut raw, name).await;
        let _: u64 = raw.query(&["DEL", &Keys::new("realtime").rooms()]).await;
        assert_eq!(remove(&one, name, "elsewhere").await, u64::from(name == "a") * 2, "{name}");
    }
    assert_eq!(sets(&mut raw).await, [&["b"][..], &[]], "a member keeps a room in the set of all rooms");
}

/// Each message is either the second of the old room or the first of a new one.
#[tokio::test]
async fn messages_that_race_with_a_removal_are_stored() {
    const RACES: usize = 60;
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let names: Vec<String> = (0..RACES).map(|number| format!("room-{number:02}")).collect();
    let olds = {
        let past = at_time(&redis, &long_ago(), Retain::default());
        let mut olds = Vec::new();
        for name in &names {
            olds.extend(past.fill(name, 1).await);
            forget_ids(&mut raw, name).await;
        }
        olds
    };
    let (one, other) = (keeping_an_hour(&redis).await, instance(&redis));
    let posts = async {
        let mut receipts = Vec::new();
        for name in &names {
            receipts.push(post(&other, name).await);
        }
        receipts
    };
    // The first order is certain for one room, and the other one for another.
    assert_eq!(remove(&one, &names[RACES - 1], &channel(&names[RACES - 1])).await, 2);
    post(&other, &names[0]).await;
    let removals = async {
        for name in names.iter().rev() {
            remove(&one, name, &channel(name)).await;
        }
    };
    let (receipts, ()) = tokio::join!(posts, removals);
    let mut new = 0;
    for ((name, old), receipt) in names.iter().zip(&olds).zip(&receipts) {
        let is_new = receipt.epoch != old.epoch;
        let is_first = *name == names[0];
        assert_eq!(receipt.seq.get(), if is_new { 1 } else { 2 + u64::from(is_first) }, "{name}");
        let page = other.broker.history(&room(name), Range::Newest, 10, usize::MAX).await.expect("a page");
        assert_eq!(page.entries.last().map(|entry| entry.id), Some(receipt.id), "{name}");
        assert_eq!(page.epoch.as_ref(), Some(&receipt.epoch), "{name}");
        new += usize::from(is_new);
    }
    assert!((1..RACES).contains(&new), "both orders: {new}");
    assert_eq!(sets(&mut raw).await, [names.clone(), names]);
}

/// Each room keeps the member of a join, and is in the set of rooms.
#[tokio::test]
async fn joins_that_race_with_a_removal_are_counted() {
    const RACES: usize = 60;
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let names: Vec<String> = (0..RACES).map(|number| format!("room-{number:02}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    post_long_ago(&redis, &mut raw, &all).await;
    let (one, other) = (keeping_an_hour(&redis).await, instance(&redis));
    let join = async |name: &str| {
        other.broker.open(&room(name)).await.expect("opened");
        other.broker.enter(&room(name), &user("bob"), 0).await.expect("entered");
    };
    // The first order is certain for one room, and the other one for another.
    assert_eq!(remove(&one, &names[RACES - 1], &channel(&names[RACES - 1])).await, 2);
    join(&names[0]).await;
    let joins = async {
        for name in &names[1..] {
            join(name).await;
        }
    };
    let removals = async {
        for name in names.iter().rev() {
            remove(&one, name, &channel(name)).await;
        }
    };
    let ((), ()) = tokio::join!(joins, removals);
    let mut kept = 0;
    for name in &names {
        assert_eq!(other.broker.members(&room(name), 0).await.expect("members").count, 1, "{name}");
        let log = stored(&mut raw, name).await;
        kept += log;
        other.broker.catch_up(&room(name)).await.expect("answered");
        let head = other.broker.open(&room(name)).await.expect("opened");
        assert_eq!(head.seq().get(), log, "{name}");
    }
    assert!((1..RACES as u64).contains(&kept), "both orders: {kept}");
    assert_eq!(sets(&mut raw).await[0], names);
}

#[tokio::test]
async fn a_removed_room_leaves_the_lists_of_all_instances() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_to_many(&instance(&redis)).await;
    post_long_ago(&redis, &mut raw, &["old"]).await;
    let (one, other) = (keeping_an_hour(&redis).await, instance(&redis));
    for instance in [&one, &other] {
        eventually("the room is listed", async || {
            first_rooms(instance, "", ROOMS + 1).await.len() == ROOMS + 1
        })
        .await;
    }
    other.broker.0.logs.index().remember(room("old"));
    sweep(&one, &mut raw).await;
    eventually("the room is forgotten", async || !other.broker.0.logs.index().contains(&room("old"))).await;
    for instance in [&one, &other] {
        eventually("the room is not listed", async || first_rooms(instance, "old", 1).await.is_empty()).await;
        assert_eq!(first_rooms(instance, "", ROOMS + 1).await.len(), ROOMS);
    }
}

#[tokio::test]
async fn a_removed_room_does_not_count_as_one_of_all_rooms() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    post_long_ago(&redis, &mut raw, &["old"]).await;
    let limits = RoomLimits { new_per_user: 0, total: 1 };
    let now = Arc::new(AtomicU64::new(real_now()));
    let one = at_time_with(&redis, &now, aged(Duration::from_hours(1)), limits);
    settled(&one).await;
    let refused = async |name| {
        let (done, outcome) = tokio::sync::oneshot::channel();
        one.submit(submission("bob", name, "new"), move |result| {
            let _ = done.send(result.is_err());
        });
        outcome.await.expect("completed")
    };
    assert!(refused("new").await);
    sweep(&one, &mut raw).await;
    assert!(!refused("new").await);
    assert!(refused("old").await, "the limit applies to a removed room as to any new one");
}

/// The script uses keys of two slots.
#[tokio::test]
async fn rooms_are_removed_and_restored_on_a_cluster_of_one_node() {
    let (redis, mut raw) = cluster_of_one_node().await;
    let past = at_time(&redis, &long_ago(), Retain::default());
    past.fill("old", 1).await;
    let channel = channel("old");
    for generation in 0..2 {
        let _: u64 = raw.query(&["DEL", &keys::known(&channel, generation)]).await;
    }
    let one = keeping_an_hour(&redis).await;
    post(&one, "a").await;
    let _: u64 = raw.query(&["SREM", &Keys::new("realtime").rooms(), "a"]).await;
    sweep(&one, &mut raw).await;
    assert_eq!(sets(&mut raw).await, [["a"], ["a"]]);
    assert_eq!(stored(&mut raw, "old").await, 0);
}

/// The stream of a room may be emptied by hand.
#[tokio::test]
async fn a_room_with_an_empty_log_is_removed_unless_it_has_a_member() {
    let redis = Redis::start_with(&[]);
    let mut raw = RedisClient::connect(&redis).await;
    let one = instance(&redis);
    one.fill("a", 3).await;
    one.broker.enter(&room("a"), &user("bob"), 0).await.expect("entered");
    let _: u64 = raw.query(&["XTRIM", &keys::log(&channel("a")), "MAXLEN", "0"]).await;
    sweep(&one, &mut raw).await;
    assert_eq!(sets(&mut raw).await, [&["a"][..], &[]]);
    one.broker.leave(&room("a"), &user("bob"), LeaveReason::Left).await.expect("left");
    sweep(&one, &mut raw).await;
    assert_eq!(keys_of(&mut raw, "a").await, 0);
    assert_eq!(sets(&mut raw).await, [[""; 0], [""; 0]]);
}
