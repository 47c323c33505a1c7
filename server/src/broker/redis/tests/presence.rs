//! Who is there, and how many are connected, over instances that come and go.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use realtime_shared::{Epoch, ServerEvent, SystemEvent};
use tokio::runtime::Builder;

use super::*;
use crate::broker::Entry;

impl Instance {
    /// A user comes into the room `a` here; whether it was on no instance before.
    async fn enters(&self, id: &str) -> bool {
        self.heard.there.lock().insert((room("a"), user(id)));
        self.broker.enter(&room("a"), &user(id), 10).await.expect("entered").changed
    }

    /// It leaves it here; whether it is on no instance now.
    async fn leaves(&self, id: &str) -> bool {
        self.heard.there.lock().remove(&(room("a"), user(id)));
        self.broker.leave(&room("a"), &user(id), LeaveReason::Left).await.expect("left").changed
    }

    /// Waits until this is said, and tells all that was said until then of who comes and goes.
    async fn is_told(&self, last: &str) -> Vec<String> {
        told(&self.heard.until(|heard| told(heard).last().is_some_and(|said| said == last)).await)
    }

    /// Who is in the room `a`, in order.
    async fn members(&self) -> Vec<String> {
        let presence = self.broker.members(&room("a"), 10).await.expect("members");
        let mut names: Vec<_> = presence.members.iter().map(|user| user.as_str().to_owned()).collect();
        assert_eq!(presence.count, names.len() as u64);
        names.sort();
        names
    }

    fn name(&self) -> Arc<str> {
        self.broker.0.transport.instance.get()
    }
}

/// What was said of who comes and goes; of a list of all, how many they are.
fn told(heard: &[Heard]) -> Vec<String> {
    let say = |heard: &Heard| {
        let Heard::Signal(_, signal) = heard else { return None };
        match codec::decode_server(&signal.json).expect("a frame").event {
            ServerEvent::System(SystemEvent::Joined(joined)) => Some(joined.message),
            ServerEvent::System(SystemEvent::Left(left)) => Some(left.message),
            ServerEvent::Members(members) => Some(format!("{} are there", members.member_count)),
            other => panic!("{other:?}"),
        }
    };
    heard.iter().filter_map(say).collect()
}

#[tokio::test]
async fn who_is_on_two_instances_has_left_when_it_left_both() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    assert!(one.enters("alice").await);
    assert!(!other.enters("alice").await);
    assert!(!one.leaves("alice").await);
    assert_eq!(one.members().await, ["alice"]);
    assert!(other.leaves("alice").await);
    assert!(one.enters("bob").await);
    for instance in [one, other] {
        assert_eq!(instance.is_told("bob joined").await, ["alice joined", "alice left", "bob joined"]);
        assert_eq!(instance.members().await, ["bob"]);
    }
}

#[tokio::test]
async fn what_was_said_of_people_while_nobody_heard_it_is_told_all_at_once() {
    let redis = Redis::start();
    let [deaf, other] = instances_in_a::<2>(&redis).await;
    other.enters("alice").await;
    deaf.is_told("alice joined").await;
    Raw::to(&redis).await.kill("realtime-subscriber").await;
    other.enters("bob").await;
    other.leaves("alice").await;
    other.enters("carol").await;
    // How much of it was heard is open; that it ends with who is there now is not.
    let heard = deaf.heard.until(|heard| {
        told(heard).last().is_some_and(|said| said == "2 are there" || said == "carol joined")
    });
    heard.await;
    assert_eq!(deaf.members().await, ["bob", "carol"]);
}

/// All that a lease is for: an instance ends without a word.
#[tokio::test]
async fn an_instance_that_is_silent_loses_its_users_once() {
    let redis = Redis::start();
    let [one, other, dying] = instances_in_a::<3>(&redis).await;
    one.enters("alice").await;
    for id in ["alice", "bob", "carol"] {
        dying.enters(id).await;
    }
    for (instance, id) in [(&one, "alice"), (&dying, "bob"), (&dying, "bob"), (&dying, "carol")] {
        instance.broker.connect(&user(id), 2).await.expect("asked").expect("counted");
    }
    assert_eq!(one.broker.connect(&user("bob"), 2).await, Ok(None), "two on the other instance");
    assert_eq!(one.broker.connect(&user("dave"), 2).await, Ok(Some(5)));
    one.is_told("carol joined").await;
    other.is_told("carol joined").await;
    for instance in [&one, &other] {
        instance.heard.take();
    }
    // One that is killed does not say that it has no connections any more.
    let (mut raw, keys, name) =
        (Raw::to(&redis).await, Keys::new("realtime"), dying.broker.0.transport.instance.get());
    drop(dying);
    let _: u64 = raw.ask(&["HSET", &keys.online(), &name, "3"]).await;
    let _: u64 = raw.ask(&["HSET", &keys.online_at(&name), "bob", "2"]).await;
    assert_eq!(other.broker.connect(&user("bob"), 2).await, Ok(None), "as far as is known yet");
    for instance in [&one, &other] {
        instance.heard.until(|heard| told(heard).len() == 2).await;
    }
    one.enters("dave").await;
    for instance in [&one, &other] {
        let mut told = instance.is_told("dave joined").await;
        told.sort();
        assert_eq!(told, ["bob left", "carol left", "dave joined"]);
        assert_eq!(instance.members().await, ["alice", "dave"]);
    }
    eventually("nothing is left of the instance", async || {
        raw.ask::<u64>(&["HLEN", &keys.beats()]).await == 2
    })
    .await;
    assert_eq!(other.broker.connect(&user("bob"), 2).await, Ok(Some(3)));
}

/// It takes its connections with it, and leaves its members to the lease: they may be on their way elsewhere.
#[tokio::test]
async fn an_instance_that_ends_counts_no_more() {
    let redis = Redis::start();
    let [one, ending] = instances_in_a::<2>(&redis).await;
    ending.enters("bob").await;
    assert_eq!(ending.broker.connect(&user("bob"), 1).await, Ok(Some(1)));
    assert_eq!(one.broker.connect(&user("bob"), 1).await, Ok(None));
    drop(ending);
    assert_eq!(one.broker.connect(&user("bob"), 1).await, Ok(Some(1)));
    assert_eq!(one.members().await, ["bob"]);
}

/// The others were wrong: it lives, and its users have not moved.
#[tokio::test]
async fn an_instance_that_was_given_up_comes_back_with_its_users() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    one.enters("alice").await;
    other.enters("bob").await;
    assert_eq!(one.broker.connect(&user("alice"), 1).await, Ok(Some(1)));
    let (before, keys, mut raw) = (one.name(), Keys::new("realtime"), Raw::to(&redis).await);
    let gone: u64 = raw.ask(&["HDEL", &keys.beats(), &before]).await;
    assert_eq!(gone, 1);
    eventually("nothing is left of the former name", async || {
        let left: u64 = raw
            .ask(&[
                "EXISTS",
                &keys::at(&channel("a"), &before),
                &keys.online_at(&before),
                &keys.rooms_at(&before),
            ])
            .await;
        left == 0 && one.name() != before
    })
    .await;
    eventually("it is counted again", async || {
        let all: Vec<u64> = raw.ask(&["HVALS", &keys.online()]).await;
        all.iter().sum::<u64>() == 1
    })
    .await;
    assert_eq!(other.members().await, ["alice", "bob"]);
    assert_eq!(other.broker.connect(&user("alice"), 1).await, Ok(None));
    // It is one user on one instance: when it leaves that is said.
    assert!(one.leaves("alice").await);
    let told = other.is_told("alice left").await;
    assert!(!told[..told.len() - 1].contains(&"alice left".to_owned()), "{told:?}");
}

/// A Redis that begins with nothing: all is said again, and what is said from then on is heard.
#[tokio::test]
async fn people_are_there_again_when_redis_has_lost_all() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    for id in ["alice", "bob", "carol"] {
        one.enters(id).await;
    }
    other.enters("dave").await;
    for (instance, id) in [(&one, "alice"), (&one, "bob"), (&other, "dave")] {
        instance.broker.connect(&user(id), 0).await.expect("asked").expect("counted");
    }
    other.is_told("dave joined").await;
    let mut raw = Raw::to(&redis).await;
    let _: String = raw.ask(&["FLUSHALL"]).await;
    eventually("everybody is there", async || one.members().await == ["alice", "bob", "carol", "dave"]).await;
    eventually("all are counted", async || {
        let all: Vec<u64> = raw.ask(&["HVALS", &Keys::new("realtime").online()]).await;
        all.iter().sum::<u64>() == 3
    })
    .await;
    for instance in [&one, &other] {
        instance.is_told("4 are there").await;
    }
    one.leaves("bob").await;
    for instance in [&one, &other] {
        instance.is_told("bob left").await;
    }
    let (rooms, _) = other.broker.list(Box::new(|_| true), 10).await.expect("a list");
    assert_eq!(rooms.iter().map(|of| (of.room.as_str(), of.member_count)).collect::<Vec<_>>(), [("a", 3)]);
}

/// A Redis that comes back as it was a moment ago, with as many people: less is lost than a beat would show.
#[tokio::test]
async fn people_and_connections_are_said_again_when_redis_went_back() {
    let mut redis = Redis::start_with(&[]);
    let [one] = instances_in_a::<1>(&redis).await;
    one.enters("alice").await;
    assert_eq!(one.broker.connect(&user("alice"), 1).await, Ok(Some(1)));
    let _: String = Raw::to(&redis).await.ask(&["SAVE"]).await;
    one.leaves("alice").await;
    one.enters("bob").await;
    assert_eq!(one.broker.connect(&user("bob"), 1).await, Ok(Some(2)));
    assert_eq!(one.broker.connect(&user("carol"), 1).await, Ok(Some(3)));
    redis.restart();
    let (mut raw, keys) = (Raw::to(&redis).await, Keys::new("realtime"));
    eventually("who is here is there", async || one.members().await == ["bob"]).await;
    eventually("all are counted", async || {
        raw.ask::<Vec<u64>>(&["HVALS", &keys.online_at(&one.name())]).await == [1, 1, 1]
            && raw.ask::<Vec<u64>>(&["HVALS", &keys.online()]).await == [3]
    })
    .await;
}

/// Somebody may have said it while the others gave that instance up.
#[tokio::test]
async fn what_is_left_of_an_instance_that_is_gone_is_not_counted() {
    let redis = Redis::start();
    let one = instance(&redis);
    let (mut raw, keys) = (Raw::to(&redis).await, Keys::new("realtime"));
    let _: u64 = raw.ask(&["HSET", &keys.online(), "gone", "7"]).await;
    assert_eq!(one.broker.connect(&user("alice"), 1).await, Ok(Some(1)));
}

/// The counter of changes went back: what comes next is not taken for something that was told.
#[tokio::test]
async fn people_are_told_of_when_their_changes_are_counted_anew() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    for id in ["alice", "bob", "carol"] {
        one.enters(id).await;
    }
    other.is_told("carol joined").await;
    let _: u64 = Raw::to(&redis).await.ask(&["HSET", &keys::meta(&channel("a")), "people", "1"]).await;
    one.leaves("alice").await;
    for instance in [&one, &other] {
        instance.is_told("2 are there").await;
    }
    one.leaves("bob").await;
    other.is_told("bob left").await;
}

/// The last word is the right one, in whatever order they arrive.
#[tokio::test]
async fn many_who_come_and_go_at_once_are_counted() {
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
                        broker.connect(&id, 0).await.expect("asked").expect("counted");
                        if number % 2 == 0 {
                            broker.disconnect(&id);
                        }
                    }
                });
            });
        }
    });
    let mut raw = Raw::to(&redis).await;
    let (keys, name) = (Keys::new("realtime"), one.name());
    eventually("all who remain are counted", async || {
        let all: u64 = raw.ask(&["HGET", &keys.online(), &name]).await;
        let users: u64 = raw.ask(&["HLEN", &keys.online_at(&name)]).await;
        (all, users) == (THREADS * EACH / 2, THREADS * EACH / 2)
    })
    .await;
}

/// However long that takes: it would be given up again.
#[tokio::test]
async fn an_instance_lives_while_it_says_again_who_is_there() {
    let redis = Redis::start_with(&[]);
    let one = Subject::new(|feed| {
        let feed: Arc<dyn Feed> =
            Arc::new(Restless { feed: feed.upgrade().expect("a feed"), asked: AtomicU64::default() });
        let (broker, engine) = redis_at(&redis.url(), Arc::downgrade(&feed), Retain::default());
        (broker, Box::new((engine, feed)))
    });
    one.broker.open(&room("a")).await.expect("opened");
    let (before, keys, mut raw) = (one.name(), Keys::new("realtime"), Raw::to(&redis).await);
    let _: u64 = raw.ask(&["HDEL", &keys.beats(), &before]).await;
    eventually("it beats under another name", async || {
        let name = one.name();
        name != before && raw.ask::<Option<u64>>(&["HGET", &keys.beats(), &name]).await > Some(2)
    })
    .await;
}

/// A feed whose users are others whenever it is asked: they are never said.
struct Restless {
    feed: Arc<dyn Feed>,
    asked: AtomicU64,
}

impl Feed for Restless {
    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry) {
        self.feed.entry(room, epoch, entry);
    }

    fn signal(&self, room: &RoomName, signal: &Signal) {
        self.feed.signal(room, signal);
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

/// A round trip for each of many rooms would take longer than a lease.
#[tokio::test]
async fn rooms_are_said_again_many_at_a_time() {
    const ROOMS: u64 = 400;
    let redis = Redis::start_with(&[]);
    let one = instance(&redis);
    for number in 0..ROOMS {
        one.broker.open(&room(&number.to_string())).await.expect("opened");
    }
    let (before, keys, mut raw) = (one.name(), Keys::new("realtime"), Raw::to(&redis).await);
    let (reads, mut looks) = (raw.reads().await, 0);
    let _: u64 = raw.ask(&["HDEL", &keys.beats(), &before]).await;
    eventually("all are said", async || {
        let name = one.name();
        if name == before {
            return false;
        }
        looks += 1;
        raw.ask::<u64>(&["SCARD", &keys.rooms_at(&name)]).await == ROOMS
    })
    .await;
    let reads = raw.reads().await - reads - looks;
    assert!(reads < ROOMS / 4, "{reads} times Redis had something to read");
}

impl Raw {
    /// How often Redis has read from its connections.
    async fn reads(&mut self) -> u64 {
        let all: String = self.ask(&["INFO", "stats"]).await;
        let number = all.lines().find_map(|line| line.strip_prefix("total_reads_processed:"));
        number.expect("it is counted").trim().parse().expect("a number")
    }
}
