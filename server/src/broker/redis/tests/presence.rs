//! Members and counts of connections across instances that start, end and fail.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use realtime_shared::{Epoch, ServerEvent, SystemEvent};
use tokio::runtime::Builder;

use super::*;
use crate::broker::{Entry, PresenceChange, RoomFilter};
use crate::budget::Spending;

impl Instance {
    /// Adds a user of this instance to the room `a`. True if the user was on no instance before.
    async fn enter(&self, id: &str) -> bool {
        self.recorder.members.lock().insert((room("a"), user(id)));
        self.broker.enter(&room("a"), &user(id), 10).await.expect("entered").changed
    }

    /// Removes a user of this instance from the room `a`. True if the user is on no instance now.
    async fn leave(&self, id: &str) -> bool {
        self.recorder.members.lock().remove(&(room("a"), user(id)));
        self.broker.leave(&room("a"), &user(id), LeaveReason::Left).await.expect("left").changed
    }

    /// All presence changes, as soon as this one is the last.
    async fn wait_for_change(&self, last: &str) -> Vec<String> {
        presence_changes(
            &self
                .recorder
                .wait_until(|events| presence_changes(events).last().is_some_and(|text| text == last))
                .await,
        )
    }

    /// The members of the room `a`, sorted.
    async fn members(&self) -> Vec<String> {
        let presence = self.broker.members(&room("a"), 10).await.expect("members");
        let mut names: Vec<_> =
            presence.members.users().iter().map(|user| user.as_str().to_owned()).collect();
        assert_eq!(presence.count, names.len() as u64);
        names.sort();
        names
    }

    fn name(&self) -> Arc<str> {
        self.broker.0.transport.instance.get()
    }
}

/// The texts of joins and leaves among events; for a list of members, their number.
fn presence_changes(events: &[FeedEvent]) -> Vec<String> {
    let text = |event: &FeedEvent| {
        let FeedEvent::Signal(_, signal) = event else { return None };
        match codec::decode_server(&signal.json).expect("a frame").event {
            ServerEvent::System(SystemEvent::Joined(joined)) => Some(joined.message),
            ServerEvent::System(SystemEvent::Left(left)) => Some(left.message),
            ServerEvent::Members(members) => Some(format!("{} members", members.member_count)),
            other => panic!("{other:?}"),
        }
    };
    events.iter().filter_map(text).collect()
}

#[tokio::test]
async fn a_user_on_two_instances_leaves_with_the_last_one() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    assert!(one.enter("alice").await);
    assert!(!other.enter("alice").await);
    assert!(!one.leave("alice").await);
    assert_eq!(one.members().await, ["alice"]);
    assert!(other.leave("alice").await);
    assert!(one.enter("bob").await);
    for instance in [one, other] {
        assert_eq!(
            instance.wait_for_change("bob joined").await,
            ["alice joined", "alice left", "bob joined"]
        );
        assert_eq!(instance.members().await, ["bob"]);
    }
}

#[tokio::test]
async fn presence_changes_during_a_disconnection_end_in_the_current_members() {
    let redis = Redis::start();
    let [disconnected, other] = instances_in_a::<2>(&redis).await;
    other.enter("alice").await;
    disconnected.wait_for_change("alice joined").await;
    RedisClient::connect(&redis).await.kill("realtime-subscriber").await;
    other.enter("bob").await;
    other.leave("alice").await;
    other.enter("carol").await;
    // Any number of the changes may have arrived, but the last event has the current members.
    let events = disconnected.recorder.wait_until(|events| {
        presence_changes(events).last().is_some_and(|text| text == "2 members" || text == "carol joined")
    });
    events.await;
    assert_eq!(disconnected.members().await, ["bob", "carol"]);
}

/// The purpose of leases: an instance ends without leaving.
#[tokio::test]
async fn the_users_of_a_silent_instance_leave_once() {
    let redis = Redis::start();
    let [one, other, dying] = instances_in_a::<3>(&redis).await;
    one.enter("alice").await;
    for id in ["alice", "bob", "carol"] {
        dying.enter(id).await;
    }
    for (instance, id) in [(&one, "alice"), (&dying, "bob"), (&dying, "bob"), (&dying, "carol")] {
        instance.broker.connect(&user(id), 2).await.expect("an answer").expect("counted");
    }
    assert_eq!(one.broker.connect(&user("bob"), 2).await, Ok(None), "two on the other instance");
    assert_eq!(one.broker.connect(&user("dave"), 2).await, Ok(Some(5)));
    one.wait_for_change("carol joined").await;
    other.wait_for_change("carol joined").await;
    for instance in [&one, &other] {
        instance.recorder.take();
    }
    // A killed instance does not clear its counts.
    let (mut raw, keys, name) =
        (RedisClient::connect(&redis).await, Keys::new("realtime"), dying.broker.0.transport.instance.get());
    drop(dying);
    let _: u64 = raw.query(&["HSET", &keys.online(), &name, "3"]).await;
    let _: u64 = raw.query(&["HSET", &keys.online_at(&name), "bob", "2"]).await;
    assert_eq!(other.broker.connect(&user("bob"), 2).await, Ok(None), "the lease has not ended");
    for instance in [&one, &other] {
        instance.recorder.wait_until(|events| presence_changes(events).len() == 2).await;
    }
    one.enter("dave").await;
    for instance in [&one, &other] {
        let mut changes = instance.wait_for_change("dave joined").await;
        changes.sort();
        assert_eq!(changes, ["bob left", "carol left", "dave joined"]);
        assert_eq!(instance.members().await, ["alice", "dave"]);
    }
    eventually("the keys of the instance are deleted", async || {
        raw.query::<u64>(&["HLEN", &keys.beats()]).await == 2
    })
    .await;
    assert_eq!(other.broker.connect(&user("bob"), 2).await, Ok(Some(3)));
}

/// Its members stay until the lease ends, because they may be reconnecting to another instance.
#[tokio::test]
async fn an_ending_instance_clears_its_counts_of_connections() {
    let redis = Redis::start();
    let [one, ending] = instances_in_a::<2>(&redis).await;
    ending.enter("bob").await;
    assert_eq!(ending.broker.connect(&user("bob"), 1).await, Ok(Some(1)));
    assert_eq!(one.broker.connect(&user("bob"), 1).await, Ok(None));
    drop(ending);
    assert_eq!(one.broker.connect(&user("bob"), 1).await, Ok(Some(1)));
    assert_eq!(one.members().await, ["bob"]);
}

/// The other instances ended the lease of an instance that lives and still has its users.
#[tokio::test]
async fn an_instance_whose_lease_was_ended_registers_again_with_its_users() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.enter("alice").await;
    other.enter("bob").await;
    assert_eq!(one.broker.connect(&user("alice"), 1).await, Ok(Some(1)));
    let (before, keys, mut raw) = (one.name(), Keys::new("realtime"), RedisClient::connect(&redis).await);
    let gone: u64 = raw.query(&["HDEL", &keys.beats(), &before]).await;
    assert_eq!(gone, 1);
    eventually("the keys of the former name are deleted", async || {
        let left: u64 = raw
            .query(&[
                "EXISTS",
                &keys::at(&channel("a"), &before),
                &keys.online_at(&before),
                &keys.rooms_at(&before),
            ])
            .await;
        left == 0 && one.name() != before
    })
    .await;
    eventually("the connection is counted again", async || {
        let all: Vec<u64> = raw.query(&["HVALS", &keys.online()]).await;
        all.iter().sum::<u64>() == 1
    })
    .await;
    assert_eq!(other.members().await, ["alice", "bob"]);
    assert_eq!(other.broker.connect(&user("alice"), 1).await, Ok(None));
    // The user is on one instance only, so its leave is announced.
    assert!(one.leave("alice").await);
    let changes = other.wait_for_change("alice left").await;
    assert!(!changes[..changes.len() - 1].contains(&"alice left".to_owned()), "{changes:?}");
}

/// Later changes are announced too.
#[tokio::test]
async fn members_and_counts_are_republished_after_redis_lost_all_keys() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    for id in ["alice", "bob", "carol"] {
        one.enter(id).await;
    }
    other.enter("dave").await;
    for (instance, id) in [(&one, "alice"), (&one, "bob"), (&other, "dave")] {
        instance.broker.connect(&user(id), 0).await.expect("an answer").expect("counted");
    }
    other.wait_for_change("dave joined").await;
    let mut raw = RedisClient::connect(&redis).await;
    let _: String = raw.query(&["FLUSHALL"]).await;
    eventually("all members are republished", async || {
        one.members().await == ["alice", "bob", "carol", "dave"]
    })
    .await;
    eventually("all are counted", async || {
        let all: Vec<u64> = raw.query(&["HVALS", &Keys::new("realtime").online()]).await;
        all.iter().sum::<u64>() == 3
    })
    .await;
    for instance in [&one, &other] {
        instance.wait_for_change("4 members").await;
    }
    one.leave("bob").await;
    for instance in [&one, &other] {
        instance.wait_for_change("bob left").await;
    }
    let (rooms, _) = other.broker.list(RoomFilter::with_prefix(String::new()), 10).await.expect("a list");
    assert_eq!(rooms.iter().map(|of| (of.room.as_str(), of.member_count)).collect::<Vec<_>>(), [("a", 3)]);
}

/// The older state has the same number of members and a current heartbeat, so neither shows the loss.
#[tokio::test]
async fn members_and_counts_are_republished_after_redis_returned_to_an_older_state() {
    let mut redis = Redis::start_with(&[]);
    let [one] = instances_in_a::<1>(&redis).await;
    one.enter("alice").await;
    assert_eq!(one.broker.connect(&user("alice"), 1).await, Ok(Some(1)));
    let _: String = RedisClient::connect(&redis).await.query(&["SAVE"]).await;
    one.leave("alice").await;
    one.enter("bob").await;
    assert_eq!(one.broker.connect(&user("bob"), 1).await, Ok(Some(2)));
    assert_eq!(one.broker.connect(&user("carol"), 1).await, Ok(Some(3)));
    redis.restart();
    let (mut raw, keys) = (RedisClient::connect(&redis).await, Keys::new("realtime"));
    eventually("the members are republished", async || one.members().await == ["bob"]).await;
    eventually("all are counted", async || {
        raw.query::<Vec<u64>>(&["HVALS", &keys.online_at(&one.name())]).await == [1, 1, 1]
            && raw.query::<Vec<u64>>(&["HVALS", &keys.online()]).await == [3]
    })
    .await;
}

/// An instance may write its counts while the others end its lease.
#[tokio::test]
async fn counts_of_an_instance_without_a_lease_are_ignored() {
    let redis = Redis::start();
    let one = instance(&redis);
    let (mut raw, keys) = (RedisClient::connect(&redis).await, Keys::new("realtime"));
    let _: u64 = raw.query(&["HSET", &keys.online(), "gone", "7"]).await;
    assert_eq!(one.broker.connect(&user("alice"), 1).await, Ok(Some(1)));
}

/// Later changes are not skipped as old ones.
#[tokio::test]
async fn presence_is_announced_after_the_presence_version_went_back() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    for id in ["alice", "bob", "carol"] {
        one.enter(id).await;
    }
    other.wait_for_change("carol joined").await;
    let _: u64 =
        RedisClient::connect(&redis).await.query(&["HSET", &keys::meta(&channel("a")), "people", "1"]).await;
    one.leave("alice").await;
    for instance in [&one, &other] {
        instance.wait_for_change("2 members").await;
    }
    one.leave("bob").await;
    other.wait_for_change("bob left").await;
}

/// The final counts are right, independent of the order in which the commands arrive.
#[tokio::test]
async fn concurrent_connects_and_disconnects_are_counted() {
    const THREADS: u64 = 4;
    const EACH: u64 = 200;
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let broker = &one.broker;
            scope.spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async {
                    for number in 0..EACH {
                        let id = user(&format!("{thread}-{number}"));
                        broker.connect(&id, 0).await.expect("an answer").expect("counted");
                        if number % 2 == 0 {
                            broker.disconnect(&id);
                        }
                    }
                });
            });
        }
    });
    let mut raw = RedisClient::connect(&redis).await;
    let (keys, name) = (Keys::new("realtime"), one.name());
    eventually("the remaining connections are counted", async || {
        let all: u64 = raw.query(&["HGET", &keys.online(), &name]).await;
        let users: u64 = raw.query(&["HLEN", &keys.online_at(&name)]).await;
        (all, users) == (THREADS * EACH / 2, THREADS * EACH / 2)
    })
    .await;
}

/// Otherwise a long republication would end the lease again.
#[tokio::test]
async fn an_instance_sends_heartbeats_while_it_republishes_its_members() {
    let redis = Redis::start_with(&[]);
    let one = EngineFixture::new(|feed| {
        let feed: Arc<dyn Feed> = Arc::new(ChangingUsersFeed {
            feed: feed.upgrade().expect("a feed"),
            asked: AtomicU64::default(),
        });
        let (broker, engine) =
            redis_at(&redis.url(), Arc::downgrade(&feed), Retain::default(), RoomLimits::none());
        (broker, Box::new((engine, feed)))
    });
    one.broker.open(&room("a")).await.expect("opened");
    let (before, keys, mut raw) = (one.name(), Keys::new("realtime"), RedisClient::connect(&redis).await);
    let _: u64 = raw.query(&["HDEL", &keys.beats(), &before]).await;
    eventually("heartbeats under another name", async || {
        let name = one.name();
        name != before && raw.query::<Option<u64>>(&["HGET", &keys.beats(), &name]).await > Some(2)
    })
    .await;
}

/// A feed with other users at each call, so that republication never ends.
struct ChangingUsersFeed {
    feed: Arc<dyn Feed>,
    asked: AtomicU64,
}

impl Feed for ChangingUsersFeed {
    fn replace(&self, _: &RoomName, _: &[Entry]) {}

    fn spent(&self, user: &UserId, spending: &Spending) {
        self.feed.spent(user, spending);
    }

    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry) {
        self.feed.entry(room, epoch, entry);
    }

    fn signal(&self, room: &RoomName, signal: &Signal) {
        self.feed.signal(room, signal);
    }

    fn presence(&self, room: &RoomName, change: &PresenceChange, signal: &mut dyn FnMut() -> Signal) {
        self.feed.presence(room, change, signal);
    }

    fn broadcast(&self, to: &Recipients, json: &Arc<str>) {
        self.feed.broadcast(to, json);
    }

    fn reset(&self, room: &RoomName, start: &Position, head: &Position, replayed: u64) {
        self.feed.reset(room, start, head, replayed);
    }

    fn users(&self, _: &RoomName) -> Vec<UserId> {
        vec![user(&self.asked.fetch_add(1, Ordering::Relaxed).to_string())]
    }
}

/// One round trip for each of many rooms would take longer than a lease.
#[tokio::test]
async fn rooms_are_republished_in_batches() {
    const ROOMS: u64 = 400;
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    for number in 0..ROOMS {
        one.broker.open(&room(&number.to_string())).await.expect("opened");
    }
    let (before, keys, mut raw) = (one.name(), Keys::new("realtime"), RedisClient::connect(&redis).await);
    let (reads, mut polls) = (raw.reads().await, 0);
    let _: u64 = raw.query(&["HDEL", &keys.beats(), &before]).await;
    eventually("all rooms are republished", async || {
        let name = one.name();
        if name == before {
            return false;
        }
        polls += 1;
        raw.query::<u64>(&["SCARD", &keys.rooms_at(&name)]).await == ROOMS
    })
    .await;
    let reads = raw.reads().await - reads - polls;
    assert!(reads < ROOMS / 4, "Redis has read {reads} times");
}

impl RedisClient {
    /// Number of times Redis has read from its connections.
    async fn reads(&mut self) -> u64 {
        let all: String = self.query(&["INFO", "stats"]).await;
        let number = all.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        number.expect("the statistic").trim().parse().expect("a number")
    }
}
