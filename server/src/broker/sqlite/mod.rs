//! Engine on an SQLite file: an acknowledged message survives the process, a crash and a power cut.
//!
//! One thread writes ([`writer`]) in group commits: a batch is what arrived while the last commit ran. Other threads
//! read ([`reader_pool`]), one loads the list of rooms ([`room_loader`]), and one moves committed pages from the WAL into
//! the file ([`checkpointer`]). One keeps the index of the search, and answers searches ([`searching`]). The state that the writer needs to append to a room is cached while the room is active
//! ([`tail_cache`]). Everything else is in the [`store`](crate::store).
//!
//! An I/O error ends the engine: it refuses every further submission and reports an [`EngineFailure`] to the server.

mod append;
mod checkpointer;
mod dedup_index;
mod erasure;
mod excess;
mod failure;
mod founding_rule;
mod inbox;
mod message_page;
mod open_rooms;
mod page;
mod personal_write;
mod reader_pool;
mod retained;
mod retention;
mod room_loader;
mod room_removal;
mod searching;
mod tail;
mod tail_cache;
#[cfg(test)]
mod tests;
mod write_queue;
mod writer;

use std::io;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use realtime_shared::rules::Rules;
use realtime_shared::{
    DirectPair, Feature, Inbox, LeaveReason, Position, RoomName, RoomSummary, Seq, UserId,
};

use self::checkpointer::Checkpointer;
pub(crate) use self::failure::EngineFailure;
use self::failure::spawn;
use self::founding_rule::FoundingRule;
use self::open_rooms::OpenRooms;
use self::personal_write::PersonalWrite;
use self::reader_pool::ReaderPool;
use self::retention::Sweep;
use self::room_loader::RoomLoader;
use self::searching::{SearchQueue, SearchThread};
use self::tail_cache::TailCache;
use self::write_queue::{PendingSubmission, WriteQueue};
use self::writer::WriterThread;
use super::feed_slot::FeedSlot;
use super::local_presence::LocalPresence;
use super::room_list::RoomList;
use super::{
    Broker, Completion, Feed, FoundMembers, FoundPage, InboxQuery, MemberPrefix, MessagePage, NotReady,
    NotStored, Page, PageQuery, Pending, Presence, Range, ReadCompletion, ReadMark, Recipients, RoomFilter,
    SearchQuery, Signal, Submission, Unavailable, ready_with,
};
use crate::clock::Clock;
use crate::config::{Retain, RoomLimits};
use crate::metrics::Metrics;
use crate::store::{DiskSpace, SearchIndex, Store, StoreWatch};

/// Threads that read for clients. With two, a long page does not block a join.
const READERS: usize = 2;

/// Threads that work on the file. Dropping the engine stores what was submitted before, then ends them.
pub(crate) struct SqliteEngine {
    queue: Arc<WriteQueue>,
    readers: Arc<ReaderPool>,
    feed: FeedSlot,
    failure: EngineFailure,
    watch: Arc<StoreWatch>,
    space: Arc<DiskSpace>,
    retain: Retain,
    list: RoomList,
    open_rooms: OpenRooms,
    presence: Arc<LocalPresence>,
    search: Option<Arc<SearchQueue>>,
    loader: Option<RoomLoader>,
    writer: Option<JoinHandle<()>>,
}

/// Broker on top of an engine.
pub(crate) struct SqliteBroker {
    queue: Arc<WriteQueue>,
    readers: Arc<ReaderPool>,
    feed: FeedSlot,
    watch: Arc<StoreWatch>,
    space: Arc<DiskSpace>,
    retain: Retain,
    presence: Arc<LocalPresence>,
    open_rooms: OpenRooms,
    list: RoomList,
    /// `None`: messages are not searched.
    search: Option<Arc<SearchQueue>>,
}

/// Settings of the engine.
#[derive(Debug, Clone)]
pub(crate) struct FileSettings {
    pub(crate) retain: Retain,
    /// See [`Config::min_free`](crate::config::Config::min_free).
    pub(crate) min_free: Option<usize>,
    pub(crate) rooms: RoomLimits,
    pub(crate) rules: Rules,
    pub(crate) search: bool,
}

impl SqliteEngine {
    /// Starts the threads.
    pub(crate) fn start(
        store: Store,
        clock: Clock,
        settings: FileSettings,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let FileSettings { retain, min_free, rooms, rules, search } = settings;
        let (queue, feed) = (Arc::new(WriteQueue::default()), FeedSlot::default());
        let failure = EngineFailure::new(queue.clone());
        let readers = Arc::new(ReaderPool::start(&store, "reader", READERS, &failure)?);
        let space = store.space(min_free.map(|bytes| bytes as u64));
        space.tick(&metrics);
        let checkpointer =
            Checkpointer::start(&store, queue.clone(), space.clone(), metrics.clone(), failure.clone())?;
        let watch = store.watch();
        let list = RoomList::loading();
        let presence = Arc::new(LocalPresence::new(list.clone()));
        let open_rooms = OpenRooms::default();
        let loader = RoomLoader::start(&store, list.clone(), &failure)?;
        let tails = TailCache::start(&store, queue.clone(), &failure)?;
        let search = search.then(Arc::<SearchQueue>::default);
        let search_thread = if let Some(queue) = &search {
            Some(SearchThread::start(&store, queue.clone(), space.clone(), retain.clone(), &failure)?)
        } else {
            // It would keep texts that are deleted from the store.
            SearchIndex::remove(store.path())?;
            None
        };
        let writer = WriterThread {
            store: store.into_writer().map_err(io::Error::other)?,
            clock,
            queue: queue.clone(),
            feed: feed.clone(),
            failure: failure.clone(),
            checkpointer,
            metrics,
            sweep: Sweep::new(retain.clone()),
            tails,
            space: space.clone(),
            list: list.clone(),
            founding: FoundingRule::new(rooms),
            rules,
            retain: retain.clone(),
            open_rooms: open_rooms.clone(),
            presence: presence.clone(),
            has_deleted: false,
            refusing: false,
            search: search.clone(),
            search_thread,
        };
        let writer = spawn("writer", &failure, move || writer.run())?;
        Ok(Self {
            queue,
            readers,
            feed,
            failure,
            watch,
            space,
            retain,
            list,
            open_rooms,
            presence,
            search,
            loader: Some(loader),
            writer: Some(writer),
        })
    }

    /// Creates the broker, which publishes to `feed`.
    pub(crate) fn broker(&self, feed: Weak<dyn Feed>) -> SqliteBroker {
        // An engine has one broker: a second one would publish to the feed of the first.
        self.feed.set(feed);
        SqliteBroker {
            queue: self.queue.clone(),
            readers: self.readers.clone(),
            retain: self.retain.clone(),
            feed: self.feed.clone(),
            watch: self.watch.clone(),
            space: self.space.clone(),
            presence: self.presence.clone(),
            open_rooms: self.open_rooms.clone(),
            list: self.list.clone(),
            search: self.search.clone(),
        }
    }

    pub(crate) fn failure(&self) -> EngineFailure {
        self.failure.clone()
    }
}

#[cfg(test)]
impl SqliteBroker {
    /// Runs a whole sweep.
    pub(super) async fn sweep(&self) {
        // Ends without a value.
        let _ = self.queue.sweep().await;
    }
}

impl Drop for SqliteEngine {
    fn drop(&mut self) {
        self.queue.close();
        // Before the writer's last checkpoint, which a reader would prevent, and before the lock is released.
        drop(self.loader.take());
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer panicked");
        }
    }
}

impl Broker for SqliteBroker {
    fn readiness(&self) -> Result<(), NotReady> {
        // A failed engine is about to end the server.
        if let Some(fault) = self.watch.fault() {
            return Err(fault.to_string().into());
        }
        self.space.fault().map_or(Ok(()), |fault| Err(fault.to_string().into()))
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        let (readers, room) = (self.readers.clone(), room.clone());
        let mut opening = self.open_rooms.open(&room);
        Box::pin(async move {
            opening.claim_ended().await;
            let head = readers.read(move |view| page::position(view, &room)).await?;
            opening.keep();
            Ok(head)
        })
    }

    fn release(&self, room: &RoomName) {
        self.open_rooms.release(room);
    }

    fn catch_up(&self, _: &RoomName) -> Pending<()> {
        ready_with(())
    }

    fn submit(&self, submission: Submission, done: Completion) {
        self.queue.push(PendingSubmission { submission, done });
    }

    fn flush(&self) {
        self.queue.flush();
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        if let Some(feed) = self.feed.get() {
            feed.signal(room, &signal);
        }
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        if let Some(feed) = self.feed.get() {
            feed.broadcast(&to, &json);
        }
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        let (room, retain) = (room.clone(), self.retain.clone());
        self.readers.read(move |view| page::page(view, &room, range, limit, bytes, &retain))
    }

    fn features(&self) -> &'static [Feature] {
        const ALL: &[Feature] = &[
            Feature::Reply,
            Feature::Edit,
            Feature::Delete,
            Feature::Reaction,
            Feature::Pin,
            Feature::Room,
            Feature::Direct,
            Feature::Read,
            Feature::Inbox,
            Feature::Notify,
            Feature::Search,
        ];
        let without_search = &ALL[..ALL.len() - 1];
        if self.search.is_some() { ALL } else { without_search }
    }

    fn open_direct(
        &self,
        pair: &DirectPair,
        asker: &UserId,
        is_exempt: bool,
    ) -> Pending<Result<(), NotStored>> {
        let (done, opened) = tokio::sync::oneshot::channel();
        let (pair, asker) = (pair.clone(), asker.clone());
        self.queue.push_personal(PersonalWrite::Direct { pair, asker, is_exempt, done });
        Box::pin(async move { opened.await.map_err(|_| Unavailable) })
    }

    fn direct_pair(&self, room: &RoomName) -> Pending<Option<DirectPair>> {
        let room = room.clone();
        self.readers.read(move |view| view.direct_pair(&room))
    }

    fn direct_rooms(&self, user: &UserId) -> Pending<Vec<RoomSummary>> {
        let (user, presence) = (user.clone(), self.presence.clone());
        let read = self.readers.read(move |view| inbox::direct_rooms(view, &user));
        Box::pin(async move {
            let mut rooms = read.await?;
            for listed in &mut rooms {
                listed.member_count = presence.members(&listed.room, 0).count;
            }
            rooms.retain(|listed| listed.member_count > 0 || listed.position != Position::Start);
            Ok(rooms)
        })
    }

    fn mark_joined(&self, room: &RoomName, user: &UserId, head: Seq) -> Pending<Option<Seq>> {
        let (room, user) = (room.clone(), user.clone());
        // In order with the leave before it, which may not be stored yet.
        self.queue.push_personal(PersonalWrite::Joined { room: room.clone(), user: user.clone(), head });
        self.readers.read(move |view| inbox::joined_marker(view, &room, &user, head))
    }

    fn mark_left(&self, room: &RoomName, user: &UserId) {
        self.queue.push_personal(PersonalWrite::Left { room: room.clone(), user: user.clone() });
    }

    fn mark_read(&self, mark: ReadMark, done: ReadCompletion) {
        self.queue.push_personal(PersonalWrite::Read { mark, done });
    }

    fn inbox(&self, user: &UserId, query: InboxQuery) -> Pending<Inbox> {
        let (user, retain, readers) = (user.clone(), self.retain.clone(), self.readers.clone());
        // What the user has joined, left and read before.
        let stored = self.queue.has_personal().then(|| {
            let (done, stored) = tokio::sync::oneshot::channel();
            self.queue.push_personal(PersonalWrite::Barrier { done });
            stored
        });
        Box::pin(async move {
            if let Some(stored) = stored {
                stored.await.map_err(|_| Unavailable)?;
            }
            readers.read(move |view| inbox::inbox(view, &user, &query, &retain)).await
        })
    }

    fn messages(&self, room: &RoomName, query: PageQuery, viewer: &UserId) -> Pending<MessagePage> {
        let (room, viewer, retain) = (room.clone(), viewer.clone(), self.retain.clone());
        self.readers.read(move |view| message_page::message_page(view, &room, query, &viewer, &retain))
    }

    fn search(&self, query: SearchQuery, rooms: RoomFilter, viewer: &UserId) -> Pending<FoundPage> {
        searching::search(self.search.as_ref(), query, rooms, viewer)
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        self.list.list(filter, limit)
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        ready_with(self.presence.enter(self.feed.get(), room, user, members))
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        ready_with(self.presence.leave(self.feed.get(), room, user, reason))
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        ready_with(self.presence.members(room, members))
    }

    fn find_members(&self, room: &RoomName, prefix: MemberPrefix, limit: usize) -> Pending<FoundMembers> {
        ready_with(self.presence.find(room, &prefix, limit))
    }

    fn connect(&self, user: &UserId, limit: usize) -> Pending<Option<u64>> {
        ready_with(self.presence.connect(user, limit))
    }

    fn disconnect(&self, user: &UserId) {
        self.presence.disconnect(user);
    }
}
