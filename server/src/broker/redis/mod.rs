//! Rooms in Redis: any number of instances are one chat.
//!
//! A message is ordered, stored and announced by one script ([`scripts`]), to which it goes on a lane ([`posts`]); it is
//! shown when its announcement comes back ([`subscriptions`], [`following`]), here as on every other instance. The
//! stream is the truth: what is not heard is found and fetched ([`repair`]). Who is there is counted by leases
//! ([`instances`], [`lapse`], [`online`]), and whether Redis serves us is tried all the way around ([`health`]).
//!
//! All of it runs on one thread with a runtime of its own, but for what a client waits for, which is polled where the
//! client is. What a cluster would want is kept to: the keys of a room share a hash tag, a script touches one room, and
//! channels are sharded ones.

mod following;
mod head;
mod health;
mod instances;
mod keys;
mod lapse;
mod link;
mod online;
mod past;
mod posts;
mod relay;
mod repair;
mod reply;
mod rooms;
mod scripts;
mod subscriptions;
mod sweep;
#[cfg(test)]
pub(in crate::broker) mod tests;
mod wire;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::{Arc, OnceLock, Weak, mpsc};
use std::thread::{self, JoinHandle};

use ::redis::{Client, Cmd, Pipeline, PushInfo, PushKind};
use parking_lot::Mutex;
use realtime_shared::{
    EntryId, LeaveReason, Message, Position, RoomName, RoomSummary, Seq, ServerEvent, UserId, codec,
};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use self::following::{Following, Stage};
use self::health::Health;
use self::instances::presence_keys;
use self::keys::Keys;
use self::lapse::Lapse;
use self::link::{Link, PATIENCE};
use self::online::Online;
use self::posts::Lane;
use self::relay::Subscription;
use self::rooms::Rooms;
use self::subscriptions::Subscriptions;
use self::wire::Announced;
use super::{
    Broker, Completion, Feed, Page, Pending, Presence, Range, Recipients, RoomFilter, Signal, Submission,
    Unavailable,
};
use crate::clock::Clock;
use crate::config::Retain;
use crate::faults::{self, Fault};
use crate::metrics::Metrics;
use crate::store::digest;

/// Connections on which messages go.
const LANES: usize = 4;
/// Newest messages of a room that are kept unless something else is asked for: Redis is memory.
const RETAIN_MESSAGES: u64 = 10_000;
/// Rooms of which it is remembered that they are in the list of all rooms.
const LISTED: usize = 100_000;
/// Names that `joined` has for others; see [`super::presence`].
const NAMED: usize = super::presence::MEMBERS_TO_OTHERS;

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
    /// Rooms of which Redis may not have who of here is there.
    dirty: Mutex<HashSet<RoomName>>,
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
                drop(run);
                let _ = stopping.wait_for(|stop| *stop).await;
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
        let link = |name: &str| Link::new(client.clone(), name, runtime.clone(), metrics.clone());
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
            dirty: Mutex::default(),
            lapse: Mutex::default(),
            online: Online::default(),
            health: Health::default(),
            heard_again: Notify::new(),
        }
    }

    /// Says that this instance is there, and starts all that runs.
    async fn start(self: &Arc<Self>) {
        if self.register().await.is_err() {
            tracing::warn!("Redis does not answer yet");
        }
        for lane in &self.lanes {
            self.runtime.spawn(lane.clone().run());
        }
        self.runtime.spawn(subscriptions::run(self.clone()));
        self.runtime.spawn(health::run(self.clone()));
        self.runtime.spawn(repair::run(self.clone()));
        self.runtime.spawn(instances::run(self.clone()));
        self.runtime.spawn(online::run(self.clone()));
        self.runtime.spawn(sweep::run(self.clone()));
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

    fn lane(&self, room: &RoomName) -> &Lane {
        let hash = usize::try_from(self.hasher.hash_one(room) % LANES as u64).unwrap_or(0);
        &self.lanes[hash]
    }

    /// Channels that are heard for all.
    fn channels_for_all(&self) -> [Arc<str>; 2] {
        [self.tells_channel.clone(), self.probe_channel.clone()]
    }

    /// Takes what Redis pushes.
    fn on_push(self: &Arc<Self>, push: &PushInfo, subscription: Subscription) {
        let [channel, payload] = &*push.data else { return };
        let (Some(channel), Some(payload)) = (reply::text(channel), reply::text(payload)) else { return };
        match push.kind {
            PushKind::Message => self.relay(payload, subscription),
            PushKind::SMessage => {
                if *channel == *self.probe_channel {
                    payload.parse().into_iter().for_each(|number| self.health.heard(number));
                } else if *channel == *self.tells_channel {
                    if let (Some((to, json)), Some(feed)) = (wire::told(payload), self.feed()) {
                        feed.tell(&to, &json.into());
                    }
                } else {
                    self.on_announcement(channel, payload);
                }
            }
            _ => {}
        }
    }

    fn on_announcement(self: &Arc<Self>, channel: &str, payload: &str) {
        let (Some(following), Some(feed)) = (self.rooms.by_channel(channel), self.feed()) else { return };
        let Some(announced) = Announced::parse(payload) else {
            return tracing::warn!(%channel, "what was announced is not understood");
        };
        if following.announce(announced, &*feed).is_err() {
            self.repair(&following);
        }
    }

    /// The connection for announcements was made anew: what was said meanwhile was not heard.
    fn on_heard_again(self: &Arc<Self>) {
        self.heard_again.notify_one();
        let shared = self.clone();
        self.runtime.spawn(async move { shared.compare_all().await });
    }

    /// See [`Broker::open`].
    async fn open(self: Arc<Self>, room: RoomName) -> Result<Position, Unavailable> {
        let following = self.rooms.take_up(&room, &self.keys);
        let opened = timeout(PATIENCE, self.begin(&following)).await.unwrap_or(Err(Unavailable));
        if opened.is_err() {
            self.rooms.release(&following.channel);
        }
        opened
    }

    /// Subscribes, waits until that is confirmed, and looks then: nothing comes between. A room that was heard all the
    /// time is brought up to what is stored now.
    async fn begin(self: &Arc<Self>, following: &Arc<Following>) -> Result<Position, Unavailable> {
        if following.state.lock().stage == Stage::Open {
            self.bring_up(following).await?;
            return Ok(following.state.lock().head.clone());
        }
        self.subscriptions.hear(&following.channel).await.map_err(|_| Unavailable)?;
        let mut asking = Pipeline::new();
        asking.add_command(self.look(&following.channel, Seq::ZERO, 0));
        asking.add_command(self.room_of_instance("SADD", &following.room));
        let answers = self.asks.ask(&asking).await?;
        let seen = answers.first().and_then(repair::seen).ok_or(Unavailable)?;
        let mut state = following.state.lock();
        let was = std::mem::replace(&mut state.stage, Stage::Open);
        if was != Stage::Open {
            state.head = seen.look.head;
            state.people = seen.people;
        }
        let head = state.head.clone();
        drop(state);
        if was == (Stage::Opening { heard: true }) {
            self.repair(following);
        }
        Ok(head)
    }

    fn forget_released(&self) {
        self.rooms.forget_released(|following| {
            self.subscriptions.forget(&following.channel);
            let mut asking = Pipeline::new();
            asking.add_command(self.room_of_instance("SREM", &following.room));
            self.in_background(asking);
        });
    }

    /// Has something done whose failure does no harm.
    fn in_background(&self, asking: Pipeline) {
        let asks = self.asks.clone();
        self.runtime.spawn(async move {
            let _ = asks.attempt(&asking).await;
        });
    }

    /// See [`Broker::submit`].
    fn submit(self: &Arc<Self>, submission: Submission, done: Completion) {
        let now = self.clock.now();
        let id = EntryId::from_parts(now, fastrand::u128(..));
        let Submission { from, post } = submission;
        let room = post.room.clone();
        let known_as = match &post.client_msg_id {
            Some(id) if !faults::breaks(Fault::NoDedup) => digest(&from, id),
            // Its own id, so that it is known when the same command comes twice.
            _ => id.to_u128(),
        };
        let frame = codec::encode(&ServerEvent::Message(Message {
            room: post.room,
            from,
            text: post.text,
            seq: Seq::ZERO,
            id,
            ts: now,
            client_msg_id: post.client_msg_id,
            epoch: None,
        }));
        // No text has this in it: there a quotation mark has a backslash before it.
        let number = ",\"seq\":";
        let Some((before, after)) = frame.split_once(&format!("{number}0")) else {
            tracing::error!("a message's frame has no number");
            return done(Err(Unavailable));
        };
        let channel = self.keys.channel(&room);
        let mut append = scripts::APPEND.on(&[
            keys::log(&channel),
            keys::meta(&channel),
            keys::known(&channel, 0),
            keys::known(&channel, 1),
        ]);
        append.arg(&channel).arg(&known_as.to_be_bytes()[..]).arg(id.to_string()).arg(now.millis());
        append.arg(format!("{before}{number}")).arg(after.strip_suffix('}').unwrap_or(after));
        append.arg(self.keep());
        let lane = self.lane(&room);
        if self.listed.lock().contains(&room) {
            return lane.post(append, done);
        }
        let mut listing = Cmd::new();
        listing.arg("SADD").arg(self.keys.rooms()).arg(room.as_str());
        lane.post(listing, Box::new(|_| ()));
        let shared = self.clone();
        lane.post(
            append,
            Box::new(move |stored| {
                // What was stored is listed: that was asked for before.
                if stored.is_ok() {
                    shared.is_listed(room);
                }
                done(stored);
            }),
        );
    }

    fn is_listed(&self, room: RoomName) {
        let mut listed = self.listed.lock();
        if listed.len() >= LISTED {
            listed.clear();
        }
        listed.insert(room);
    }

    fn flush(&self) {
        self.lanes.iter().for_each(|lane| lane.flush());
    }

    fn tell(&self, to: &Recipients, json: &str) {
        let mut saying = Pipeline::new();
        saying.cmd("SPUBLISH").arg(&*self.tells_channel).arg(wire::tell(to, json));
        self.in_background(saying);
    }

    async fn enter(&self, room: RoomName, user: UserId, members: usize) -> Result<Presence, Unavailable> {
        let (channel, instance) = (self.keys.channel(&room), self.instance());
        let mut enter = scripts::ENTER.on(&presence_keys(&channel, &instance));
        enter.arg(&channel).arg(&*instance).arg(user.as_str()).arg(NAMED).arg(members);
        let mut asking = Pipeline::new();
        asking.add_command(enter);
        asking.cmd("SADD").arg(self.keys.rooms()).arg(room.as_str());
        let answers = self.asks.ask(&asking).await.inspect_err(|_| self.is_dirty(&room))?;
        let answer = answers.first().ok_or(Unavailable)?;
        let [changed, count, change, named] = reply::items(answer) else { return Err(Unavailable) };
        Ok(Presence {
            members: past::users(named),
            count: reply::parse(count).ok_or(Unavailable)?,
            change: reply::parse(change).ok_or(Unavailable)?,
            changed: reply::parse(changed) == Some(1_u64),
        })
    }

    async fn leave(
        &self,
        room: RoomName,
        user: UserId,
        reason: LeaveReason,
    ) -> Result<Presence, Unavailable> {
        let (channel, instance) = (self.keys.channel(&room), self.instance());
        let mut leave = scripts::LEAVE.on(&presence_keys(&channel, &instance));
        leave.arg(&channel).arg(&*instance).arg(user.as_str()).arg(wire::reason(reason));
        let mut asking = Pipeline::new();
        asking.add_command(leave);
        let answers = self.asks.ask(&asking).await.inspect_err(|_| self.is_dirty(&room))?;
        let answer = answers.first().ok_or(Unavailable)?;
        let [changed, count] = reply::items(answer) else { return Err(Unavailable) };
        Ok(Presence {
            members: Vec::new(),
            count: reply::parse(count).ok_or(Unavailable)?,
            change: 0,
            changed: reply::parse(changed) == Some(1_u64),
        })
    }

    /// What could not be said of a room is said as soon as Redis answers.
    fn is_dirty(&self, room: &RoomName) {
        self.dirty.lock().insert(room.clone());
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

    fn tell(&self, to: Recipients, json: Arc<str>) {
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
