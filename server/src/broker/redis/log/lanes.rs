//! Lanes: the connections that send messages to Redis, each with a queue.
//!
//! A room's messages are on one lane, in the order of their submission. A lane has one batch in flight; messages that
//! arrive meanwhile form the next one. When the connection breaks, the same batch is sent again in its order, as long
//! as one of its messages has time left. Redis recognizes duplicates by their digests. A message is refused when its
//! time is over; it may have been stored nevertheless.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Pipeline, Value};
use parking_lot::Mutex;
use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::broker::redis::transport::link::{Connector, Link, REQUEST_TIMEOUT};
use crate::broker::redis::transport::reply;
use crate::broker::{Completion, Receipt, Unavailable};
use crate::metrics::Metrics;

/// Number of lanes: connections for messages.
const LANES: usize = 4;
/// Most messages of a batch. All answers of a batch arrive together.
const BATCH: usize = 1_000;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Time limit for sending a signal. A late signal is useless.
const SIGNAL: Duration = Duration::from_secs(1);

/// All lanes.
pub(crate) struct Lanes {
    lanes: Box<[Arc<Lane>]>,
    hasher: RandomState,
}

impl Lanes {
    pub(crate) fn new(connector: &Connector) -> Self {
        let lane = |lane| Lane::new(connector.link(&format!("posts-{lane}")), connector.metrics.clone());
        Self { lanes: (0..LANES).map(|number| Arc::new(lane(number))).collect(), hasher: RandomState::new() }
    }

    pub(crate) fn start(&self, runtime: &Handle) {
        for lane in &self.lanes {
            runtime.spawn(lane.clone().run());
        }
    }

    /// The lane of a room.
    pub(crate) fn of(&self, room: &RoomName) -> &Lane {
        let hash = usize::try_from(self.hasher.hash_one(room) % LANES as u64).unwrap_or(0);
        &self.lanes[hash]
    }

    /// See [`Broker::flush`](crate::broker::Broker::flush).
    pub(crate) fn flush(&self) {
        self.lanes.iter().for_each(|lane| lane.flush());
    }

    /// Sends everything that is queued, and waits until it is answered or refused.
    pub(crate) async fn drain(&self) {
        self.flush();
        // Each lane waits for at most the time limit of a message.
        for lane in &self.lanes {
            lane.drain().await;
        }
    }
}

/// A queue of messages and signals with a connection of its own.
pub(crate) struct Lane {
    link: Link,
    metrics: Arc<Metrics>,
    queue: Mutex<VecDeque<Item>>,
    wake: Notify,
    /// True while nothing is queued or in flight.
    idle: watch::Sender<bool>,
}

struct Item {
    command: Cmd,
    until: Instant,
    /// `None` for a signal, whose answer does not matter.
    done: Option<Completion>,
}

/// A message of the batch in flight: its time, and its completion until it is completed.
type Waiting = (Instant, Option<Completion>);

impl Lane {
    fn new(link: Link, metrics: Arc<Metrics>) -> Self {
        Self { link, metrics, queue: Mutex::default(), wake: Notify::new(), idle: watch::Sender::new(true) }
    }

    /// Queues a call of `append.lua`, which is sent with the next [`Lanes::flush`].
    pub(crate) fn append(&self, command: Cmd, done: Completion) {
        let until = Instant::now() + REQUEST_TIMEOUT;
        self.queue.lock().push_back(Item { command, until, done: Some(done) });
    }

    /// Sends a command whose answer does not matter, after what was queued before.
    pub(crate) fn signal(&self, command: Cmd) {
        let until = Instant::now() + SIGNAL;
        self.queue.lock().push_back(Item { command, until, done: None });
        self.wake.notify_one();
    }

    fn flush(&self) {
        if !self.queue.lock().is_empty() {
            self.wake.notify_one();
        }
    }

    /// Sends batches for as long as the engine runs.
    async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            loop {
                let items = self.take();
                if items.is_empty() {
                    break;
                }
                self.send(items).await;
            }
            self.idle.send_replace(true);
        }
    }

    async fn drain(&self) {
        // A lane with an empty queue is idle again immediately.
        self.idle.send_replace(false);
        self.wake.notify_one();
        let mut idle = self.idle.subscribe();
        let _ = idle.wait_for(|idle| *idle).await;
    }

    fn take(&self) -> Vec<Item> {
        let mut queue = self.queue.lock();
        let count = queue.len().min(BATCH);
        queue.drain(..count).collect()
    }

    async fn send(&self, items: Vec<Item>) {
        let begun = Instant::now();
        let (commands, mut waiting): (Vec<_>, Vec<Waiting>) = items
            .into_iter()
            .filter_map(|Item { command, until, done }| {
                if until > begun {
                    return Some((command, (until, done)));
                }
                if let Some(done) = done {
                    done(Err(Unavailable.into()));
                }
                None
            })
            .unzip();
        let commands = pipeline(commands);
        while let Some((mut next, last)) = expire(&mut waiting) {
            let mut sending = std::pin::pin!(self.link.attempt_until(last, &commands));
            // A message without time left is refused in time, independently of the others.
            let answers = loop {
                match timeout_at(next, sending.as_mut()).await {
                    Ok(answers) => break answers.ok(),
                    Err(_) => match expire(&mut waiting) {
                        Some((sooner, _)) => next = sooner,
                        None => break None,
                    },
                }
            };
            match answers {
                None => sleep(PAUSE).await,
                Some(answers) => {
                    let stored = complete(waiting, &answers);
                    if stored > 0 {
                        self.metrics.committed(stored, begun.elapsed());
                    }
                    return;
                }
            }
        }
    }
}

fn pipeline(commands: impl IntoIterator<Item = Cmd>) -> Pipeline {
    let mut pipeline = Pipeline::new();
    for command in commands {
        pipeline.add_command(command);
    }
    pipeline
}

/// Refuses messages whose time is over. Returns the times of the next and of the last one that is left.
fn expire(waiting: &mut [Waiting]) -> Option<(Instant, Instant)> {
    let now = Instant::now();
    let mut left = None;
    for (until, done) in waiting {
        if *until <= now {
            if let Some(done) = done.take() {
                done(Err(Unavailable.into()));
            }
        } else {
            let (first, last) = left.unwrap_or((*until, *until));
            left = Some((first.min(*until), last.max(*until)));
        }
    }
    left
}

/// Completes messages with their answers. Returns the number of stored ones.
fn complete(waiting: Vec<Waiting>, answers: &[Value]) -> usize {
    let mut stored = 0;
    for ((_, done), answer) in waiting.into_iter().zip(answers) {
        let Some(done) = done else { continue };
        let receipt = receipt(answer);
        stored += usize::from(receipt.as_ref().is_some_and(|receipt| !receipt.duplicate));
        done(receipt.ok_or(Unavailable.into()));
    }
    stored
}

/// Reads the answer of `append.lua`.
fn receipt(answer: &Value) -> Option<Receipt> {
    let [duplicate, epoch, seq, id, ts] = reply::items(answer) else { return None };
    Some(Receipt {
        duplicate: reply::parse::<u64>(duplicate)? == 1,
        epoch: Epoch::new(reply::text(epoch)?)?,
        seq: Seq::new(reply::parse(seq)?),
        id: reply::text(id)?.parse::<EntryId>().ok()?,
        ts: Timestamp::from_millis(reply::parse(ts)?),
    })
}
