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
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};

use super::link::{Link, PATIENCE};
use super::reply;
use crate::broker::{Completion, Receipt, Unavailable};

/// Messages of a batch at most: its answers come together.
const BATCH: usize = 1_000;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

/// Messages, and what is only shown, on their way to Redis.
pub(super) struct Lane {
    link: Link,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Default)]
struct Queue {
    posts: VecDeque<Post>,
    /// Sent once: lost where nobody can be reached.
    signals: Vec<Cmd>,
}

struct Post {
    command: Cmd,
    until: Instant,
    done: Completion,
}

/// Who waits for a message of a batch, and until when; nobody any more where it was over.
type Waiting = (Instant, Option<Completion>);

impl Lane {
    pub(super) fn new(link: Link) -> Self {
        Self { link, queue: Mutex::default(), wake: Notify::new() }
    }

    /// Queues a call of `append.lua`. Goes with the next [`Lane::flush`].
    pub(super) fn post(&self, command: Cmd, done: Completion) {
        let until = Instant::now() + PATIENCE;
        self.queue.lock().posts.push_back(Post { command, until, done });
    }

    /// Sends what is queued.
    pub(super) fn flush(&self) {
        if !self.queue.lock().posts.is_empty() {
            self.wake.notify_one();
        }
    }

    /// Sends a command whose answer does not matter.
    pub(super) fn signal(&self, command: Cmd) {
        self.queue.lock().signals.push(command);
        self.wake.notify_one();
    }

    /// Runs for as long as the broker.
    pub(super) async fn run(self: Arc<Self>) {
        loop {
            self.wake.notified().await;
            while let Some((batch, signals)) = self.take() {
                tokio::join!(self.send(batch), self.send_once(&signals));
            }
        }
    }

    fn take(&self) -> Option<(Vec<Post>, Pipeline)> {
        let mut queue = self.queue.lock();
        if queue.posts.is_empty() && queue.signals.is_empty() {
            return None;
        }
        let count = queue.posts.len().min(BATCH);
        let posts = queue.posts.drain(..count).collect();
        Some((posts, pipeline(queue.signals.drain(..))))
    }

    async fn send_once(&self, signals: &Pipeline) {
        if !signals.is_empty() {
            let _ = self.link.attempt(signals).await;
        }
    }

    async fn send(&self, posts: Vec<Post>) {
        let now = Instant::now();
        let (commands, mut waiting): (Vec<_>, Vec<Waiting>) = posts
            .into_iter()
            .filter_map(|Post { command, until, done }| {
                if until > now {
                    return Some((command, (until, Some(done))));
                }
                done(Err(Unavailable));
                None
            })
            .unzip();
        let commands = pipeline(commands);
        while let Some((mut next, last)) = expire(&mut waiting) {
            let mut sending = std::pin::pin!(timeout_at(last, self.link.attempt(&commands)));
            // Whoever has no time left is told so in time, whatever becomes of the rest.
            let answers = loop {
                match timeout_at(next, sending.as_mut()).await {
                    Ok(answers) => break answers.ok().and_then(Result::ok),
                    Err(_) => match expire(&mut waiting) {
                        Some((sooner, _)) => next = sooner,
                        None => break None,
                    },
                }
            };
            match answers {
                Some(answers) => return complete(waiting, &answers),
                None => sleep(PAUSE).await,
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
                done(Err(Unavailable));
            }
        } else {
            let (first, _) = left.get_or_insert((*until, *until));
            left = Some((*first, *until));
        }
    }
    left
}

/// Tells those who wait what became of their messages.
fn complete(waiting: Vec<Waiting>, answers: &[Value]) {
    for ((_, done), answer) in waiting.into_iter().zip(answers) {
        let receipt = receipt(answer);
        if receipt.is_none() {
            tracing::warn!(?answer, "Redis refused a message");
        }
        if let Some(done) = done {
            done(receipt.ok_or(Unavailable));
        }
    }
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
