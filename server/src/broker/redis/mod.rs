//! Rooms in Redis: any number of instances are one chat.
//!
//! [`transport`] holds the connections to Redis, [`log`] the entries of rooms, [`presence`] their members; [`announcements`]
//! routes to them what Redis pushes, and [`relay_channel`] receives what other programs publish. The stream is the truth:
//! an announcement is a hint that it grew.
//!
//! All of it runs on one thread with a runtime of its own, but for what a client waits for, which is polled where the
//! client is. What a cluster would want is kept to: the keys of a room share a hash tag, a script touches one room, and
//! channels are sharded ones.

mod announcements;
mod log;
mod presence;
mod relay_channel;
#[cfg(test)]
pub(in crate::broker) mod tests;
mod transport;

use std::collections::HashSet;
use std::hash::RandomState;
use std::io;
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::thread::{self, JoinHandle};

use ::redis::{Client, Cmd, Pipeline};
use parking_lot::Mutex;
use realtime_shared::{LeaveReason, Position, RoomName, RoomSummary, UserId};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};

use self::log::lanes::Lane;
use self::log::listing::Listed;
use self::log::replicas::Rooms;
use self::log::{repair, retention};
use self::presence::counts::{self, Online};
use self::presence::heartbeat;
use self::presence::lease::Lapse;
use self::presence::sync::{self, Saying};
use self::transport::health::{self, Health};
use self::transport::keys::Keys;
use self::transport::link::Link;
use self::transport::subscriptions::{self, Subscriptions};
use self::transport::wire;
use super::{
    Broker, Completion, Feed, Page, Pending, Presence, Range, Recipients, RoomFilter, Signal, Submission,
};
use crate::clock::Clock;
use crate::config::Retain;
use crate::metrics::Metrics;

/// Connections on which messages go.
const LANES: usize = 4;
/// Newest messages of a room that are kept unless something else is asked for: Redis is memory.
const RETAIN_MESSAGES: u64 = 10_000;

/// What the engine is told of the Redis that it is to use.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// Where it is, and who we are there.
    pub(crate) client: Client,
    /// What all keys and channels begin with.
    pub(crate) prefix: String,
    /// The channel on which other programs publish for everybody.
    pub(crate) relay_channel: Option<String>,
}

/// The thread that talks to Redis. It ends when this is dropped.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A broker over an engine.
pub(crate) struct RedisBroker(Arc<Shared>);

/// What all parts of the engine share.
struct Shared {
    client: Client,
    runtime: Handle,
    feed: OnceLock<Weak<dyn Feed>>,
    clock: Clock,
    retain: Retain,
    metrics: Arc<Metrics>,
    keys: Keys,
    tells_channel: Arc<str>,
    probe_channel: Arc<str>,
    relay_channel: Option<Arc<str>>,
    /// Our name among the instances: another one when we had been given up.
    instance: Mutex<Arc<str>>,
    lanes: Box<[Arc<Lane>]>,
    /// Which lane is a room's.
    hasher: RandomState,
    /// The connection for all that is not a message.
    asks: Arc<Link>,
    subscriptions: Subscriptions,
    rooms: Rooms,
    /// Rooms that are in the list of all rooms; some of them.
    listed: Mutex<HashSet<RoomName>>,
    /// What was seen when all rooms were looked at last.
    last_list: tokio::sync::Mutex<Option<Listed>>,
    saying: Saying,
    lapse: Mutex<Lapse>,
    online: Online,
    health: Health,
    /// The connection for announcements was made anew.
    heard_again: Notify,
}

impl Engine {
    /// Starts the thread. Where Redis is away then, it goes on trying.
    pub(crate) fn start(
        place: Place,
        clock: Clock,
        retain: Retain,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::new(place, clock, retain, metrics, runtime.handle().clone()));
        let (stop, mut stopping) = watch::channel(false);
        let (started, is_started) = mpsc::sync_channel(1);
        let run = shared.clone();
        let thread = thread::Builder::new().name("redis".to_owned()).spawn(move || {
            runtime.block_on(async move {
                run.start().await;
                let _ = started.send(());
                let _ = stopping.wait_for(|stop| *stop).await;
                // Each of them waits for as long as a message may take, and no longer.
                run.flush();
                for lane in &run.lanes {
                    lane.drain().await;
                }
                run.say_goodbye().await;
            });
        })?;
        let _ = is_started.recv();
        Ok(Self { shared, stop, thread: Some(thread) })
    }

    /// The broker, which announces to `feed`.
    pub(crate) fn broker(&self, feed: Weak<dyn Feed>) -> RedisBroker {
        // An engine has one broker: a second one would hear nothing.
        let _ = self.shared.feed.set(feed);
        RedisBroker(self.shared.clone())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that talks to Redis panicked");
        }
    }
}

/// A name that no other instance has.
fn new_instance() -> String {
    format!("{:016x}", fastrand::u64(..))
}

impl Shared {
    fn new(place: Place, clock: Clock, retain: Retain, metrics: Arc<Metrics>, runtime: Handle) -> Self {
        let Place { client, prefix, relay_channel } = place;
        let refusals = Arc::default();
        let link = |name: &str| {
            Link::new(client.clone(), name, runtime.clone(), metrics.clone(), Arc::clone(&refusals))
        };
        let (keys, instance) = (Keys::new(&prefix), new_instance());
        Self {
            lanes: (0..LANES)
                .map(|lane| Arc::new(Lane::new(link(&format!("posts-{lane}")), metrics.clone())))
                .collect(),
            asks: Arc::new(link("asks")),
            tells_channel: keys.tells().into(),
            probe_channel: keys.probe(&instance).into(),
            relay_channel: relay_channel.map(Into::into),
            instance: Mutex::new(instance.into()),
            keys,
            client,
            runtime,
            feed: OnceLock::new(),
            clock,
            retain,
            metrics,
            hasher: RandomState::new(),
            subscriptions: Subscriptions::default(),
            rooms: Rooms::default(),
            listed: Mutex::default(),
            last_list: tokio::sync::Mutex::default(),
            saying: Saying::default(),
            lapse: Mutex::default(),
            online: Online::default(),
            health: Health::default(),
            heard_again: Notify::new(),
        }
    }

    /// Says that this instance is there, and starts all that runs.
    async fn start(self: &Arc<Self>) {
        let known = self.register().await;
        if known.is_none() {
            tracing::warn!("Redis does not take this instance yet");
        }
        for lane in &self.lanes {
            self.runtime.spawn(lane.clone().run());
        }
        self.runtime.spawn(subscriptions::run(self.clone()));
        self.runtime.spawn(health::run(self.clone()));
        self.runtime.spawn(repair::run(self.clone()));
        self.runtime.spawn(heartbeat::run(self.clone(), known));
        self.runtime.spawn(sync::run(self.clone()));
        self.runtime.spawn(counts::run(self.clone()));
        self.runtime.spawn(retention::run(self.clone()));
    }

    fn feed(&self) -> Option<Arc<dyn Feed>> {
        self.feed.get()?.upgrade()
    }

    fn instance(&self) -> Arc<str> {
        self.instance.lock().clone()
    }

    /// How many entries of a room are kept.
    fn keep(&self) -> u64 {
        // Redis counts in signed numbers.
        self.retain.messages.unwrap_or(RETAIN_MESSAGES).min(i64::MAX.unsigned_abs())
    }

    /// Has something done whose failure does no harm.
    fn in_background(&self, asking: Pipeline) {
        let asks = self.asks.clone();
        self.runtime.spawn(async move {
            let _ = asks.attempt(&asking).await;
        });
    }

    fn tell(&self, to: &Recipients, json: &str) {
        let mut saying = Pipeline::new();
        saying.cmd("SPUBLISH").arg(&*self.tells_channel).arg(wire::tell(to, json));
        self.in_background(saying);
    }
}

impl Broker for RedisBroker {
    fn is_ready(&self) -> bool {
        self.0.health.is_up()
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        Box::pin(self.0.clone().open(room.clone()))
    }

    fn release(&self, room: &RoomName) {
        self.0.rooms.release(&self.0.keys.channel(room));
    }

    fn catch_up(&self, room: &RoomName) -> Pending<()> {
        let (shared, channel) = (self.0.clone(), self.0.keys.channel(room));
        Box::pin(async move {
            match shared.rooms.by_channel(&channel) {
                Some(following) => shared.bring_up(&following).await.map(|_| ()),
                None => Ok(()),
            }
        })
    }

    fn submit(&self, submission: Submission, done: Completion) {
        self.0.submit(submission, done);
    }

    fn flush(&self) {
        self.0.flush();
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        let mut saying = Cmd::new();
        let channel = self.0.keys.channel(room);
        saying.arg("SPUBLISH").arg(channel).arg(wire::signal(&signal.skip, &signal.json));
        self.0.lane(room).signal(saying);
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        self.0.tell(&to, &json);
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        let (shared, channel) = (self.0.clone(), self.0.keys.channel(room));
        Box::pin(async move { shared.page(&channel, range, limit, bytes).await })
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        let shared = self.0.clone();
        Box::pin(async move { shared.list(filter, limit).await })
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        let (shared, room, user) = (self.0.clone(), room.clone(), user.clone());
        Box::pin(async move { shared.enter(room, user, members).await })
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        let (shared, room, user) = (self.0.clone(), room.clone(), user.clone());
        Box::pin(async move { shared.leave(room, user, reason).await })
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        let (shared, channel) = (self.0.clone(), self.0.keys.channel(room));
        Box::pin(async move { shared.members_of(&channel, members).await })
    }

    fn connect(&self, user: &UserId, most: usize) -> Pending<Option<u64>> {
        let (shared, user) = (self.0.clone(), user.clone());
        Box::pin(async move { shared.connect(&user, most).await })
    }

    fn disconnect(&self, user: &UserId) {
        self.0.online.remove(user);
    }
}
