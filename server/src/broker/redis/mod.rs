//! The engine on Redis, which makes any number of instances one chat.
//!
//! Three owners hold the state and run the tasks: [`transport`] the connections, [`log`] the entries of rooms, and
//! [`presence`] their members and the counts of connections. [`announcements`] routes the messages that Redis pushes to
//! them, and [`comparison`] compares them with Redis. [`broadcasts`] and [`relay_channel`] are for frames outside of
//! rooms, [`spending_channel`] for the budgets of users. This file wires them and implements [`Broker`]. Imports go one way: `presence → log → transport`.
//!
//! The engine runs on one thread with a runtime of its own, except for the futures of [`Broker`], which the callers
//! poll. The layout suits a cluster: the keys of a room share a hash tag, a script touches one room, and channels are
//! sharded.
//!
//! [`archive`] exports and imports rooms without a server.
//!
//! To add a broker method: the recipe is in `broker/mod.rs`.

mod announcements;
pub(crate) mod archive;
mod broadcasts;
mod comparison;
mod log;
mod presence;
mod relay_channel;
mod spending_channel;
#[cfg(test)]
pub(in crate::broker) mod tests;
mod transport;

use std::io;
use std::sync::{Arc, Weak, mpsc};
use std::thread::{self, JoinHandle};

use ::redis::Client;
use realtime_shared::rules::Rules;
use realtime_shared::{Feature, LeaveReason, Position, RoomName, RoomSummary, UserId};
use tokio::runtime::Builder;
use tokio::sync::watch;

use self::announcements::Announcements;
use self::broadcasts::Broadcasts;
use self::comparison::Comparison;
use self::log::Logs;
use self::log::room_state;
use self::presence::PresenceOwner;
use self::presence::member_search;
use self::relay_channel::{RelayChannel, WarningLimit};
use self::spending_channel::SpendingChannel;
use self::transport::Transport;
use self::transport::keys::Keys;
use self::transport::link::Connector;
use super::feed_slot::FeedSlot;
use super::{
    Broker, Completion, Feed, FoundMembers, MemberPrefix, MessagePage, NotReady, Page, PageQuery, Pending,
    Presence, Range, Recipients, RoomFilter, Signal, Submission,
};
use crate::budget::Spending;
use crate::clock::Clock;
use crate::config::{Retain, RoomLimits};
use crate::metrics::Metrics;

/// The Redis of an engine, and the names that the engine uses there.
#[derive(Debug, Clone)]
pub(crate) struct RedisTarget {
    /// Has the address and the credentials.
    pub(crate) client: Client,
    /// The prefix of all keys and channels.
    pub(crate) prefix: String,
    /// The channel on which other programs publish; `None` if there is none.
    pub(crate) relay_channel: Option<String>,
}

/// The engine and its thread. Dropping it stores what was submitted, and ends the thread.
pub(crate) struct RedisEngine {
    owners: Arc<Owners>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// A broker over an engine.
pub(crate) struct RedisBroker(Arc<Owners>);

/// The owners of the engine's state.
struct Owners {
    feed: FeedSlot,
    transport: Arc<Transport>,
    logs: Arc<Logs>,
    presence: Arc<PresenceOwner>,
    broadcasts: Arc<Broadcasts>,
    spending: Arc<SpendingChannel>,
    announcements: Arc<Announcements>,
}

impl RedisEngine {
    /// Starts the thread. It repeats its attempts while Redis is unavailable.
    pub(crate) fn start(
        target: RedisTarget,
        clock: Clock,
        retain: Retain,
        rooms: RoomLimits,
        rules: Rules,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let connector = Connector::new(target.client.clone(), runtime.handle().clone(), metrics);
        let owners = Arc::new(Owners::new(target, &connector, clock, retain, rooms, rules));
        let (stop, mut stopping) = watch::channel(false);
        let (started, is_started) = mpsc::sync_channel(1);
        let run = owners.clone();
        let thread = thread::Builder::new().name("redis".to_owned()).spawn(move || {
            runtime.block_on(async move {
                run.start().await;
                let _ = started.send(());
                let _ = stopping.wait_for(|stop| *stop).await;
                run.logs.publisher.drain().await;
                run.presence.counts.clear().await;
            });
        })?;
        let _ = is_started.recv();
        Ok(Self { owners, stop, thread: Some(thread) })
    }

    /// Creates the broker, which announces to `feed`. An engine has one.
    pub(crate) fn broker(&self, feed: Weak<dyn Feed>) -> RedisBroker {
        self.owners.feed.set(feed);
        RedisBroker(self.owners.clone())
    }
}

impl Drop for RedisEngine {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the Redis engine panicked");
        }
    }
}

impl Owners {
    fn new(
        target: RedisTarget,
        connector: &Connector,
        clock: Clock,
        retain: Retain,
        rooms: RoomLimits,
        rules: Rules,
    ) -> Self {
        let RedisTarget { client: _, prefix, relay_channel } = target;
        let feed = FeedSlot::default();
        let relay_channel: Option<Arc<str>> = relay_channel.map(Into::into);
        let keys = Keys::new(&prefix);
        let transport = Arc::new(Transport::new(connector.clone(), keys, relay_channel.clone()));
        let logs =
            Arc::new(Logs::new(transport.clone(), connector, feed.clone(), clock, retain, rooms, rules));
        let presence = Arc::new(PresenceOwner::new(transport.clone(), feed.clone(), &logs));
        let broadcasts = Arc::new(Broadcasts::new(transport.clone(), feed.clone()));
        let spending = Arc::new(SpendingChannel::new(transport.clone(), feed.clone()));
        let relay = relay_channel.map(|channel| {
            Arc::new(RelayChannel {
                channel,
                transport: transport.clone(),
                logs: logs.clone(),
                broadcasts: broadcasts.clone(),
                warnings: WarningLimit::default(),
            })
        });
        let announcements = Arc::new(Announcements {
            transport: transport.clone(),
            logs: logs.clone(),
            broadcasts: broadcasts.clone(),
            spending: spending.clone(),
            comparison: Arc::new(Comparison { logs: logs.clone(), presence: presence.clone() }),
            relay,
        });
        Self { feed, transport, logs, presence, broadcasts, spending, announcements }
    }

    /// Registers this instance, and starts all tasks.
    async fn start(&self) {
        let registration = self.presence.register().await;
        if registration.is_none() {
            tracing::warn!("this instance is not registered in Redis yet");
        }
        if registration.is_some() {
            // Until then nothing is old. A failure is repeated.
            let _ = self.logs.retention.read_clock().await;
        }
        self.logs.start();
        self.transport.start(self.announcements.clone());
        self.presence.start(registration);
        let comparison = self.announcements.comparison.clone();
        self.transport.runtime.spawn(async move { comparison.run().await });
    }
}

impl Broker for RedisBroker {
    fn readiness(&self) -> Result<(), NotReady> {
        const SENTENCE: &str = "Redis does not answer or accepts no writes";
        match self.0.transport.health.fault() {
            None => Ok(()),
            Some(fault) if fault.is_empty() => Err(SENTENCE.into()),
            Some(fault) => Err(format!("{SENTENCE}: {fault}").into()),
        }
    }

    fn features(&self) -> &'static [Feature] {
        &[Feature::Reply, Feature::Edit, Feature::Delete, Feature::Reaction, Feature::Pin, Feature::Room]
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        let (logs, room) = (self.0.logs.clone(), room.clone());
        Box::pin(async move { logs.open(room).await })
    }

    fn release(&self, room: &RoomName) {
        self.0.logs.replicas.release(&self.0.transport.keys.channel(room));
    }

    fn catch_up(&self, room: &RoomName) -> Pending<()> {
        let (logs, channel) = (self.0.logs.clone(), self.0.transport.keys.channel(room));
        Box::pin(async move {
            match logs.replicas.by_channel(&channel) {
                Some(replica) => logs.repair.catch_up(&replica).await.map(|_| ()),
                None => Ok(()),
            }
        })
    }

    fn submit(&self, submission: Submission, done: Completion) {
        self.0.logs.publisher.submit(submission, done);
    }

    fn flush(&self) {
        self.0.logs.publisher.lanes.flush();
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        self.0.logs.publisher.signal(room, &signal);
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        self.0.broadcasts.send(&to, &json);
    }

    fn has_peers(&self) -> bool {
        true
    }

    fn publish_spending(&self, spending: &[(UserId, Spending)]) {
        self.0.spending.publish(spending);
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        let (logs, channel) = (self.0.logs.clone(), self.0.transport.keys.channel(room));
        Box::pin(async move { logs.history.page(&channel, range, limit, bytes).await })
    }

    fn messages(&self, room: &RoomName, query: PageQuery, viewer: &UserId) -> Pending<MessagePage> {
        let (logs, channel, viewer) =
            (self.0.logs.clone(), self.0.transport.keys.channel(room), viewer.clone());
        Box::pin(async move { logs.history.messages(&channel, query, &viewer).await })
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        let logs = self.0.logs.clone();
        Box::pin(async move { logs.listing.list(filter, limit).await })
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        let (presence, room, user) = (self.0.presence.clone(), room.clone(), user.clone());
        Box::pin(async move { presence.membership.enter(room, user, members).await })
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        let (presence, room, user) = (self.0.presence.clone(), room.clone(), user.clone());
        Box::pin(async move { presence.membership.leave(room, user, reason).await })
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        let (transport, channel) = (self.0.transport.clone(), self.0.transport.keys.channel(room));
        Box::pin(async move { room_state::members_of(&transport, &channel, members).await })
    }

    fn find_members(&self, room: &RoomName, prefix: MemberPrefix, limit: usize) -> Pending<FoundMembers> {
        let (transport, channel) = (self.0.transport.clone(), self.0.transport.keys.channel(room));
        Box::pin(async move { member_search::find_members(&transport, &channel, prefix, limit).await })
    }

    fn connect(&self, user: &UserId, limit: usize) -> Pending<Option<u64>> {
        let (counts, user) = (self.0.presence.counts.clone(), user.clone());
        Box::pin(async move { counts.add(&user, limit).await })
    }

    fn disconnect(&self, user: &UserId) {
        self.0.presence.counts.remove(user);
    }
}
