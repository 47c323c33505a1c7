//! The guarantees of every broker: one test suite that runs against each engine.
//!
//! A test gets an [`EngineFixture`]: an empty broker, and a feed that records announcements. It waits for events that come
//! later (completions, announcements), and uses no internals of an engine.
//!
//! To add an engine: a function that creates an empty broker, and a line at [`contract!`]. To add a guarantee: a test in
//! the file of its topic, and its name below.

pub(super) mod changes;
mod equality;
mod founding;
mod history;
mod inbox;
mod order;
mod presence;
pub(super) mod removal;
mod retention;
mod searching;

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use realtime_shared::rules::Rules;
use realtime_shared::{
    ClientMsgId, EntryEvent, Epoch, Message, Position, Post, RoomName, ServerEvent, Text, UserId, codec,
};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::memory::MemoryBroker;
use super::redis::tests::{server::Redis, target};
use super::redis::{RedisBroker, RedisEngine};
use super::sqlite::{FileSettings, SqliteEngine};
use super::{Broker, Entry, Feed, NotStored, PresenceChange, Receipt, Recipients, Signal, Submission};
use crate::budget::Spending;
use crate::clock::Clock;
use crate::config::{MemoryStore, Retain, RoomLimits};
use crate::metrics::Metrics;
use crate::store::Store;

/// Runs every test of the contract against the broker of the function of this name.
macro_rules! contract {
    ($engine:ident) => {
        mod $engine {
            contract!(@ $engine keeping None, order:
                seqs_are_contiguous,
                entries_of_one_caller_keep_their_order,
                a_resent_message_gets_the_first_receipt,
                a_client_msg_id_is_known_for_one_room_and_sender,
                messages_without_a_client_msg_id_are_always_stored,
                a_message_sent_concurrently_is_stored_once,
                signals_and_broadcasts_reach_the_feed_unchanged,
                a_new_room_has_a_name_in_nfc,
            );
            contract!(@ $engine keeping None, history:
                an_empty_room_has_no_history,
                pages_have_the_entries_of_their_range,
                a_page_stays_within_its_bytes_but_has_an_entry,
                an_opened_room_is_announced_from_its_head,
                rooms_are_listed_busiest_first,
                a_list_contains_only_rooms_that_pass_the_filter,
            );
            contract!(@ $engine keeping None, presence:
                a_user_is_a_member_from_enter_to_leave,
                members_receive_joins_and_leaves,
                rooms_do_not_share_their_members,
                at_most_the_requested_members_are_named,
                members_are_found_by_a_prefix_in_upper_or_lower_case,
                a_search_finds_exactly_the_members_with_the_prefix,
                a_search_for_members_ends_after_many_places_without_a_match,
                connections_are_counted,
                connections_of_a_user_are_limited,
            );
            contract!(@ $engine keeping None, changes:
                changes_are_numbered_announced_and_deduplicated,
                a_page_has_messages_with_their_changes,
                a_change_that_changes_nothing_is_acked_with_the_entry_that_made_the_state,
                deduplication_comes_before_every_rule,
                a_deleted_text_is_in_no_answer,
                a_refused_change_leaves_nothing_behind,
                settings_restrict_members_and_are_in_pages,
                pages_cover_the_entries_between_their_messages,
                threads_and_pinned_messages_are_paged,
            );
            contract!(@ $engine keeping None, inbox:
                a_direct_room_is_known_to_its_two_users,
                a_direct_message_waits_for_a_user_who_was_never_there,
                a_reserved_room_is_founded_by_nothing_else,
                a_read_marker_moves_forward_only,
                users_in_a_new_room_have_read_nothing_of_it,
                mentions_are_those_of_the_list_or_of_words,
                an_edit_replaces_mentions_and_a_deletion_ends_them,
                an_inbox_is_ordered_limited_and_within_the_rights,
                users_are_notified_of_direct_messages_and_mentions,
            );
            contract!(@ $engine keeping Some(2_000), inbox:
                unread_messages_are_counted_up_to_a_thousand,
            );
            contract!(@ $engine keeping Some(3), inbox:
                a_mention_is_dropped_with_its_message,
            );
            contract!(@ $engine founding RoomLimits { new_per_user: 2, total: 9 }, inbox:
                a_direct_room_counts_as_a_new_room_of_the_user_who_asks,
            );
            contract!(@ $engine keeping Some(3), changes:
                retention_counts_messages_and_bounds_entries,
            );
            contract!(@ $engine keeping None, searching:
                a_message_is_found_by_its_present_text_once_it_is_acked,
                results_are_the_newest_messages_with_their_changes,
                a_search_is_restricted_to_rooms_users_and_times,
                random_searches_find_what_a_naive_search_finds,
            );
            contract!(@ $engine keeping Some(3), searching:
                a_message_beyond_the_retention_is_not_found,
            );
            contract!(@ $engine founding RoomLimits { new_per_user: 2, total: 5 }, founding:
                a_user_founds_a_limited_number_of_rooms,
                a_join_founds_no_room,
                the_number_of_rooms_is_limited,
            );
            contract!(@ $engine keeping Some(3), retention:
                history_has_only_the_retained_entries,
                a_reader_behind_the_retention_sees_a_gap,
            );
        }
    };
    (@ $engine:ident keeping $messages:expr, $topic:ident: $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let retain = super::Retain { age: None, messages: $messages, confirmed: false };
                super::$topic::$test(&super::EngineFixture::new(|feed| super::$engine(feed, retain, super::RoomLimits::none()))).await;
            }
        )*
    };
    (@ $engine:ident founding $limits:expr, $topic:ident: $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                use super::{Retain, RoomLimits};
                let make = |feed| super::$engine(feed, Retain::default(), $limits);
                super::$topic::$test(&super::EngineFixture::new(make)).await;
            }
        )*
    };
}

/// Runs the tests of the removal of rooms against an engine whose entries a test ages.
macro_rules! removal {
    ($name:ident, $engine:ty) => {
        mod $name {
            removal!(@ $engine:
                an_empty_room_is_removed_a_day_after_its_last_entry,
                a_removed_room_is_founded_anew,
                an_empty_room_stays_for_a_day,
                a_room_with_an_entry_stays,
                a_room_with_a_member_stays,
                a_removed_room_gives_its_place_to_another,
            );
        }
    };
    (@ $engine:ty: $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                use super::super::*;
                removal::$test::<$engine>().await;
            }
        )*
    };
}

mod removal_of_rooms {
    removal!(memory, removal::MemoryEntries);
    removal!(sqlite, removal::SqliteEntries);
    removal!(redis, crate::broker::redis::tests::removal::RedisEntries);
}

/// Guarantees of the engines of one process only.
mod in_one_process {
    use super::{EngineFixture, Retain, RoomLimits, memory, order, removal, sqlite};

    #[tokio::test]
    async fn an_entry_is_announced_before_it_completes() {
        let retain = Retain::default();
        order::an_entry_is_announced_before_it_completes(&EngineFixture::new(|feed| {
            memory(feed, retain.clone(), RoomLimits::none())
        }))
        .await;
        order::an_entry_is_announced_before_it_completes(&EngineFixture::new(|feed| {
            sqlite(feed, retain, RoomLimits::none())
        }))
        .await;
    }

    #[tokio::test]
    async fn an_open_room_stays() {
        removal::an_open_room_stays::<removal::MemoryEntries>().await;
        removal::an_open_room_stays::<removal::SqliteEntries>().await;
    }
}

contract!(memory);
contract!(sqlite);
contract!(redis);

fn memory(feed: Weak<dyn Feed>, retain: Retain, rooms: RoomLimits) -> (Arc<dyn Broker>, KeepAlive) {
    let broker = MemoryBroker::new(feed, Clock::system(), MemoryStore::default(), retain, rooms);
    (Arc::new(broker), Box::new(()))
}

fn sqlite(feed: Weak<dyn Feed>, retain: Retain, rooms: RoomLimits) -> (Arc<dyn Broker>, KeepAlive) {
    let directory = TempDir::new().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let engine = SqliteEngine::start(store, Clock::system(), file_settings(retain, rooms), metrics())
        .expect("threads");
    (Arc::new(engine.broker(feed)), Box::new((engine, directory)))
}

pub(super) fn file_settings(retain: Retain, rooms: RoomLimits) -> FileSettings {
    FileSettings { retain, min_free: None, rooms, rules: Rules::default(), search: true }
}

fn redis(feed: Weak<dyn Feed>, retain: Retain, rooms: RoomLimits) -> (Arc<dyn Broker>, KeepAlive) {
    let server = Redis::start();
    let (broker, engine) = redis_at(&server.url(), feed, retain, rooms);
    (broker, Box::new((engine, server)))
}

/// A broker on a Redis that other instances may use.
pub(super) fn redis_at(
    url: &str,
    feed: Weak<dyn Feed>,
    retain: Retain,
    rooms: RoomLimits,
) -> (Arc<RedisBroker>, RedisEngine) {
    let engine = RedisEngine::start(target(url), Clock::system(), retain, rooms, Rules::default(), metrics())
        .expect("a thread");
    (Arc::new(engine.broker(feed)), engine)
}

pub(super) fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(1, Clock::system().now()))
}

/// Values that live as long as the test: the engine, its files and its Redis.
pub(super) type KeepAlive = Box<dyn Any + Send + Sync>;

/// A broker and the recorder of its announcements.
pub(super) struct EngineFixture<B: ?Sized = dyn Broker> {
    pub(super) broker: Arc<B>,
    pub(super) recorder: Arc<Recorder>,
    _keep_alive: KeepAlive,
}

impl<B: Broker + ?Sized> EngineFixture<B> {
    pub(super) fn new(make: impl FnOnce(Weak<dyn Feed>) -> (Arc<B>, KeepAlive)) -> Self {
        let recorder = Arc::new(Recorder::default());
        let feed: Arc<dyn Feed> = recorder.clone();
        let (broker, keep_alive) = make(Arc::downgrade(&feed));
        Self { broker, recorder, _keep_alive: keep_alive }
    }

    /// The head of a room's log, as the answer to opening it.
    pub(super) async fn head(&self, name: &str) -> Position {
        let head = self.broker.open(&room(name)).await.expect("a head");
        self.broker.release(&room(name));
        head
    }

    /// Submits an entry and waits for its receipt.
    pub(super) async fn post(&self, submission: Submission) -> Receipt {
        let (done, receipt) = oneshot::channel();
        self.submit(submission, move |result| {
            let _ = done.send(result.expect("stored"));
        });
        receipt.await.expect("completed")
    }

    pub(super) fn submit(
        &self,
        submission: Submission,
        done: impl FnOnce(Result<Receipt, NotStored>) + Send + 'static,
    ) {
        self.broker.submit(submission, Box::new(done));
        self.broker.flush();
    }

    /// Posts messages to a room; their texts are the numbers from 1 to `count`.
    pub(super) async fn fill(&self, to: &str, count: u64) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for number in 1..=count {
            receipts.push(self.post(submission("alice", to, &number.to_string())).await);
        }
        receipts
    }
}

/// Time after which a waiting test fails.
pub(super) const TEST_TIMEOUT: Duration = Duration::from_mins(1);

/// A feed that records all calls.
#[derive(Default)]
pub(super) struct Recorder {
    events: watch::Sender<Vec<FeedEvent>>,
    /// The users of this instance in each room, for [`Feed::users`].
    pub(super) members: Mutex<BTreeSet<(RoomName, UserId)>>,
}

/// A call of a feed, with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FeedEvent {
    Entry(RoomName, Epoch, Entry),
    /// The entries that got other frames.
    Replaced(RoomName, Vec<Entry>),
    Signal(RoomName, Signal),
    Broadcast(Recipients, Arc<str>),
    /// The room, the start, and the number of replayed entries.
    Reset(RoomName, Position, u64),
    Spent(UserId, Spending),
}

impl Recorder {
    /// All events, as soon as there are `count` or more.
    pub(super) async fn wait_for_count(&self, count: usize) -> Vec<FeedEvent> {
        self.wait_until(|events| events.len() >= count).await
    }

    /// All events, as soon as they fulfil the condition.
    pub(super) async fn wait_until(&self, mut condition: impl FnMut(&[FeedEvent]) -> bool) -> Vec<FeedEvent> {
        let mut receiver = self.events.subscribe();
        let waiting = timeout(TEST_TIMEOUT, receiver.wait_for(|events| condition(events))).await;
        let Ok(events) = waiting else { panic!("no events but {:?}", self.events.borrow()) };
        events.expect("the recorder lives").clone()
    }

    /// Takes the events recorded so far.
    pub(super) fn take(&self) -> Vec<FeedEvent> {
        self.events.send_replace(Vec::new())
    }

    /// The entries recorded so far, of all rooms.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let events = self.events.borrow();
        events
            .iter()
            .filter_map(|event| if let FeedEvent::Entry(.., e) = event { Some(e.clone()) } else { None })
            .collect()
    }

    fn add(&self, event: FeedEvent) {
        self.events.send_modify(|events| events.push(event));
    }
}

impl Feed for Recorder {
    fn spent(&self, user: &UserId, spending: &Spending) {
        self.add(FeedEvent::Spent(user.clone(), *spending));
    }

    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry) {
        self.add(FeedEvent::Entry(room.clone(), epoch.clone(), entry.clone()));
    }

    fn replace(&self, room: &RoomName, entries: &[Entry]) {
        self.add(FeedEvent::Replaced(room.clone(), entries.to_vec()));
    }

    fn signal(&self, room: &RoomName, signal: &Signal) {
        self.add(FeedEvent::Signal(room.clone(), signal.clone()));
    }

    fn presence(&self, room: &RoomName, _: &PresenceChange, signal: &mut dyn FnMut() -> Signal) {
        self.signal(room, &signal());
    }

    fn broadcast(&self, to: &Recipients, json: &Arc<str>) {
        self.add(FeedEvent::Broadcast(to.clone(), json.clone()));
    }

    fn reset(&self, room: &RoomName, start: &Position, _: &Position, replayed: u64) {
        self.add(FeedEvent::Reset(room.clone(), start.clone(), replayed));
    }

    fn users(&self, room: &RoomName) -> Vec<UserId> {
        let members = self.members.lock();
        members.iter().filter(|(of, _)| of == room).map(|(_, user)| user.clone()).collect()
    }
}

#[track_caller]
pub(super) fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a room's name")
}

#[track_caller]
pub(super) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

/// A message without a `client_msg_id`.
#[track_caller]
pub(super) fn submission(from: &str, to: &str, text: &str) -> Submission {
    let text = Text::new(text).expect("a text");
    Submission::new(user(from), Post::message(room(to), text, None))
}

impl Submission {
    /// The same with a `client_msg_id`.
    #[track_caller]
    pub(super) fn with_id(mut self, id: &str) -> Self {
        self.client_msg_id = Some(ClientMsgId::new(id).expect("an id"));
        self
    }
}

/// The message of an entry.
#[track_caller]
pub(super) fn message_of(entry: &Entry) -> Message {
    match codec::decode_server(&entry.json).expect("a frame").event {
        ServerEvent::Entry(EntryEvent::Message(message)) => message,
        other => panic!("not a message: {other:?}"),
    }
}
