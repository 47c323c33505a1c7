//! Rooms in a file of this machine: what was acknowledged survives the process, the crash and the power cut.
//!
//! One thread writes ([`writer`]), in groups: a batch is what came while the last commit ran. Others read
//! ([`readers`]), and one moves what was committed to its place in the file ([`checkpoint`]). What needs to be known of
//! a room to go on with it is held while somebody posts in it ([`tails`]); all else is in the [`store`](crate::store).
//!
//! An error of the disk ends it: nothing is taken any more, and [`Failure`] tells the server's owner.

mod checkpoint;
mod known;
mod page;
mod queue;
mod readers;
mod retention;
mod tail;
mod tails;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt::Display;
use std::io;
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, JoinHandle};

use realtime_shared::{LeaveReason, Position, RoomName, RoomSummary, UserId};
use tokio::sync::watch;

use self::checkpoint::Checkpoints;
use self::queue::{Queue, Waiting};
use self::readers::Readers;
use self::retention::Sweep;
use self::tails::Tails;
use self::writer::Writer;
use super::people::People;
use super::{
    Broker, Completion, Feed, Page, Pending, Presence, Range, Recipients, RoomFilter, Signal, Submission,
    busiest_first, ready_with, without_entries,
};
use crate::clock::Clock;
use crate::config::Retain;
use crate::metrics::Metrics;
use crate::store::Store;

/// Threads that read for clients: a long list does not hold up a join.
const READERS: usize = 2;

/// The threads that work on the file. They end when this is dropped, after what came before is stored.
pub(crate) struct Engine {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    listener: Listener,
    failure: Failure,
    retain: Retain,
    writer: Option<JoinHandle<()>>,
}

/// A broker over an engine.
pub(crate) struct SqliteBroker {
    queue: Arc<Queue>,
    readers: Arc<Readers>,
    listener: Listener,
    retain: Retain,
    people: People,
}

/// Who hears what is announced, as soon as there is somebody.
#[derive(Clone, Default)]
struct Listener(Arc<OnceLock<Weak<dyn Feed>>>);

impl Listener {
    fn feed(&self) -> Option<Arc<dyn Feed>> {
        self.0.get()?.upgrade()
    }
}

/// What the disk said when it failed. From then on nothing is taken any more.
#[derive(Clone)]
pub(crate) struct Failure {
    said: watch::Sender<Option<String>>,
    queue: Arc<Queue>,
}

impl Failure {
    fn new(queue: Arc<Queue>) -> Self {
        Self { said: watch::Sender::new(None), queue }
    }

    /// Says so, the first is heard; and refuses all that waits.
    fn report(&self, what: &dyn Display) {
        self.said.send_if_modified(|said| {
            let first = said.is_none();
            said.get_or_insert_with(|| what.to_string());
            first
        });
        self.queue.refuse();
    }

    fn is_reported(&self) -> bool {
        self.said.borrow().is_some()
    }

    /// Waits for it.
    pub(crate) async fn reported(&self) -> String {
        let mut said = self.said.subscribe();
        let reported = said.wait_for(Option::is_some).await;
        reported.ok().and_then(|said| said.clone()).unwrap_or_default()
    }
}

/// Held by each thread: nobody waits for one that panicked.
struct Watched(Failure);

impl Drop for Watched {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.report(&"a fault of the program");
        }
    }
}

/// Starts a thread whose panic ends the engine.
fn spawn(name: &str, failure: &Failure, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let watched = Watched(failure.clone());
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _watched = watched;
        run();
    })
}

impl Engine {
    /// Starts the threads.
    pub(crate) fn start(
        store: Store,
        clock: Clock,
        retain: Retain,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let (queue, listener) = (Arc::new(Queue::default()), Listener::default());
        let failure = Failure::new(queue.clone());
        let readers = Arc::new(Readers::start(&store, "reader", READERS, &failure)?);
        let checkpoints = Checkpoints::start(&store, failure.clone())?;
        let tails = Tails::start(&store, queue.clone(), &failure)?;
        let writer = Writer {
            store: store.into_writer().map_err(io::Error::other)?,
            clock,
            queue: queue.clone(),
            listener: listener.clone(),
            failure: failure.clone(),
            checkpoints,
            metrics,
            sweep: Sweep::new(retain.clone()),
            tails,
            refusing: false,
        };
        let writer = spawn("writer", &failure, move || writer.run())?;
        Ok(Self { queue, readers, listener, failure, retain, writer: Some(writer) })
    }

    /// The broker, which announces to `feed`.
    pub(crate) fn broker(&self, feed: Weak<dyn Feed>) -> SqliteBroker {
        // An engine has one broker: a second one would hear nothing.
        let _ = self.listener.0.set(feed);
        SqliteBroker {
            queue: self.queue.clone(),
            readers: self.readers.clone(),
            retain: self.retain.clone(),
            listener: self.listener.clone(),
            people: People::default(),
        }
    }

    /// What the disk says, when it fails.
    pub(crate) fn failure(&self) -> Failure {
        self.failure.clone()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!("the writer panicked");
        }
    }
}

impl Broker for SqliteBroker {
    fn is_ready(&self) -> bool {
        // Where it is not, the server is about to end.
        true
    }

    fn open(&self, room: &RoomName) -> Pending<Position> {
        let room = room.clone();
        self.readers.ask(move |view| page::position(view, &room))
    }

    fn release(&self, _: &RoomName) {}

    fn catch_up(&self, _: &RoomName) -> Pending<()> {
        ready_with(())
    }

    fn submit(&self, submission: Submission, done: Completion) {
        self.queue.push(Waiting { submission, done });
    }

    fn flush(&self) {
        self.queue.flush();
    }

    fn signal(&self, room: &RoomName, signal: Signal) {
        if let Some(feed) = self.listener.feed() {
            feed.signal(room, &signal);
        }
    }

    fn broadcast(&self, to: Recipients, json: Arc<str>) {
        if let Some(feed) = self.listener.feed() {
            feed.broadcast(&to, &json);
        }
    }

    fn history(&self, room: &RoomName, range: Range, limit: usize, bytes: usize) -> Pending<Page> {
        let (room, retain) = (room.clone(), self.retain.clone());
        self.readers.ask(move |view| page::page(view, &room, range, limit, bytes, &retain))
    }

    fn list(&self, filter: RoomFilter, limit: usize) -> Pending<(Vec<RoomSummary>, bool)> {
        let mut counts = self.people.counts(&filter);
        self.readers.ask(move |view| {
            let mut rooms = view.rooms(filter)?;
            for summary in &mut rooms {
                summary.member_count = counts.remove(&summary.room).unwrap_or(0);
            }
            rooms.extend(without_entries(counts));
            Ok(busiest_first(rooms, limit))
        })
    }

    fn enter(&self, room: &RoomName, user: &UserId, members: usize) -> Pending<Presence> {
        ready_with(self.people.enter(self.listener.feed(), room, user, members))
    }

    fn leave(&self, room: &RoomName, user: &UserId, reason: LeaveReason) -> Pending<Presence> {
        ready_with(self.people.leave(self.listener.feed(), room, user, reason))
    }

    fn members(&self, room: &RoomName, members: usize) -> Pending<Presence> {
        ready_with(self.people.members(room, members))
    }

    fn connect(&self, user: &UserId, most: usize) -> Pending<Option<u64>> {
        ready_with(self.people.connect(user, most))
    }

    fn disconnect(&self, user: &UserId) {
        self.people.disconnect(user);
    }
}
