//! Rooms that are open on this instance: rooms with a member, leave grace included, and rooms being opened.
//!
//! The registry stands between connections and the broker in both directions. Connections join and leave rooms,
//! submit entries and make requests through it. The broker announces entries, signals and broadcasts to it, as its
//! [`Feed`].
//!
//! Membership changes of a room happen in its turn, one after the other. A join takes the turn, opens the room if
//! needed, takes a seat, and then calls the broker. Frames that the broker announces after the seat are live for the
//! joiner. The last leave releases the room at the broker, and removes it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use realtime_shared::{
    CloseCode, DirectPair, Epoch, Feature, Inbox, LeaveReason, Left, Position, RoomName, RoomSummary, Seq,
    ServerEvent, UserId, codec,
};
use tokio::sync::Notify;

use super::cursor::{Cursor, RoomEnd};
use super::flush::Flusher;
use super::grace::Grace;
use super::mailbox::Mailbox;
use super::members::Seat;
use super::presence_holds::PresenceHolds;
use super::store_reads::StoreReads;
use super::users::Users;
use super::{Context, RingState, Room};
use crate::broker::{
    Broker, Completion, Entry, Feed, FoundMembers, FoundPage, InboxQuery, MEMBERS_NAMED, MemberPrefix,
    MessagePage, NotReady, NotStored, Origin, PageQuery, Presence, PresenceChange, Range, ReadCompletion,
    ReadMark, Recipients, RoomFilter, SearchQuery, Signal, Skip, Submission, Unavailable, UnencodedJoined,
    left,
};
use crate::budget::{Budgets, PostCharge, PostPrice, Spending};
use crate::config::Config;
use crate::metrics::Metrics;

/// The open rooms and the connections of this instance.
pub(crate) struct Registry {
    pub(super) broker: Arc<dyn Broker>,
    pub(super) config: Arc<Config>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) rooms: Mutex<HashMap<RoomName, Arc<Room>>>,
    users: Users,
    flushers: Box<[Arc<Flusher>]>,
    /// Bytes in the rings of all rooms.
    pub(super) ring_bytes: AtomicUsize,
    pub(crate) budgets: Budgets,
    pub(crate) store_reads: StoreReads,
    pub(super) presence_holds: PresenceHolds,
    pub(super) grace: Mutex<Grace>,
    /// Notified when a leave grace begins.
    pub(super) grace_begun: Notify,
    /// The id of the next connection.
    next_connection: AtomicU64,
    /// A random number that identifies this instance among others.
    instance: u64,
}

/// The result of a join for the connection: the room, and the cursor at which it begins.
pub(crate) struct Entrance {
    pub(crate) room: Arc<Room>,
    pub(crate) cursor: Cursor,
    /// The end of the room's frames at the join.
    pub(crate) end: RoomEnd,
}

/// The reason why a connection did not join a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotJoined {
    Unavailable,
    /// The room has no entry, and its name is not in Unicode normalization form C.
    NewRoomNotNfc,
}

impl From<Unavailable> for NotJoined {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Registry {
    /// A registry without rooms, and its broker, which `connect` makes with the registry as its feed.
    pub(crate) fn new(
        config: Arc<Config>,
        metrics: Arc<Metrics>,
        connect: impl FnOnce(Weak<dyn Feed>) -> Arc<dyn Broker>,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this: &Weak<Self>| {
            let broker = connect(this.clone());
            let budgets = Budgets::new(&config.limits, broker.has_peers(), Instant::now());
            Self {
                store_reads: StoreReads::new(broker.clone()),
                broker,
                budgets,
                flushers: (0..config.workers).map(|_| Arc::default()).collect(),
                config,
                metrics,
                rooms: Mutex::default(),
                users: Users::default(),
                ring_bytes: AtomicUsize::new(0),
                presence_holds: PresenceHolds::default(),
                grace: Mutex::default(),
                grace_begun: Notify::new(),
                next_connection: AtomicU64::new(1),
                instance: fastrand::u64(..),
            }
        })
    }

    /// See [`Broker::readiness`].
    pub(crate) fn readiness(&self) -> Result<(), NotReady> {
        self.broker.readiness()
    }

    /// Runs the flusher of a worker, on that worker.
    pub(crate) fn flush(&self, worker: usize) -> impl Future<Output = ()> + Send + use<> {
        self.flushers[worker].clone().run(worker, self.broker.clone())
    }

    /// Counts a connection. Returns its mailbox and the number of connections of all users; `None` if its user has
    /// too many.
    pub(crate) async fn connect(
        &self,
        user: &UserId,
        worker: usize,
    ) -> Result<Option<(Arc<Mailbox>, u64)>, Unavailable> {
        let most = self.config.limits.max_connections_per_user;
        let Some(online) = self.broker.connect(user, most).await? else { return Ok(None) };
        let connection = self.next_connection.fetch_add(1, Ordering::Relaxed);
        let flusher = self.flushers[worker].clone();
        let mailbox = Mailbox::new(connection, user.clone(), worker, flusher, self.metrics.clone());
        let mailbox = Arc::new(mailbox);
        self.users.add(&mailbox);
        Ok(Some((mailbox, online)))
    }

    /// Removes a connection from the count.
    pub(crate) fn disconnect(&self, mailbox: &Mailbox) {
        self.users.remove(mailbox);
        self.broker.disconnect(&mailbox.user);
    }

    /// Closes all connections.
    pub(crate) fn close_all(&self, code: CloseCode) {
        self.users.close_all(code);
    }

    /// Admits a post to a room, or returns the time until the room may be posted to. Returns also the audience of the room.
    /// `seated` is the room if the connection has a seat in it: then no lock is taken.
    pub(crate) fn admit_post(
        &self,
        room: &RoomName,
        seated: Option<&Room>,
        price: PostPrice,
    ) -> Result<(PostCharge, usize), Duration> {
        let admit = |room: &Room| Ok((room.budget.admit(price)?, room.audience()));
        if let Some(seated) = seated {
            return admit(seated);
        }
        let open = self.rooms.lock().get(room).cloned();
        match open {
            Some(open) => admit(&open),
            None => self.budgets.take_closed(room, price).map(|()| (PostCharge::free(), 0)),
        }
    }

    /// Sends the other instances what users have spent here.
    pub(super) fn publish_spending(&self, spending: &[(UserId, Spending)]) {
        if !spending.is_empty() {
            self.broker.publish_spending(spending);
        }
    }

    /// Submits an entry of a connection on `worker`; see [`Broker::submit`].
    pub(crate) fn submit(&self, worker: usize, submission: Submission, done: Completion) {
        self.broker.submit(submission, done);
        self.flushers[worker].submitted();
    }

    /// Sends a signal to a room; see [`Broker::signal`].
    pub(crate) fn signal(&self, room: &RoomName, event: &ServerEvent, skip: Skip) {
        self.broker.signal(room, Signal::new(codec::encode(event).into(), skip));
    }

    /// Sends an event outside of rooms, to connections on all instances; see [`Broker::broadcast`].
    pub(crate) fn broadcast(&self, to: Recipients, event: &ServerEvent) {
        self.broker.broadcast(to, codec::encode(event).into());
    }

    /// See [`Broker::features`].
    pub(crate) fn features(&self) -> &'static [Feature] {
        self.broker.features()
    }

    /// A page of a room's history; see [`Broker::messages`].
    pub(crate) async fn messages(
        &self,
        room: &RoomName,
        query: PageQuery,
        viewer: &UserId,
    ) -> Result<MessagePage, Unavailable> {
        self.broker.messages(room, query, viewer).await
    }

    /// Returns true if the room has had an entry.
    pub(crate) async fn is_founded(&self, room: &RoomName) -> Result<bool, Unavailable> {
        Ok(self.broker.history(room, Range::Newest, 1, 1).await?.epoch.is_some())
    }

    /// The members of a room, for a request of this user.
    pub(crate) async fn members(&self, room: &RoomName, user: &UserId) -> Result<Presence, Unavailable> {
        let open = self.rooms.lock().get(room).cloned();
        let _read = open.as_ref().map(|open| open.begin_read(user));
        self.broker.members(room, MEMBERS_NAMED).await
    }

    /// Finds members of a room; see [`Broker::find_members`].
    pub(crate) async fn find_members(
        &self,
        room: &RoomName,
        prefix: MemberPrefix,
        limit: usize,
    ) -> Result<FoundMembers, Unavailable> {
        self.broker.find_members(room, prefix, limit).await
    }

    /// Searches messages; see [`Broker::search`].
    pub(crate) async fn search(
        &self,
        query: SearchQuery,
        rooms: RoomFilter,
        viewer: &UserId,
    ) -> Result<FoundPage, Unavailable> {
        let direct = self.broker.direct_rooms(viewer).await?.into_iter().map(|room| room.room);
        self.broker.search(query, rooms.with_direct(direct), viewer).await
    }

    /// The list of rooms, with the direct rooms of the user; see [`Broker::list`].
    pub(crate) async fn list(
        &self,
        user: &UserId,
        filter: RoomFilter,
        limit: usize,
    ) -> Result<(Vec<RoomSummary>, bool), Unavailable> {
        let mut direct = self.broker.direct_rooms(user).await?;
        let filter = filter.with_direct(direct.iter().map(|room| room.room.clone()));
        direct.retain(|room| filter.passes(&room.room));
        let (mut rooms, has_more) = self.broker.list(filter, limit).await?;
        if direct.is_empty() {
            return Ok((rooms, has_more));
        }
        rooms.extend(direct);
        rooms.sort_by(|one, other| {
            let busiest = |room: &RoomSummary| Reverse((room.member_count, room.last_ts));
            (busiest(one), &one.room).cmp(&(busiest(other), &other.room))
        });
        let is_cut = rooms.len() > limit;
        rooms.truncate(limit);
        Ok((rooms, has_more || is_cut))
    }

    /// Opens the direct room of two users; see [`Broker::open_direct`].
    pub(crate) async fn open_direct(
        &self,
        pair: &DirectPair,
        asker: &UserId,
        is_exempt: bool,
    ) -> Result<Result<(), NotStored>, Unavailable> {
        self.broker.open_direct(pair, asker, is_exempt).await
    }

    /// Returns true if the user may use a direct room.
    pub(crate) async fn opens_direct(&self, room: &RoomName, user: &UserId) -> Result<bool, Unavailable> {
        let pair = self.broker.direct_pair(room).await?;
        Ok(pair.is_some_and(|pair| pair.other_of(user).is_some()))
    }

    /// Moves the read marker of a connection's user; see [`Broker::mark_read`].
    pub(crate) fn mark_read(
        &self,
        mailbox: &Mailbox,
        room: RoomName,
        seq: Seq,
        is_member: bool,
        done: ReadCompletion,
    ) {
        let origin = Origin { instance: self.instance, connection: mailbox.connection };
        self.broker.mark_read(ReadMark { user: mailbox.user.clone(), room, seq, is_member, origin }, done);
        self.flushers[mailbox.worker].submitted();
    }

    /// The inbox of a user; see [`Broker::inbox`].
    pub(crate) async fn inbox(&self, user: &UserId, query: InboxQuery) -> Result<Inbox, Unavailable> {
        self.broker.inbox(user, query).await
    }

    /// Joins a room. Returns the connection's entrance, its seat, and its `joined`.
    pub(crate) async fn join(
        &self,
        mailbox: &Arc<Mailbox>,
        name: &RoomName,
        since: Option<&Position>,
    ) -> Result<(Entrance, Seat, UnencodedJoined), NotJoined> {
        loop {
            let room = self.room(name);
            let turn = room.turn.lock().await;
            if room.state.lock().removed {
                continue;
            }
            if let Err(error) = self.open(&room).await {
                self.forget_if_empty(&room);
                return Err(error);
            }
            // The ring may have been discarded since then. If so, the room is opened again.
            let Some((seat, enters, join_point)) = self.seat(&room, mailbox, since) else { continue };
            // The connection has a seat, so frames from here on are live.
            let entered = async {
                let join_point = self.catch_up(&room, join_point, since).await?;
                let read = room.begin_read(&mailbox.user);
                let presence = if enters {
                    let presence = self.broker.enter(name, &mailbox.user, MEMBERS_NAMED).await?;
                    room.state.lock().members.set_entered(&mailbox.user);
                    presence
                } else {
                    self.broker.members(name, MEMBERS_NAMED).await?
                };
                drop(read);
                drop(turn);
                self.entrance(&room, &mailbox.user, join_point, since, presence).await
            };
            return match entered.await {
                Ok((entrance, joined)) => Ok((entrance, seat, joined)),
                Err(error) => {
                    self.unseat(&room, mailbox, seat, Duration::ZERO, LeaveReason::Disconnected);
                    Err(NotJoined::from(error))
                }
            };
        }
    }

    /// Answers a `join_room` of a connection that is in the room already. It keeps its seat.
    pub(crate) async fn rejoin(
        &self,
        mailbox: &Mailbox,
        room: &Arc<Room>,
        since: Option<&Position>,
    ) -> Result<(Entrance, UnencodedJoined), Unavailable> {
        let join_point = room.join_point(since).ok_or(Unavailable)?;
        let join_point = self.catch_up(room, join_point, since).await?;
        let read = room.begin_read(&mailbox.user);
        let presence = self.broker.members(&room.name, MEMBERS_NAMED).await?;
        drop(read);
        self.entrance(room, &mailbox.user, join_point, since, presence).await
    }

    /// Leaves a room. Returns the point at which the connection's frames end, and its `left`. The user leaves
    /// if this was its last connection in the room.
    pub(crate) async fn leave(
        &self,
        mailbox: &Mailbox,
        room: &Arc<Room>,
        seat: Seat,
        reason: LeaveReason,
    ) -> Result<(RoomEnd, Left), Unavailable> {
        let _turn = room.turn.lock().await;
        let (last, until) = {
            let mut state = room.state.lock();
            let last = state.members.unseat(mailbox, seat);
            if last {
                state.members.remove(&mailbox.user);
            }
            let head = match &state.ring {
                RingState::Open(ring) => ring.head().seq(),
                // The ring was discarded, and the connection is being closed.
                RingState::Closed | RingState::Opening { .. } => Seq::ZERO,
            };
            (last, RoomEnd { offset: room.end.load(Ordering::Acquire), head })
        };
        let presence = if last {
            let presence = self.publish_leave(room, &mailbox.user, reason).await?;
            if presence.changed && reason == LeaveReason::Left {
                self.broker.mark_left(&room.name, &mailbox.user);
            }
            presence
        } else {
            self.broker.members(&room.name, 0).await?
        };
        Ok((until, left(&mailbox.user, &room.name, presence.count, reason)))
    }

    /// Publishes the leave of a user without a seat on this instance. Runs in the room's turn.
    pub(super) async fn publish_leave(
        &self,
        room: &Arc<Room>,
        user: &UserId,
        reason: LeaveReason,
    ) -> Result<Presence, Unavailable> {
        let presence = self.broker.leave(&room.name, user, reason).await;
        self.forget_if_empty(room);
        presence
    }

    /// Trims frames that are too old from all rings, and drops pages of the store that were kept for readers.
    pub(super) fn trim(&self) {
        let rooms: Vec<_> = self.rooms.lock().values().cloned().collect();
        let context = self.context();
        for room in &rooms {
            room.trim(&context);
        }
        self.store_reads.trim(context.now);
    }

    /// The room of this name. Adds it to the table if it is not there.
    fn room(&self, name: &RoomName) -> Arc<Room> {
        let mut rooms = self.rooms.lock();
        if let Some(room) = rooms.get(name) {
            return room.clone();
        }
        let budget = self.budgets.open_room(name);
        let room = Arc::new(Room::new(name.clone(), budget, self.flushers.len()));
        rooms.insert(name.clone(), room.clone());
        self.metrics.rooms.inc();
        room
    }

    /// Opens a room, if it is not open. Runs in the room's turn.
    async fn open(&self, room: &Arc<Room>) -> Result<(), NotJoined> {
        let was_opened = {
            let mut state = room.state.lock();
            if matches!(state.ring, RingState::Open(_)) {
                return Ok(());
            }
            // Before the broker reads the head, so that no entry after the head is missed.
            state.ring = RingState::opening();
            std::mem::take(&mut state.opened)
        };
        if was_opened {
            // The ring was discarded while the room had members.
            self.broker.release(&room.name);
        }
        match self.broker.open(&room.name).await {
            Ok(Position::Start) if room.name.to_nfc().is_some() => {
                self.broker.release(&room.name);
                room.state.lock().ring = RingState::Closed;
                Err(NotJoined::NewRoomNotNfc)
            }
            Ok(head) => {
                room.state.lock().opened = true;
                room.open(head, &self.context());
                Ok(())
            }
            Err(error) => {
                room.state.lock().ring = RingState::Closed;
                Err(error.into())
            }
        }
    }

    /// Removes a room without members. Runs in the room's turn.
    fn forget_if_empty(&self, room: &Arc<Room>) {
        let mut state = room.state.lock();
        if state.removed || !state.members.is_empty() {
            return;
        }
        state.removed = true;
        if let RingState::Open(ring) = &state.ring {
            self.ring_bytes.fetch_sub(ring.bytes(), Ordering::Relaxed);
        }
        let was_opened = std::mem::take(&mut state.opened);
        // Lock order: the broker calls the feed with its own locks held, and the feed locks the state.
        drop(state);
        if was_opened {
            // Before the removal from the table, so that the next join calls `open` after `release`.
            self.broker.release(&room.name);
        }
        self.rooms.lock().remove(&room.name);
        self.budgets.close_room(&room.name, &room.budget, Instant::now());
        self.metrics.rooms.dec();
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            now: Instant::now(),
            limits: &self.config.ring,
            flushers: &self.flushers,
            ring_bytes: &self.ring_bytes,
            presence_holds: &self.presence_holds,
            metrics: &self.metrics,
        }
    }
}

impl Feed for Registry {
    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry) {
        let room = self.rooms.lock().get(room).cloned();
        if let Some(room) = room {
            room.append(epoch, entry, &self.context());
        }
    }

    fn replace(&self, room: &RoomName, entries: &[Entry]) {
        let room = self.rooms.lock().get(room).cloned();
        if let Some(room) = room {
            room.replace(entries, &self.context());
        }
    }

    fn signal(&self, room: &RoomName, signal: &Signal) {
        let room = self.rooms.lock().get(room).cloned();
        if let Some(room) = room {
            room.signal(signal, &self.context());
        }
    }

    fn presence(&self, room: &RoomName, change: &PresenceChange, signal: &mut dyn FnMut() -> Signal) {
        let room = self.rooms.lock().get(room).cloned();
        if let Some(room) = room {
            room.presence(change, signal, &self.context());
        }
    }

    fn broadcast(&self, to: &Recipients, json: &Arc<str>) {
        self.users.broadcast(to, json, self.instance);
    }

    fn reset(&self, room: &RoomName, start: &Position, head: &Position, replayed: u64) {
        let room = self.rooms.lock().get(room).cloned();
        if let Some(room) = room {
            room.reset(start, head, replayed, &self.context());
        }
    }

    fn spent(&self, user: &UserId, spending: &Spending) {
        self.budgets.spend_elsewhere(user, spending, Instant::now());
    }

    fn users(&self, room: &RoomName) -> Vec<UserId> {
        let room = self.rooms.lock().get(room).cloned();
        room.map(|room| room.users()).unwrap_or_default()
    }
}
