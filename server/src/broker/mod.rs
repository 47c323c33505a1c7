//! What orders, stores and announces: one trait, and one module for each engine that keeps its promises.
//!
//! A broker knows no rooms, members or connections. It numbers what is submitted, stores it, and hands it in order to
//! the [`Feed`] that it was given, which is the only way in which anything is shown to anybody. One test suite,
//! [`contract`], holds for all of them.
//!
//! To add an engine: a module here that implements [`Broker`], and a line in the contract's list.
//!
//! To add a method to [`Broker`]:
//! 1. The trait here, with the promise that all engines keep; a request of a client returns [`Pending`].
//! 2. `memory.rs`, `sqlite/mod.rs` (its read in `sqlite/page.rs` and `store/read.rs`) and `redis/mod.rs`; the brokers of
//!    the tests, in `connection/tests.rs`.
//! 3. A test in `contract/` and its line in the list of `contract.rs`, so that every engine runs it.
//! 4. The caller in `room/registry.rs`; for a request of a client also a variant of `session::Action`, its arm in
//!    `connection/actions.rs` and its operation in `connection/operation.rs`.
//!
//! A kind of entry needs no new method: the recipe is in [`submission`].

#[cfg(test)]
mod contract;
mod entry;
pub(crate) mod memory;
mod people;
mod presence;
pub(crate) mod redis;
mod signal;
pub(crate) mod sqlite;
#[cfg(test)]
pub(crate) mod steered;
mod submission;

use std::collections::HashMap;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use realtime_shared::{Epoch, LeaveReason, Position, RoomName, RoomSummary, Seq, Timestamp, UserId};

use self::entry::FIRST;
pub(crate) use self::entry::{Entry, Unavailable};
pub(crate) use self::presence::{MEMBERS_NAMED, Presence, joined, left};
pub(crate) use self::signal::{Signal, Skip};
#[cfg(test)]
pub(crate) use self::submission::Body;
pub(crate) use self::submission::{Completion, DedupKey, NotStored, Receipt, Submission};

/// How many entries back a message is known by its `client_msg_id`.
const DEDUP_ENTRIES: u64 = 10_000;
/// How long a message is known by its `client_msg_id`.
const DEDUP_WINDOW: Duration = Duration::from_hours(24);
/// A future that a broker hands out.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// Whether a message of then is still known by its `client_msg_id`, as far as time goes. A clock that went back
/// forgets nothing.
fn is_known_at(now: Timestamp, then: Timestamp) -> bool {
    u128::from(now.millis().saturating_sub(then.millis())) <= DEDUP_WINDOW.as_millis()
}

/// Recipients of a broadcast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// All connections of a user.
    User(UserId),
    /// All connections.
    Everyone,
}

/// Where a broker hands over what it announces, in order for each room.
///
/// Called with a broker's locks held: an implementation does not call the broker back.
pub(crate) trait Feed: Send + Sync {
    /// The next entry of a room.
    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry);
    /// Something that is not stored.
    fn signal(&self, room: &RoomName, signal: &Signal);
    /// A frame for connections, whatever rooms they are in.
    fn broadcast(&self, to: &Recipients, json: &Arc<str>);
    /// What was announced of a room is not its log any more: that has its head at `head`, and is announced from `start`
    /// on, `replayed` entries up to the head first.
    fn reset(&self, room: &RoomName, start: &Position, head: &Position, replayed: u64);
    /// Users of this instance that are in a room now, those in their grace included, in a fixed order.
    fn users(&self, room: &RoomName) -> Vec<UserId>;
}

/// Which entries of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Range {
    /// The newest.
    Newest,
    /// The newest of those before this number.
    Before(Seq),
    /// The oldest of those after this number.
    After(Seq),
}

/// A page of a room's past, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    /// Which log; none while the room has no entry.
    pub(crate) epoch: Option<Epoch>,
    /// The entries.
    pub(crate) entries: Vec<Entry>,
    /// Whether there are more in the direction that was asked for.
    pub(crate) has_more: bool,
}

/// Which rooms of the list may be shown.
pub(crate) type RoomFilter = Box<dyn Fn(&RoomName) -> bool + Send>;

/// The answer of an engine that has it at hand.
fn ready_with<T: Send + 'static>(value: T) -> Pending<T> {
    Box::pin(ready(Ok(value)))
}

/// Rooms of a list in which there are members and no entries.
fn without_entries(counts: HashMap<RoomName, u64>) -> impl Iterator<Item = RoomSummary> {
    let summary =
        |(room, member_count)| RoomSummary { room, member_count, position: Position::Start, last_ts: None };
    counts.into_iter().map(summary)
}

/// The first `limit` rooms of a list, by members, then by the newest entry; and whether there are more.
fn busiest_first(mut rooms: Vec<RoomSummary>, limit: usize) -> (Vec<RoomSummary>, bool) {
    rooms.sort_by(|a, b| {
        (b.member_count, b.last_ts).cmp(&(a.member_count, a.last_ts)).then_with(|| a.room.cmp(&b.room))
    });
    let has_more = rooms.len() > limit;
    rooms.truncate(limit);
    (rooms, has_more)
}

/// Orders, stores and announces.
pub(crate) trait Broker: Send + Sync {
    /// Whether what is submitted now can be expected to be stored and announced.
    fn is_ready(&self) -> bool;

    /// Begins to announce a room to the feed, and tells where its log's head is: what comes after it is announced,
    /// what is announced up to it may be passed over.
    fn open(&self, room: &RoomName) -> Pending<Position>;

    /// Stops announcing a room.
    fn release(&self, room: &RoomName);

    /// Sees to it that the feed has of an open room what is stored now, by whatever instance.
    fn catch_up(&self, room: &RoomName) -> Pending<()>;

    /// Takes an entry of any kind. Those of one caller are stored in the order of its calls; each completes later, perhaps not
    /// before the next [`Broker::flush`]. An engine of one process completes it after the feed had it.
    fn submit(&self, submission: Submission, done: Completion);

    /// Says that what was submitted is all for now, and is not to wait for more.
    fn flush(&self);

    /// Shows something to the members of a room. Lost where nobody can be reached.
    fn signal(&self, room: &RoomName, signal: Signal);

    /// Sends a frame to connections, whatever rooms they are in.
    fn broadcast(&self, to: Recipients, json: Arc<str>);

    /// Reads at most `limit` entries, or fewer where they would be over `bytes` (but at least one).
    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page>;

    /// The rooms that hold a member or an entry and pass the filter: at most `limit`, busiest first (by members, then
    /// by the newest entry), and whether there are more.
    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)>;

    /// A user comes into a room of this instance, where none of its connections was; where it was on no other, its
    /// members are told. In the order of the calls for each user.
    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence>;

    /// The last connection of a user is gone from a room of this instance; where it is on no other, those who remain
    /// are told. In the order of the calls for each user.
    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence>;

    /// Who is in a room.
    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence>;

    /// Counts a connection: how many there are now of everybody, and of this user, with it. Refused (and not counted)
    /// where the user would have more than `most`; 0: no bound.
    fn connect(&self, user: &UserId, most: usize) -> Pending<Option<u64>>;

    /// Counts it no more.
    fn disconnect(&self, user: &UserId);
}
