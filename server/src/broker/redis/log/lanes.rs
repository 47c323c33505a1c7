//! The lanes on which messages go to Redis.
//!
//! A room's messages are on one lane, in the order in which they were submitted. A lane has one batch on its way: what
//! came while the last one was. Where the connection breaks the same batch is sent again, all of it and in its order,
//! for as long as one of its messages has time left: what Redis has of it already it knows by its digest. A message is
//! refused when its time is over; it may have been stored all the same.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use ::redis::{Cmd, Pipeline, Value};
use parking_lot::Mutex;
use realtime_shared::{EntryId, Epoch, Seq, Timestamp};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout_at};

use crate::broker::redis::transport::link::{Link, PATIENCE};
use crate::broker::redis::transport::reply;
use crate::broker::{Completion, Receipt, Unavailable};
use crate::metrics::Metrics;

/// Messages of a batch at most: its answers come together.
const BATCH: usize = 1_000;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);
/// For how long something that is only shown waits to be sent: it is of no use when it is late.
const SIGNAL: Duration = Duration::from_secs(1);

/// Messages, and what is only shown, on their way to Redis.
pub(crate) struct Lane {
    link: Link,
    metrics: Arc<Metrics>,
    queue: Mutex<VecDeque<Item>>,
    wake: Notify,
    /// Nothing is queued or on its way.
    idle: watch::Sender<bool>,
}

struct Item {
    command: Cmd,
    until: Instant,
    /// Who waits for it; nobody for what is only shown, and lost where nobody can be reached.
    done: Option<Completion>,
}

/// Who waits for a message of a batch, and until when; nobody any more where it was over.
type Waiting = (Instant, Option<Completion>);

impl Lane {
    pub(crate) fn new(link: Link, metrics: Arc<Metrics>) -> Self {
        Self { link, metrics, queue: Mutex::default(), wake: Notify::new(), idle: watch::Sender::new(true) }
    }

    /// Queues a call of `append.lua`. Goes with the next [`Lane::flush`].
    pub(crate) fn post(&self, command: Cmd, done: Completion) {
        let until = Instant::now() + PATIENCE;
        self.queue.lock().push_back(Item { command, until, done: Some(done) });
    }

    /// Sends a command whose answer does not matter, after what was queued before.
    pub(crate) fn signal(&self, command: Cmd) {
        let until = Instant::now() + SIGNAL;
        self.queue.lock().push_back(Item { command, until, done: None });
        self.wake.notify_one();
    }

    /// Sends what is queued.
    pub(crate) fn flush(&self) {
        if !self.queue.lock().is_empty() {
            self.wake.notify_one();
        }
    }

    /// Runs for as long as the broker.
    pub(crate) async fn run(self: Arc<Self>) {
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

    /// Sends what is queued, and waits until it was answered or refused.
    pub(crate) async fn drain(&self) {
        // Without anything queued it is idle again at once.
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
            // Whoever has no time left is told so in time, whatever becomes of the rest.
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

/// Refuses those whose time is over; when that of the next and of the last one will be, if any is left.
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

/// Tells those who wait what became of their messages; how many were stored.
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

/// What `append.lua` answers.
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
