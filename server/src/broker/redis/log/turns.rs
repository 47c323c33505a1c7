//! Turns of changes.
//!
//! A change is a barrier for its sender and room: what the sender submitted to the room before is sent before it, and what
//! was submitted after waits for its end. Messages of others do not wait. Changes to one target are decided one after the
//! other, so that they do not decide on the same view again and again. What exceeds the bounds is refused.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use realtime_shared::{Content, RoomName, Seq, UserId};
use tokio::sync::{Notify, OwnedMutexGuard};

use crate::broker::{Completion, Submission};

/// Most submissions that wait for the change of one sender.
const OF_SENDER: usize = 1_000;
/// Most submissions that wait for changes, of all senders. With the longest texts they have 64 MiB.
const OF_ALL: usize = 16_000;
/// Most changes that wait for one target.
const OF_TARGET: usize = 1_000;

/// A submission that waits.
pub(crate) type Waiting = (Submission, Completion);
/// A sender in a room.
pub(crate) type Sender = (RoomName, UserId);

/// The senders with a change, and what they submitted after it.
#[derive(Default)]
pub(crate) struct SenderTurns {
    queues: Mutex<HashMap<Sender, VecDeque<Waiting>>>,
    /// Number of senders: without one, nothing is looked up.
    senders: AtomicUsize,
    waiting: AtomicUsize,
    ended: Notify,
}

/// The admission of a submission.
pub(crate) enum Admission {
    /// Nothing is before it. If it is a change, the sender's turn has begun.
    Now(Submission, Completion),
    /// It waits for a change of its sender.
    Waits,
    /// Too much waits.
    Refused(Completion),
}

impl SenderTurns {
    /// Admits a submission. The calls for one sender are made one after the other.
    pub(crate) fn admit(&self, submission: Submission, done: Completion) -> Admission {
        let begins = !matches!(submission.content, Content::Message(_));
        if !begins && self.senders.load(Ordering::Acquire) == 0 {
            return Admission::Now(submission, done);
        }
        let sender = (submission.room.clone(), submission.from.clone());
        let mut queues = self.queues.lock();
        if let Some(queue) = queues.get_mut(&sender) {
            if queue.len() >= OF_SENDER || self.waiting.load(Ordering::Relaxed) >= OF_ALL {
                return Admission::Refused(done);
            }
            queue.push_back((submission, done));
            self.waiting.fetch_add(1, Ordering::Relaxed);
            return Admission::Waits;
        }
        if begins {
            queues.insert(sender, VecDeque::new());
            self.senders.store(queues.len(), Ordering::Release);
        }
        Admission::Now(submission, done)
    }

    /// The next submission of a sender whose change has ended. Without one, the turn ends.
    pub(crate) fn next(&self, sender: &Sender) -> Option<Waiting> {
        let mut queues = self.queues.lock();
        if let Some(next) = queues.get_mut(sender).and_then(VecDeque::pop_front) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Some(next);
        }
        queues.remove(sender);
        self.senders.store(queues.len(), Ordering::Release);
        drop(queues);
        self.ended.notify_waiters();
        None
    }

    /// Takes what waits for a change that could not be decided. It would be stored before that change, which its sender
    /// submits again.
    pub(crate) fn take_waiting(&self, sender: &Sender) -> VecDeque<Waiting> {
        let waiting = self.queues.lock().get_mut(sender).map(std::mem::take).unwrap_or_default();
        self.waiting.fetch_sub(waiting.len(), Ordering::Relaxed);
        waiting
    }

    /// Waits until no sender has a turn.
    pub(crate) async fn drain(&self) {
        loop {
            let ended = self.ended.notified();
            if self.senders.load(Ordering::Acquire) == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// The turns of targets. Seq 0 of a room is for its settings.
#[derive(Default)]
pub(crate) struct TargetTurns(Mutex<HashMap<(RoomName, Seq), TargetQueue>>);

#[derive(Default)]
struct TargetQueue {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Number of changes that wait or have the turn.
    changes: usize,
}

/// The turn of a change to a target, which ends when this is dropped.
pub(crate) struct TargetTurn<'a> {
    turns: &'a TargetTurns,
    key: (RoomName, Seq),
    /// `None` while it waits.
    turn: Option<OwnedMutexGuard<()>>,
}

impl TargetTurns {
    /// Waits for the turn of a target; `None` if too many changes wait.
    pub(crate) async fn take(&self, room: &RoomName, target: Seq) -> Option<TargetTurn<'_>> {
        let key = (room.clone(), target);
        let queue = {
            let mut queues = self.0.lock();
            let queue = queues.entry(key.clone()).or_default();
            if queue.changes >= OF_TARGET {
                return None;
            }
            queue.changes += 1;
            queue.turn.clone()
        };
        let mut turn = TargetTurn { turns: self, key, turn: None };
        turn.turn = Some(queue.lock_owned().await);
        Some(turn)
    }
}

impl Drop for TargetTurn<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let mut queues = self.turns.0.lock();
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.changes -= 1;
            if queue.changes == 0 {
                queues.remove(&self.key);
            }
        }
    }
}
