//! The logs of rooms: publication, replicas of open rooms, repair, history and retention.
//!
//! [`publish`] sends messages on the [`lanes`], and decides changes in [`turns`] on their [`change_view`]. [`message_rules`] knows
//! the settings of rooms. A [`replica`] is the state of an open room on this instance. [`chain`]
//! judges announcements, and [`repair`] fetches missing entries and what a [`deletion`] replaces. [`history`],
//! [`message_pages`], [`listing`] and [`retention`] read and trim.
//! They share the reads in [`room_state`] and [`room_index`]. [`room_changes`] is for the list of rooms.

pub(crate) mod chain;
pub(crate) mod change_view;
pub(crate) mod deletion;
pub(crate) mod history;
pub(crate) mod lanes;
pub(crate) mod listing;
pub(crate) mod message_pages;
pub(crate) mod message_rules;
pub(crate) mod publish;
pub(crate) mod redis_clock;
pub(crate) mod repair;
pub(crate) mod replica;
pub(crate) mod replicas;
pub(crate) mod retention;
pub(crate) mod room_changes;
pub(crate) mod room_index;
pub(crate) mod room_state;
pub(crate) mod stored_entry;
pub(crate) mod turns;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use ::redis::{Cmd, Pipeline};
use realtime_shared::rules::Rules;
use realtime_shared::{Position, RoomName, Seq};
use tokio::time::timeout;

use self::history::{EntrySize, History};
use self::lanes::Lanes;
use self::listing::Listing;
use self::message_rules::MessageRules;
use self::publish::Publisher;
use self::redis_clock::RedisClock;
use self::repair::Repair;
use self::replica::{Replica, Stage};
use self::replicas::Replicas;
use self::retention::{Retention, UNLIMITED, messages_kept};
use self::room_changes::RoomChanges;
use self::room_index::RoomIndex;
use self::room_state::{RoomState, look};
use self::turns::{SenderTurns, TargetTurns};
use super::transport::Transport;
use super::transport::link::{Connector, REQUEST_TIMEOUT};
use super::transport::wire::Announced;
use crate::broker::Unavailable;
use crate::broker::feed_slot::FeedSlot;
use crate::broker::room_list::RoomList;
use crate::clock::Clock;
use crate::config::{Retain, RoomLimits};

/// The logs of all rooms.
pub(crate) struct Logs {
    transport: Arc<Transport>,
    feed: FeedSlot,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) history: Arc<History>,
    pub(crate) repair: Arc<Repair>,
    pub(crate) listing: Arc<Listing>,
    pub(crate) changes: Arc<RoomChanges>,
    pub(crate) retention: Arc<Retention>,
}

impl Logs {
    pub(crate) fn new(
        transport: Arc<Transport>,
        connector: &Connector,
        feed: FeedSlot,
        clock: Clock,
        retain: Retain,
        rooms: RoomLimits,
        rules: Rules,
    ) -> Self {
        let index = Arc::new(RoomIndex::new(transport.clone()));
        let redis_clock = Arc::new(RedisClock::new(clock.clone()));
        let kept = Arc::new(AtomicU64::new(UNLIMITED));
        let list = RoomList::loading();
        let changes = Arc::new(RoomChanges::new(transport.clone(), index.clone(), list.clone()));
        let history = History {
            transport: transport.clone(),
            clock: redis_clock.clone(),
            retain: retain.clone(),
            entry_size: EntrySize::default(),
        };
        let history = Arc::new(history);
        let repair = Arc::new(Repair {
            transport: transport.clone(),
            feed: feed.clone(),
            history: history.clone(),
            metrics: connector.metrics.clone(),
        });
        let (replicas, rules) = (Arc::<Replicas>::default(), Arc::new(MessageRules::new(rules)));
        let publisher = Publisher {
            transport: transport.clone(),
            index: index.clone(),
            changes: changes.clone(),
            lanes: Lanes::new(connector, rooms, &rules),
            rules,
            senders: SenderTurns::default(),
            targets: TargetTurns::default(),
            replicas: replicas.clone(),
            repair: repair.clone(),
            clock,
            redis_clock: redis_clock.clone(),
            retain: retain.clone(),
            kept: kept.clone(),
            messages_kept: messages_kept(&retain),
            rooms,
        };
        Self {
            publisher: Arc::new(publisher),
            replicas,
            repair,
            history,
            listing: Arc::new(Listing::new(transport.clone(), index.clone(), list)),
            retention: Arc::new(Retention::new(
                transport.clone(),
                index,
                changes.clone(),
                redis_clock,
                retain,
                kept,
            )),
            changes,
            transport,
            feed,
        }
    }

    /// The index of all rooms.
    pub(crate) fn index(&self) -> &Arc<RoomIndex> {
        &self.publisher.index
    }

    /// Starts the tasks of the logs.
    pub(crate) fn start(&self) {
        self.publisher.lanes.start(&self.transport.runtime);
        let retention = self.retention.clone();
        self.transport.runtime.spawn(async move { retention.run().await });
        let changes = self.changes.clone();
        self.transport.runtime.spawn(async move { changes.run().await });
        let listing = self.listing.clone();
        self.transport.runtime.spawn(async move { listing.run().await });
    }

    /// See [`Broker::open`](crate::broker::Broker::open).
    pub(crate) async fn open(&self, room: RoomName) -> Result<Position, Unavailable> {
        let replica = self.replicas.acquire(&room, self.transport.keys.channel(&room));
        let opened = timeout(REQUEST_TIMEOUT, self.follow(&replica)).await.unwrap_or(Err(Unavailable));
        if opened.is_err() {
            self.replicas.release(&replica.channel);
        }
        opened
    }

    /// Subscribes, waits for the confirmation, and then reads the head: no announcement is lost in between. A room that
    /// is open already is caught up with the stored entries.
    async fn follow(&self, replica: &Arc<Replica>) -> Result<Position, Unavailable> {
        if replica.state.lock().stage == Stage::Open {
            self.repair.catch_up(replica).await?;
            return Ok(replica.state.lock().head.clone());
        }
        self.transport.subscriptions.subscribe(&replica.channel).await.map_err(|_| Unavailable)?;
        let mut looking = Pipeline::new();
        looking.add_command(look(&self.transport, &replica.channel, Seq::ZERO, 0));
        looking.add_command(self.open_rooms_command("SADD", &replica.room));
        let answers = self.transport.ask(&looking).await?;
        let seen = answers.first().and_then(RoomState::parse).ok_or(Unavailable)?;
        let mut state = replica.state.lock();
        let was = std::mem::replace(&mut state.stage, Stage::Open);
        if was != Stage::Open {
            state.head = seen.log.head;
            state.presence_version = seen.presence_version;
        }
        let head = state.head.clone();
        drop(state);
        if was == (Stage::Opening { announced: true }) {
            self.repair.schedule(replica);
        }
        Ok(head)
    }

    /// Closes rooms that the last member of this instance has left for a while.
    pub(crate) fn close_released(&self) {
        self.replicas.close_released(|replica| {
            self.transport.subscriptions.unsubscribe(&replica.channel);
            let mut closing = Pipeline::new();
            closing.add_command(self.open_rooms_command("SREM", &replica.room));
            self.transport.send_in_background(closing);
        });
    }

    /// Takes an announcement of a room.
    pub(crate) fn on_announcement(&self, channel: &str, payload: &str) {
        let (Some(replica), Some(feed)) = (self.replicas.by_channel(channel), self.feed.get()) else {
            return;
        };
        let Some(announced) = Announced::parse(payload) else {
            return tracing::warn!(%channel, "an announcement in a room's channel cannot be read");
        };
        if replica.announce(announced, &*feed).is_err() {
            self.repair.schedule(&replica);
        }
    }

    /// `SADD` or `SREM` of a room in the set of rooms that are open on this instance.
    fn open_rooms_command(&self, command: &str, room: &RoomName) -> Cmd {
        let transport = &self.transport;
        let mut change = Cmd::new();
        change.arg(command).arg(transport.keys.rooms_at(&transport.instance.get())).arg(room.as_str());
        change
    }
}
