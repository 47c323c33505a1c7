//! What holds for every broker: one suite, run against each engine.
//!
//! A test gets a [`Subject`]: an empty broker, and a feed that writes down what is announced. It waits for what a broker
//! may do later (completions, what the feed hears), and never asks an engine how it does it.
//!
//! To add an engine: a function that makes an empty one, and a line at [`contract!`]. To add a promise: a test in the
//! file of its topic, and its name below.

mod kept;
mod order;
mod past;
mod people;

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use realtime_shared::{
    ClientMsgId, Epoch, Message, Position, Post, RoomName, ServerEvent, Text, UserId, codec,
};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use super::memory::MemoryBroker;
use super::redis::tests::{server::Redis, target};
use super::redis::{Engine as RedisEngine, RedisBroker};
use super::sqlite::SqliteEngine;
use super::{Broker, Entry, Feed, NotStored, Receipt, Recipients, Signal, Submission};
use crate::clock::Clock;
use crate::config::{MemoryStore, Retain};
use crate::metrics::Metrics;
use crate::store::Store;

/// Runs every test of the contract against a broker that the function of this name makes.
macro_rules! contract {
    ($engine:ident) => {
        mod $engine {
            contract!(@ $engine keeping None, order:
                numbers_have_no_hole,
                each_caller_keeps_its_order,
                the_same_message_again_is_the_first_one,
                another_room_or_sender_is_another_message,
                without_an_id_every_message_is_new,
                a_message_sent_many_times_at_once_is_stored_once,
                signals_and_tells_are_heard_as_they_are_said,
            );
            contract!(@ $engine keeping None, past:
                an_empty_room_has_no_past,
                pages_are_what_was_asked_for,
                a_page_keeps_to_its_bytes_and_has_an_entry,
                an_opened_room_is_announced_from_its_head,
                rooms_are_listed_busiest_first,
                a_list_shows_what_its_filter_lets_through,
            );
            contract!(@ $engine keeping None, people:
                a_user_is_there_from_enter_to_leave,
                who_is_there_is_told_who_comes_and_goes,
                rooms_do_not_share_their_members,
                only_as_many_members_are_named_as_asked_for,
                connections_are_counted,
                a_user_has_a_bounded_number_of_connections,
            );
            contract!(@ $engine keeping Some(3), kept:
                a_room_shows_its_newest_entries,
                a_reader_that_is_overtaken_sees_the_hole,
            );
        }
    };
    (@ $engine:ident keeping $messages:expr, $topic:ident: $($test:ident),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $test() {
                let retain = super::Retain { age: None, messages: $messages };
                super::$topic::$test(&super::Subject::new(|feed| super::$engine(feed, retain))).await;
            }
        )*
    };
}

/// What only an engine of one process promises besides.
mod in_one_process {
    use super::{Retain, Subject, memory, order, sqlite};

    #[tokio::test]
    async fn the_feed_has_it_before_the_completion() {
        let retain = Retain::default();
        order::the_feed_has_it_before_the_completion(&Subject::new(|feed| memory(feed, retain.clone())))
            .await;
        order::the_feed_has_it_before_the_completion(&Subject::new(|feed| sqlite(feed, retain))).await;
    }
}

contract!(memory);
contract!(sqlite);
contract!(redis);

fn memory(feed: Weak<dyn Feed>, retain: Retain) -> (Arc<dyn Broker>, Rest) {
    let broker = MemoryBroker::new(feed, Clock::system(), MemoryStore::default(), retain);
    (Arc::new(broker), Box::new(()))
}

fn sqlite(feed: Weak<dyn Feed>, retain: Retain) -> (Arc<dyn Broker>, Rest) {
    let directory = TempDir::new().expect("a directory");
    let store = Store::open(directory.path()).expect("a store");
    let engine = SqliteEngine::start(store, Clock::system(), retain, metrics()).expect("threads");
    (Arc::new(engine.broker(feed)), Box::new((engine, directory)))
}

fn redis(feed: Weak<dyn Feed>, retain: Retain) -> (Arc<dyn Broker>, Rest) {
    let server = Redis::start();
    let (broker, engine) = redis_at(&server.url(), feed, retain);
    (broker, Box::new((engine, server)))
}

/// A broker on a Redis that may have others.
pub(super) fn redis_at(url: &str, feed: Weak<dyn Feed>, retain: Retain) -> (Arc<RedisBroker>, RedisEngine) {
    let engine = RedisEngine::start(target(url), Clock::system(), retain, metrics()).expect("a thread");
    (Arc::new(engine.broker(feed)), engine)
}

pub(super) fn metrics() -> Arc<Metrics> {
    Arc::new(Metrics::new(1, Clock::system().now()))
}

/// What an engine needs to go on, and drops when the test is over.
pub(super) type Rest = Box<dyn Any + Send + Sync>;

/// A broker, and who listens to it.
pub(super) struct Subject<B: ?Sized = dyn Broker> {
    pub(super) broker: Arc<B>,
    pub(super) heard: Arc<Recorder>,
    _rest: Rest,
}

impl<B: Broker + ?Sized> Subject<B> {
    pub(super) fn new(make: impl FnOnce(Weak<dyn Feed>) -> (Arc<B>, Rest)) -> Self {
        let heard = Arc::new(Recorder::default());
        let feed: Arc<dyn Feed> = heard.clone();
        let (broker, rest) = make(Arc::downgrade(&feed));
        Self { broker, heard, _rest: rest }
    }

    /// Where a room's head is: what is said to who opens it.
    pub(super) async fn head(&self, name: &str) -> Position {
        let head = self.broker.open(&room(name)).await.expect("a head");
        self.broker.release(&room(name));
        head
    }

    /// Submits a message and waits for what becomes of it.
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

    /// Posts as many messages to a room, whose texts are their numbers.
    pub(super) async fn fill(&self, to: &str, count: u64) -> Vec<Receipt> {
        let mut receipts = Vec::new();
        for number in 1..=count {
            receipts.push(self.post(said("alice", to, &number.to_string())).await);
        }
        receipts
    }
}

/// For how long something is waited for: a test that waits longer hangs.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A feed that writes down what it hears.
#[derive(Default)]
pub(super) struct Recorder {
    heard: watch::Sender<Vec<Heard>>,
    /// Who is in which room of this instance.
    pub(super) there: Mutex<BTreeSet<(RoomName, UserId)>>,
}

/// What was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    Entry(RoomName, Epoch, Entry),
    Signal(RoomName, Signal),
    Tell(Recipients, Arc<str>),
    Reset(RoomName, Position, u64),
}

impl Recorder {
    /// All that was heard, as soon as that is `count` or more.
    pub(super) async fn at_least(&self, count: usize) -> Vec<Heard> {
        self.until(|heard| heard.len() >= count).await
    }

    /// All that was heard, as soon as that is enough.
    pub(super) async fn until(&self, mut enough: impl FnMut(&[Heard]) -> bool) -> Vec<Heard> {
        let mut heard = self.heard.subscribe();
        let came = timeout(PATIENCE, heard.wait_for(|heard| enough(heard))).await;
        let Ok(heard) = came else { panic!("no more was heard than {:?}", self.heard.borrow()) };
        heard.expect("the recorder is here").clone()
    }

    /// Takes what was heard so far.
    pub(super) fn take(&self) -> Vec<Heard> {
        self.heard.send_replace(Vec::new())
    }

    /// The entries heard so far, of all rooms.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let heard = self.heard.borrow();
        heard
            .iter()
            .filter_map(|heard| if let Heard::Entry(.., e) = heard { Some(e.clone()) } else { None })
            .collect()
    }

    fn add(&self, heard: Heard) {
        self.heard.send_modify(|all| all.push(heard));
    }
}

impl Feed for Recorder {
    fn entry(&self, room: &RoomName, epoch: &Epoch, entry: &Entry) {
        self.add(Heard::Entry(room.clone(), epoch.clone(), entry.clone()));
    }

    fn signal(&self, room: &RoomName, signal: &Signal) {
        self.add(Heard::Signal(room.clone(), signal.clone()));
    }

    fn broadcast(&self, to: &Recipients, json: &Arc<str>) {
        self.add(Heard::Tell(to.clone(), json.clone()));
    }

    fn reset(&self, room: &RoomName, start: &Position, _: &Position, replayed: u64) {
        self.add(Heard::Reset(room.clone(), start.clone(), replayed));
    }

    fn users(&self, room: &RoomName) -> Vec<UserId> {
        let there = self.there.lock();
        there.iter().filter(|(of, _)| of == room).map(|(_, user)| user.clone()).collect()
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

/// A message without an id of its sender.
#[track_caller]
pub(super) fn said(from: &str, to: &str, text: &str) -> Submission {
    let text = Text::new(text).expect("a text");
    Submission::message(user(from), Post { room: room(to), text, client_msg_id: None })
}

impl Submission {
    /// The same with an id of its sender.
    #[track_caller]
    pub(super) fn known_as(mut self, id: &str) -> Self {
        self.client_msg_id = Some(ClientMsgId::new(id).expect("an id"));
        self
    }
}

/// What members are shown of an entry.
#[track_caller]
pub(super) fn shown(entry: &Entry) -> Message {
    match codec::decode_server(&entry.json).expect("a frame").event {
        ServerEvent::Message(message) => message,
        other => panic!("an entry is a message, and not {other:?}"),
    }
}
