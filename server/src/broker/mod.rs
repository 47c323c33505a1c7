//! The [`Broker`] trait, and a module for each engine that implements it.
//!
//! A broker numbers submissions, stores them, and announces them in order to its [`Feed`]. Nothing reaches members in
//! any other way. A broker holds no connections. One test suite, `contract`, runs against every engine.
//!
//! To add an engine: a module here that implements [`Broker`], and a line in the list of `contract.rs`.
//!
//! To add a method to [`Broker`]:
//! 1. The trait here, with the guarantee that all engines give; a request of a client returns [`Pending`].
//! 2. The memory engine: `memory.rs`.
//! 3. The file engine: `sqlite/mod.rs`, with a read in `sqlite/page.rs` and `store/reader.rs`.
//! 4. The Redis engine: a method of the owner whose state it reads or changes (`redis/log/mod.rs`,
//!    `redis/presence/mod.rs`), and its call in `redis/mod.rs`. In addition, if the method needs it:
//!    - a key: `redis/transport/keys.rs`, with a row in its table;
//!    - an atomic change: a script (recipe in `redis/transport/scripts.rs`);
//!    - an announcement: `redis/transport/wire.rs`, and its route in `redis/announcements.rs`;
//!    - a task that runs all the time: a `run` of its owner, which `start` of `log` or `presence` spawns;
//!    - a Redis command: the ACL rule in the server's README, which `tests/cli/redis.rs` compares;
//!    - a test in `redis/tests/` for several instances, and for a Redis that is unavailable or refuses commands.
//! 5. The broker of the tests, `steered.rs`, which can hold or refuse a call.
//! 6. A test in `contract/` and its line in the list of `contract.rs`, so that every engine runs it.
//! 7. The caller in `room/registry.rs`; for a request of a client also a variant of `session::Action`, its arm in
//!    `connection/actions.rs` and its operation in `connection/operation.rs`.
//!
//! A kind of entry needs no new method: the recipe is in `shared/src/entry.rs`. A rule that refuses entries: the recipe
//! is in [`submission`].

#[cfg(test)]
mod contract;
mod entry;
mod feed_slot;
mod folding;
mod found;
mod founding;
mod inbox;
mod local_presence;
mod member_names;
mod member_prefix;
mod member_search;
mod member_set;
pub(crate) mod memory;
mod mentions;
mod message_page;
mod page;
mod presence;
mod read_marker;
mod recipients;
pub(crate) mod redis;
mod room_filter;
mod room_list;
mod signal;
pub(crate) mod sqlite;
#[cfg(test)]
pub(crate) mod steered;
mod submission;

use std::borrow::Cow;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use realtime_shared::{
    DirectPair, Epoch, Feature, Inbox, LeaveReason, Position, RoomName, RoomSummary, Seq, UserId,
};

use self::entry::FIRST;
pub(crate) use self::entry::{Entry, Unavailable};
pub(crate) use self::found::{FoundPage, SearchQuery};
pub(crate) use self::inbox::InboxQuery;
pub(crate) use self::member_names::MemberNames;
pub(crate) use self::member_prefix::MemberPrefix;
pub(crate) use self::message_page::{MessagePage, PageFilter, PageQuery, PageRange};
pub(crate) use self::page::{Page, Range};
pub(crate) use self::presence::{
    FoundMembers, MEMBERS_NAMED, MEMBERS_TO_OTHERS, Presence, UnencodedJoined, found_members_frame, left,
    members_frame,
};
pub(crate) use self::read_marker::{ReadCompletion, ReadMark};
pub(crate) use self::recipients::{Concerned, Origin, Recipients, SkipConnections};
pub(crate) use self::room_filter::{NameRange, RangeKind, RoomFilter};
pub(crate) use self::signal::{PresenceChange, PresenceKind, Signal, Skip};
pub(crate) use self::submission::{Completion, DedupKey, NotStored, Receipt, Submission};

use crate::budget::Spending;

/// Number of newest entries among which a duplicate is recognized.
const DEDUP_ENTRIES: u64 = 10_000;
/// Entries of a room that are kept for each message that is kept.
const ENTRIES_PER_MESSAGE: u64 = 4;
/// Time during which a duplicate is recognized.
const DEDUP_WINDOW: Duration = Duration::from_hours(24);
/// Age that the newest entry of a room must exceed before the room is removed, if all its entries were trimmed and nobody
/// is in it. Then no `client_msg_id` of the room has to be known any more, unless a clock is in doubt.
const ROOM_REMOVAL_AGE: Duration = Duration::from_hours(24);
const _: () = assert!(ROOM_REMOVAL_AGE.as_secs() >= DEDUP_WINDOW.as_secs());

/// Reason why an engine is not ready.
pub(crate) type NotReady = Cow<'static, str>;

/// The answer of a broker, as a future.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// True if a duplicate of an entry of this age is still recognized.
fn is_in_dedup_window(age: Duration) -> bool {
    age <= DEDUP_WINDOW
}

/// The receiver of a broker's announcements, in order for each room.
///
/// Called with a broker's locks held: an implementation does not call the broker.
pub(crate) trait Feed: Send + Sync {
    /// Appends the next entry of a room.
    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry);
    /// Replaces the frames of entries, which were deleted or belong to a deleted message. Their seqs and ids stay.
    /// Announced before the entry that deletes them.
    fn replace(&self, room: &RoomName, entries: &[Entry]);
    /// Delivers a signal to the members of a room.
    fn signal(&self, room: &RoomName, signal: &Signal);
    /// Delivers a join or leave to the members of a room. `signal` makes its frame, which is not needed if the change is
    /// held.
    fn presence(&self, room: &RoomName, change: &PresenceChange, signal: &mut dyn FnMut() -> Signal);
    /// Delivers a frame to connections, independent of rooms.
    fn broadcast(&self, to: &Recipients, json: &Arc<str>);
    /// Replaces the log of a room, which is not the one announced so far. Its head is `head`. Announcements continue
    /// from `start`: first the `replayed` entries up to the head, then new ones.
    fn reset(&self, room: &RoomName, start: &Position, head: &Position, replayed: u64);
    /// Takes over what a user has spent on another instance.
    fn spent(&self, user: &UserId, spending: &Spending);
    /// Users of this instance in a room, leave grace included, in a fixed order.
    fn users(&self, room: &RoomName) -> Vec<UserId>;
}

/// An answer of an engine that lacks the feature.
fn unsupported<T: Send + 'static>() -> Pending<T> {
    Box::pin(ready(Err(Unavailable)))
}

/// An answer that needs no waiting.
fn ready_with<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(ready(Ok(value)))
}

/// Orders, stores and announces entries.
pub(crate) trait Broker: Send + Sync {
    /// `Ok` if submissions are expected to be stored and announced now, else the reason, for an operator.
    fn readiness(&self) -> Result<(), NotReady>;

    /// The features that the engine has beyond messages. The session refuses the frames of others.
    fn features(&self) -> &'static [Feature] {
        &[]
    }

    /// Begins to announce a room to the feed. The answer is the head of its log: all entries after it are announced,
    /// and entries up to it may be announced too.
    fn open(&self, room: &RoomName) -> Pending<Position>;

    /// Stops announcing a room.
    fn release(&self, room: &RoomName);

    /// Completes when the feed has all entries of an open room that are stored now, of every instance.
    fn catch_up(&self, room: &RoomName) -> Pending<()>;

    /// Takes an entry of any kind. The entries of one caller are stored in the order of its calls. Each completes
    /// later, and may wait for the next [`Broker::flush`]. An engine of one process announces it before it completes.
    ///
    /// With [`Feature::Notify`], the engine then broadcasts a `notify` to the users whom the entry mentions, and to the
    /// other user of a direct room. With [`Feature::Read`], the users of the feed in a room get a marker at 0 with the
    /// room's first entry.
    fn submit(&self, submission: Submission, done: Completion);

    /// Ends a batch of submissions: they do not wait for more.
    fn flush(&self);

    /// Delivers a signal to the members of a room. It is lost if the engine is unavailable.
    fn signal(&self, room: &RoomName, signal: Signal);

    /// Broadcasts a frame to connections, independent of rooms.
    fn broadcast(&self, to: Recipients, json: Arc<str>);

    /// True if other instances may serve the same users.
    fn has_peers(&self) -> bool {
        false
    }

    /// Sends what users have spent here to the other instances. It is lost if the engine is unavailable.
    fn publish_spending(&self, _spending: &[(UserId, Spending)]) {}

    /// Reads at most `limit` entries of every kind, as they are stored, of at most `bytes` in total, but at least one entry if there is any.
    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page>;

    /// Reads messages with their later changes, as `viewer` sees them. An engine without changes has the entries of all
    /// kinds.
    fn messages(&self, room: &RoomName, query: PageQuery, _viewer: &UserId) -> Pending<MessagePage> {
        let page = self.history(room, query.range.one_sided(), query.limit, query.bytes);
        Box::pin(async move { page.await.map(MessagePage::from) })
    }

    /// Searches messages in rooms that pass the filter: those with all words of the query, newest first, as `viewer` sees
    /// them. Called only if the engine has the feature.
    fn search(&self, _query: SearchQuery, _rooms: RoomFilter, _viewer: &UserId) -> Pending<FoundPage> {
        ready_with(FoundPage::default())
    }

    /// Stores the users of their direct room, if they are not stored, and read markers of both at 0. The room counts as one
    /// that `asker` has founded, and is never removed. Nothing else founds a room with a reserved name.
    fn open_direct(
        &self,
        _pair: &DirectPair,
        _asker: &UserId,
        _is_exempt: bool,
    ) -> Pending<Result<(), NotStored>> {
        unsupported()
    }

    /// Reads the stored users of a direct room. The caller asks before anything else about a direct room for a user: no
    /// other method checks who may use it.
    fn direct_pair(&self, _room: &RoomName) -> Pending<Option<DirectPair>> {
        unsupported()
    }

    /// Lists the direct rooms of a user that have a member or an entry, in any order.
    fn direct_rooms(&self, _user: &UserId) -> Pending<Vec<RoomSummary>> {
        ready_with(Vec::new())
    }

    /// A user has joined a room, whose head was `head`. The answer is the read marker, which the first join makes at
    /// `head`; `None` if the room has no entry. It may not be stored yet.
    fn mark_joined(&self, _room: &RoomName, _user: &UserId, _head: Seq) -> Pending<Option<Seq>> {
        ready_with(None)
    }

    /// A user has left a room on purpose, with all connections. The room is in the inbox with mentions only.
    fn mark_left(&self, _room: &RoomName, _user: &UserId) {}

    /// Moves a read marker forward, at most to the head, and completes when it is stored, within a second. The engine
    /// broadcasts a marker that has moved to the other connections of the user.
    fn mark_read(&self, _mark: ReadMark, done: ReadCompletion) {
        done(Err(Unavailable));
    }

    /// Reads the inbox of a user: its direct rooms, and rooms with a read marker or a mention.
    fn inbox(&self, _user: &UserId, _query: InboxQuery) -> Pending<Inbox> {
        unsupported()
    }

    /// Lists the rooms that have a member or an entry and pass the filter: at most `limit`, ordered by members, then by
    /// the newest entry, then the name. The flag is true if there are more. With a filter that has a test, at most 10,000
    /// names are looked at; then the answer is a part, and the flag is true.
    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)>;

    /// Adds a user to a room of this instance. If the user was on no other instance, the members receive the join. The
    /// answer names at most `members` users, of which [`MEMBERS_NAMED`] is the most. Calls for one user take effect in their order.
    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence>;

    /// Removes a user from a room of this instance. If the user is on no other instance, the remaining members receive
    /// the leave. Calls for one user take effect in their order.
    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence>;

    /// Reads the presence of a room, with the names of at most `members` users, of which [`MEMBERS_NAMED`] is the most.
    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence>;

    /// Finds the members of a room whose names begin with a prefix: at most `limit`, in the order of their names. A search
    /// passes over a limited number of places without a match. Then the answer is a part, and says that there may be more.
    fn find_members(&self, room: &RoomName, prefix: MemberPrefix, limit: usize) -> Pending<FoundMembers>;

    /// Counts a connection. The answer is the number of all connections, this one included. It is `None`, and nothing
    /// is counted, if the user has `limit` connections already. A limit of 0 means no limit.
    fn connect(&self, user: &UserId, limit: usize) -> Pending<Option<u64>>;

    /// Removes a connection from the count.
    fn disconnect(&self, user: &UserId);
}
