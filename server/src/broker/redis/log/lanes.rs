//! Lanes: the connections that send messages to Redis, each with a queue.
//!
//! A room's messages are on one lane, in the order of their submission. A lane has one batch in flight; messages that
//! arrive meanwhile form the next one. A full queue refuses messages and drops signals.
//!
//! When the connection breaks, the same batch is sent again in its order, as long as one of its messages has time left.
//! Redis recognizes duplicates by their digests. A message is refused when its time is over, although it may be stored.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Arg, Cmd, Pipeline, Value};
use parking_lot::Mutex;
use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::broker::redis::transport::link::{Connector, Link, REQUEST_TIMEOUT};
use crate::broker::redis::transport::reply;
use crate::broker::{Completion, NotStored, Receipt, Unavailable};
use crate::config::RoomLimits;
use crate::metrics::{Dropped, Metrics};

/// Number of lanes: connections for messages.
const LANES: usize = 4;
/// Most messages of a batch. All answers of a batch arrive together.
const BATCH: usize = 1_000;
/// Limit on the bytes that wait on a lane. The lanes together hold as much as the queue of the file engine.
const QUEUE_BYTES: usize = 16 << 20;
/// Bytes of a command beside its arguments, estimated.
const COMMAND_BYTES: usize = 256;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// Time limit for sending a signal. A late signal is useless.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(1);

/// All lanes.
pub(crate) struct Lanes {
    lanes: Box<[Arc<Lane>]>,
    hasher: RandomState,
}

impl Lanes {
    pub(crate) fn new(connector: &Connector, limits: RoomLimits) -> Self {
        let lane =
            |lane| Lane::new(connector.link(&format!("posts-{lane}")), limits, connector.metrics.clone());
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
    limits: RoomLimits,
    metrics: Arc<Metrics>,
    queue: Mutex<LaneQueue>,
    wake: Notify,
    /// True while nothing is queued or in flight.
    idle: watch::Sender<bool>,
}

#[derive(Default)]
struct LaneQueue {
    items: VecDeque<Item>,
    bytes: usize,
}

struct Item {
    command: Cmd,
    bytes: usize,
    until: Instant,
    /// `None` for a command whose answer does not matter.
    done: Option<Completion>,
}

impl Item {
    fn new(command: Cmd, until: Instant, done: Option<Completion>) -> Self {
        let arguments = command.args_iter().map(|argument| match argument {
            Arg::Simple(bytes) => bytes.len(),
            _ => 0,
        });
        let bytes = COMMAND_BYTES + arguments.sum::<usize>();
        Self { command, bytes, until, done }
    }
}

impl LaneQueue {
    /// Adds items. Returns them if they do not fit.
    fn push<const COUNT: usize>(&mut self, items: [Item; COUNT]) -> Option<[Item; COUNT]> {
        let bytes = self.bytes + items.iter().map(|item| item.bytes).sum::<usize>();
        if bytes > QUEUE_BYTES {
            return Some(items);
        }
        self.bytes = bytes;
        self.items.extend(items);
        None
    }

    fn take_batch(&mut self) -> Vec<Item> {
        let count = self.items.len().min(BATCH);
        let batch: Vec<_> = self.items.drain(..count).collect();
        self.bytes -= batch.iter().map(|item| item.bytes).sum::<usize>();
        batch
    }
}

/// A message of the batch in flight: its time, and its completion until it is completed.
type Waiting = (Instant, Option<Completion>);

impl Lane {
    fn new(link: Link, limits: RoomLimits, metrics: Arc<Metrics>) -> Self {
        Self {
            link,
            limits,
            metrics,
            queue: Mutex::default(),
            wake: Notify::new(),
            idle: watch::Sender::new(true),
        }
    }

    /// Queues a call of `append.lua`, which is sent with the next [`Lanes::flush`].
    pub(crate) fn append(&self, command: Cmd, done: Completion) {
        self.queue_messages([Item::new(command, message_deadline(), Some(done))]);
    }

    /// Queues a call of `append.lua`, and before it a command whose answer does not matter.
    pub(crate) fn append_after(&self, before: Cmd, command: Cmd, done: Completion) {
        let until = message_deadline();
        self.queue_messages([Item::new(before, until, None), Item::new(command, until, Some(done))]);
    }

    fn queue_messages<const COUNT: usize>(&self, items: [Item; COUNT]) {
        let refused = self.queue.lock().push(items);
        // Completions are called without the lock.
        for done in refused.into_iter().flatten().filter_map(|item| item.done) {
            done(Err(Unavailable.into()));
        }
    }

    /// Sends a signal after what was queued before, if it fits.
    pub(crate) fn signal(&self, command: Cmd) {
        let signal = Item::new(command, Instant::now() + SIGNAL_TIMEOUT, None);
        if self.queue.lock().push([signal]).is_some() {
            self.metrics.dropped.inc(Dropped::SignalQueueFull);
        }
        self.wake.notify_one();
    }

    fn flush(&self) {
        if !self.queue.lock().items.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Sends batches for as long as the engine runs.
    async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            loop {
                let items = self.queue.lock().take_batch();
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

    async fn send(&self, items: Vec<Item>) {
        let begun = Instant::now();
        let (commands, mut waiting): (Vec<_>, Vec<Waiting>) = items
            .into_iter()
            .filter_map(|Item { command, until, done, .. }| {
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
                    let stored = complete(waiting, &answers, self.limits);
                    if stored > 0 {
                        self.metrics.committed(stored, begun.elapsed());
                    }
                    return;
                }
            }
        }
    }
}

fn message_deadline() -> Instant {
    Instant::now() + REQUEST_TIMEOUT
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
fn complete(waiting: Vec<Waiting>, answers: &[Value], limits: RoomLimits) -> usize {
    let mut stored = 0;
    for ((_, done), answer) in waiting.into_iter().zip(answers) {
        let Some(done) = done else { continue };
        let outcome = outcome(answer, limits);
        stored += usize::from(outcome.as_ref().is_ok_and(|receipt| !receipt.duplicate));
        done(outcome);
    }
    stored
}

/// Reads the answer of `append.lua` to a message with these limits on new rooms.
fn outcome(answer: &Value, limits: RoomLimits) -> Result<Receipt, NotStored> {
    if let [only] = reply::items(answer) {
        return Err(match reply::parse::<u64>(only) {
            Some(2) => NotStored::NewRoomNotNfc,
            Some(3) => NotStored::too_many_founded(limits.new_per_user),
            Some(4) => NotStored::too_many_rooms(limits.total),
            _ => Unavailable.into(),
        });
    }
    receipt(answer).ok_or(Unavailable.into())
}

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::broker::contract::metrics;

    const MIB: usize = 1 << 20;

    fn command(bytes: usize) -> Cmd {
        let mut command = ::redis::cmd("EVALSHA");
        command.arg("x".repeat(bytes));
        command
    }

    /// No task sends the queue of this lane.
    #[tokio::test]
    async fn a_full_lane_refuses_messages_and_drops_signals_until_a_batch_is_taken() {
        let client = ::redis::Client::open("redis://127.0.0.1").expect("a client");
        let connector = Connector::new(client, Handle::current(), metrics());
        let lane = Lane::new(connector.link("lane"), RoomLimits::none(), connector.metrics.clone());
        let refused = Arc::<AtomicUsize>::default();
        let done = || -> Completion {
            let refused = refused.clone();
            Box::new(move |result| {
                assert!(result.is_err());
                refused.fetch_add(1, Ordering::SeqCst);
            })
        };
        let fitting = QUEUE_BYTES / MIB - 1;
        (0..fitting).for_each(|_| lane.append(command(MIB), done()));
        assert_eq!(refused.load(Ordering::SeqCst), 0);
        lane.append(command(MIB), done());
        lane.append_after(command(MIB / 2), command(MIB / 2), done());
        assert_eq!(refused.load(Ordering::SeqCst), 2);
        lane.signal(command(MIB));
        lane.signal(command(10));
        assert_eq!(lane.queue.lock().items.len(), fitting + 1, "the small signal fits");
        let counted = r#"realtime_drops_total{reason="signal_queue_full"} 1"#;
        assert!(lane.metrics.render().contains(counted));

        assert_eq!(lane.queue.lock().take_batch().len(), fitting + 1);
        assert_eq!(lane.queue.lock().bytes, 0);
        lane.append_after(command(MIB), command(MIB), done());
        assert_eq!((refused.load(Ordering::SeqCst), lane.queue.lock().items.len()), (2, 2));
    }
}
