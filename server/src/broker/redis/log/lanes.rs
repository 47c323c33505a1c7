//! Lanes: the connections that send entries to Redis, each with a queue.
//!
//! A room's entries are on one lane, in the order of their submission. A lane has one batch in flight; messages that
//! arrive meanwhile form the next one. A full queue refuses messages and drops signals.
//!
//! When the connection breaks, the same batch is sent again in its order, as long as one of its messages has time left.
//! Redis recognizes duplicates by their digests. A message is refused when its time is over, although it may be stored.
//!
//! A message to a room whose settings have changed is decided and sent again, before everything that is queued. All messages
//! of a room after it in the batch were decided on the same settings, so they keep their order.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Arg, Cmd, Pipeline, Value};
use parking_lot::Mutex;
use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::{Instant, sleep, timeout_at};

use super::message_rules::{MessageRequest, MessageRules};
use crate::broker::redis::transport::link::{Connector, Link, REQUEST_TIMEOUT};
use crate::broker::redis::transport::reply;
use crate::broker::{Completion, NotStored, Receipt, Unavailable};
use crate::config::RoomLimits;
use crate::metrics::{Dropped, Metrics};

/// The first item of an answer with the present view, and of one without another item to a message that the rules refuse.
pub(crate) const VIEW: u64 = 5;
const REFUSED: u64 = 6;
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
    pub(crate) fn new(connector: &Connector, limits: RoomLimits, rules: &Arc<MessageRules>) -> Self {
        let lane = |lane| {
            let link = connector.link(&format!("posts-{lane}"));
            Lane::new(link, limits, rules.clone(), connector.metrics.clone())
        };
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
    rules: Arc<MessageRules>,
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
    caller: Caller,
}

/// The receiver of an answer.
enum Caller {
    /// The answer does not matter.
    None,
    Message(Box<QueuedMessage>),
    /// Gets the answer to a change; dropped without one if Redis is unavailable.
    Change(oneshot::Sender<Value>),
}

/// A message on a lane. Its command lacks the arguments that depend on the settings of its room.
pub(crate) struct QueuedMessage {
    pub(crate) request: MessageRequest,
    pub(crate) done: Completion,
}

impl Caller {
    fn refuse(self) {
        match self {
            Self::None | Self::Change(_) => {}
            Self::Message(message) => (message.done)(Err(Unavailable.into())),
        }
    }
}

impl Item {
    fn new(command: Cmd, until: Instant, caller: Caller) -> Self {
        let arguments = command.args_iter().map(|argument| match argument {
            Arg::Simple(bytes) => bytes.len(),
            _ => 0,
        });
        let bytes = COMMAND_BYTES + arguments.sum::<usize>();
        Self { command, bytes, until, caller }
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

    /// Adds items before all others. They were queued before.
    fn push_again(&mut self, items: Vec<Item>) {
        for item in items.into_iter().rev() {
            self.bytes += item.bytes;
            self.items.push_front(item);
        }
    }

    fn take_batch(&mut self) -> Vec<Item> {
        let count = self.items.len().min(BATCH);
        let batch: Vec<_> = self.items.drain(..count).collect();
        self.bytes -= batch.iter().map(|item| item.bytes).sum::<usize>();
        batch
    }
}

/// An item of the batch in flight.
struct InFlight {
    until: Instant,
    /// `None` once it is answered or refused.
    caller: Option<Caller>,
    bytes: usize,
    /// Number of arguments that depend on the settings of the room.
    added: usize,
}

impl Lane {
    fn new(link: Link, limits: RoomLimits, rules: Arc<MessageRules>, metrics: Arc<Metrics>) -> Self {
        Self {
            link,
            limits,
            rules,
            metrics,
            queue: Mutex::default(),
            wake: Notify::new(),
            idle: watch::Sender::new(true),
        }
    }

    /// Queues a call of `append.lua` for a message, which is sent with the next [`Lanes::flush`]. The answer to the command
    /// before it does not matter.
    pub(crate) fn append(&self, before: Option<Cmd>, command: Cmd, message: QueuedMessage) {
        self.queue_entry(before, command, Caller::Message(message.into()));
    }

    /// Sends a call of `append.lua` for a change, after what was queued before.
    pub(crate) async fn ask(&self, before: Option<Cmd>, command: Cmd) -> Result<Value, Unavailable> {
        let (answered, answer) = oneshot::channel();
        self.queue_entry(before, command, Caller::Change(answered));
        self.wake.notify_one();
        answer.await.map_err(|_| Unavailable)
    }

    fn queue_entry(&self, before: Option<Cmd>, command: Cmd, caller: Caller) {
        let until = message_deadline();
        let item = Item::new(command, until, caller);
        match before {
            None => self.queue([item]),
            Some(before) => self.queue([Item::new(before, until, Caller::None), item]),
        }
    }

    fn queue<const COUNT: usize>(&self, items: [Item; COUNT]) {
        let refused = self.queue.lock().push(items);
        // Completions are called without the lock.
        refused.into_iter().flatten().for_each(|item| item.caller.refuse());
    }

    /// Sends a signal after what was queued before, if it fits.
    pub(crate) fn signal(&self, command: Cmd) {
        let signal = Item::new(command, Instant::now() + SIGNAL_TIMEOUT, Caller::None);
        if self.queue.lock().push([signal]).is_some() {
            self.metrics.dropped.inc(Dropped::SignalQueueFull);
        }
        self.wake.notify_one();
    }

    /// Sends what is queued.
    pub(crate) fn flush(&self) {
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
        let (commands, mut waiting): (Vec<_>, Vec<InFlight>) = items
            .into_iter()
            .filter_map(|Item { mut command, until, caller, bytes }| {
                if until <= begun {
                    caller.refuse();
                    return None;
                }
                let added = match &caller {
                    Caller::Message(message) => self.rules.complete(&mut command, &message.request),
                    Caller::None | Caller::Change(_) => 0,
                };
                Some((command, InFlight { until, caller: Some(caller), bytes, added }))
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
                    let (stored, again) = self.complete(waiting, &commands, &answers);
                    if stored > 0 {
                        self.metrics.committed(stored, begun.elapsed());
                    }
                    self.queue.lock().push_again(again);
                    return;
                }
            }
        }
    }

    /// Completes items with their answers. Returns the number of stored entries, and the items to be sent again.
    fn complete(&self, waiting: Vec<InFlight>, commands: &Pipeline, answers: &[Value]) -> (usize, Vec<Item>) {
        let (mut stored, mut again) = (0, Vec::new());
        for ((item, command), answer) in waiting.into_iter().zip(commands.cmd_iter()).zip(answers) {
            let InFlight { until, caller, bytes, added } = item;
            let Some(caller) = caller else { continue };
            stored += usize::from(is_stored(answer));
            let mut message = match caller {
                Caller::None => continue,
                Caller::Change(answered) => {
                    let _ = answered.send(answer.clone());
                    continue;
                }
                Caller::Message(message) => message,
            };
            let outcome = match kind_of(answer) {
                Some(VIEW) => match self.rules.review(&mut message.request, answer) {
                    Some(Ok(())) => {
                        let command = without_last(command, added);
                        again.push(Item { command, bytes, until, caller: Caller::Message(message) });
                        continue;
                    }
                    Some(Err(refusal)) => Err(refusal.into()),
                    None => Err(Unavailable.into()),
                },
                Some(REFUSED) => {
                    Err(self.rules.refusal(&message.request).map_or(Unavailable.into(), NotStored::from))
                }
                _ => outcome(answer, self.limits),
            };
            (message.done)(outcome);
        }
        (stored, again)
    }
}

/// The first item of an answer of `append.lua`.
pub(crate) fn kind_of(answer: &Value) -> Option<u64> {
    reply::parse(reply::items(answer).first()?)
}

/// True if an answer of `append.lua` is that to a new entry.
fn is_stored(answer: &Value) -> bool {
    kind_of(answer) == Some(0)
}

/// A command without its last arguments.
fn without_last(command: &Cmd, count: usize) -> Cmd {
    let left = command.args_iter().count().saturating_sub(count);
    let mut without = Cmd::new();
    for argument in command.args_iter().take(left) {
        if let Arg::Simple(bytes) = argument {
            without.arg(bytes);
        }
    }
    without
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

/// Refuses items whose time is over. Returns the times of the next and of the last one that is left.
fn expire(waiting: &mut [InFlight]) -> Option<(Instant, Instant)> {
    let now = Instant::now();
    let mut left = None;
    for InFlight { until, caller, .. } in waiting {
        if *until <= now {
            if let Some(caller) = caller.take() {
                caller.refuse();
            }
        } else {
            let (first, last) = left.unwrap_or((*until, *until));
            left = Some((first.min(*until), last.max(*until)));
        }
    }
    left
}

/// Reads the answer of `append.lua` to an entry with these limits on new rooms, if it is not a view.
pub(crate) fn outcome(answer: &Value, limits: RoomLimits) -> Result<Receipt, NotStored> {
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

    use realtime_shared::rules::Power;

    use super::*;
    use crate::broker::contract::{metrics, room, user};

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
        let rules = Arc::new(MessageRules::default());
        let lane = Lane::new(connector.link("lane"), RoomLimits::none(), rules, connector.metrics.clone());
        let refused = Arc::<AtomicUsize>::default();
        let message = || -> QueuedMessage {
            let refused = refused.clone();
            let request = MessageRequest {
                room: room("a"),
                from: user("alice"),
                power: Power::Member,
                reply_to: None,
                now: Timestamp::from_millis(1),
                is_in_time: false,
            };
            let done = move |result: Result<Receipt, NotStored>| {
                assert!(result.is_err());
                refused.fetch_add(1, Ordering::SeqCst);
            };
            QueuedMessage { request, done: Box::new(done) }
        };
        let fitting = QUEUE_BYTES / MIB - 1;
        (0..fitting).for_each(|_| lane.append(None, command(MIB), message()));
        assert_eq!(refused.load(Ordering::SeqCst), 0);
        lane.append(None, command(MIB), message());
        lane.append(Some(command(MIB / 2)), command(MIB / 2), message());
        assert_eq!(refused.load(Ordering::SeqCst), 2);
        lane.signal(command(MIB));
        lane.signal(command(10));
        assert_eq!(lane.queue.lock().items.len(), fitting + 1, "the small signal fits");
        let counted = r#"realtime_drops_total{reason="signal_queue_full"} 1"#;
        assert!(lane.metrics.render().contains(counted));

        assert_eq!(lane.queue.lock().take_batch().len(), fitting + 1);
        assert_eq!(lane.queue.lock().bytes, 0);
        lane.append(Some(command(MIB)), command(MIB), message());
        assert_eq!((refused.load(Ordering::SeqCst), lane.queue.lock().items.len()), (2, 2));
    }
}
