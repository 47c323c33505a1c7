//! Publication of entries: each becomes a call of `append.lua` on the lane of its room.
//!
//! A message is sent at once. A change is sent twice: the first call returns the view of its target, on which the change is
//! decided here, and the second one stores it if the view is still the present one. Otherwise it returns the present view.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ::redis::{Cmd, Value};
use realtime_shared::{Change, Content, EntryId, EntryKind, RoomName, Seq, Timestamp};
use tokio::time::timeout;

use super::change_view::{ChangeDecision, ChangeView, Expected, letter};
use super::lanes::{Lanes, QueuedMessage, VIEW, kind_of, outcome};
use super::message_rules::{MessageRequest, MessageRules};
use super::redis_clock::RedisClock;
use super::repair::Repair;
use super::replicas::Replicas;
use super::room_changes::RoomChanges;
use super::room_index::RoomIndex;
use super::turns::{Admission, SenderTurns, TargetTurns};
use crate::broker::redis::transport::link::REQUEST_TIMEOUT;
use crate::broker::redis::transport::{Transport, keys, scripts, wire};
use crate::broker::{Completion, NotStored, Receipt, Signal, Submission, Unavailable};
use crate::clock::Clock;
use crate::config::{Retain, RoomLimits};
use crate::faults::{self, Fault};
use crate::store::digest;

/// Publishes entries and signals.
pub(crate) struct Publisher {
    pub(crate) transport: Arc<Transport>,
    pub(crate) index: Arc<RoomIndex>,
    pub(crate) changes: Arc<RoomChanges>,
    pub(crate) lanes: Lanes,
    pub(crate) rules: Arc<MessageRules>,
    pub(crate) senders: SenderTurns,
    pub(crate) targets: TargetTurns,
    pub(crate) replicas: Arc<Replicas>,
    pub(crate) repair: Arc<Repair>,
    pub(crate) clock: Clock,
    pub(crate) redis_clock: Arc<RedisClock>,
    pub(crate) retain: Retain,
    /// Messages that a room keeps, see [`Retention`](super::retention::Retention).
    pub(crate) kept: Arc<AtomicU64>,
    /// Messages that a room keeps by the configuration.
    pub(crate) messages_kept: u64,
    pub(crate) rooms: RoomLimits,
}

/// An entry with the parts of its command that do not depend on a view.
pub(crate) struct Prepared {
    id: EntryId,
    now: Timestamp,
    command: Cmd,
    /// Adds the room to the index before its first entry.
    adds_room: Option<Cmd>,
}

/// A seq that no log reaches, and that a number of a script holds.
const BEYOND_EVERY_HEAD: u64 = (1 << 53) - 1;

impl Publisher {
    /// See [`Broker::submit`](crate::broker::Broker::submit).
    pub(crate) fn submit(self: &Arc<Self>, submission: Submission, done: Completion) {
        match self.senders.admit(submission, done) {
            Admission::Now(submission, done) if matches!(submission.content, Content::Message(_)) => {
                self.send_message(submission, done);
            }
            Admission::Now(submission, done) => {
                let publisher = self.clone();
                self.transport.runtime.spawn(async move { publisher.take_turn(submission, done).await });
            }
            Admission::Waits => {}
            Admission::Refused(done) => done(Err(Unavailable.into())),
        }
    }

    /// Waits until all entries that were submitted are answered or refused.
    pub(crate) async fn drain(&self) {
        self.senders.drain().await;
        self.lanes.drain().await;
    }

    /// Sends a change, and then what its sender has submitted meanwhile. If Redis does not answer, both are refused, so
    /// that they keep their order when they are submitted again.
    async fn take_turn(&self, submission: Submission, done: Completion) {
        let sender = (submission.room.clone(), submission.from.clone());
        let mut next = Some((submission, done));
        while let Some((submission, done)) = next {
            if matches!(submission.content, Content::Message(_)) {
                self.send_message(submission, done);
                self.lanes.of(&sender.0).flush();
            } else {
                let stored = self.change(submission).await;
                let is_unknown = matches!(stored, Err(NotStored::Unavailable(_)));
                done(stored);
                if is_unknown {
                    for (_, done) in self.senders.take_waiting(&sender) {
                        done(Err(Unavailable.into()));
                    }
                }
            }
            next = self.senders.next(&sender);
        }
    }

    fn send_message(&self, submission: Submission, done: Completion) {
        let request = MessageRequest {
            room: submission.room.clone(),
            from: submission.from.clone(),
            power: submission.power,
            reply_to: submission.content.reply_to(),
            now: self.clock.now(),
            is_in_time: false,
        };
        let Prepared { mut command, adds_room, .. } = self.prepare(submission, request.now);
        // No log has the seq 0, which means no reply here.
        let answered =
            request.reply_to.map_or(0, |seq| if seq == Seq::ZERO { BEYOND_EVERY_HEAD } else { seq.get() });
        command.arg(answered).arg("");
        let (changes, name) = (self.changes.clone(), request.room.clone());
        // The room was added to the index before.
        let index = adds_room.is_some().then(|| self.index.clone());
        let done: Completion = Box::new(move |stored| {
            if let Ok(receipt) = &stored {
                if !receipt.duplicate {
                    changes.stored(&name, receipt);
                }
                if let Some(index) = index {
                    index.remember(name);
                }
            }
            done(stored);
        });
        self.lanes.of(&request.room).append(adds_room, command, QueuedMessage { request, done });
    }

    /// Stores a change, unless the rules refuse it.
    async fn change(&self, submission: Submission) -> Result<Receipt, NotStored> {
        let room = submission.room.clone();
        let is_deletion = submission.content.kind() == EntryKind::Delete;
        if matches!(submission.content.kind(), EntryKind::Delete | EntryKind::Room)
            && !self.transport.peers.have_versions()
        {
            // An instance of an earlier version would not read what this stores.
            return Err(Unavailable.into());
        }
        let stored = timeout(REQUEST_TIMEOUT, self.decide(submission)).await;
        let receipt = stored.unwrap_or(Err(Unavailable.into()))?;
        if !receipt.duplicate {
            self.changes.stored(&room, &receipt);
        }
        if is_deletion && let Some(replica) = self.replicas.by_channel(&self.transport.keys.channel(&room)) {
            // The text is in no frame of this instance after the answer. If Redis does not answer now, the deletion is shown
            // when it does.
            let _ = self.repair.catch_up(&replica).await;
        }
        Ok(receipt)
    }

    async fn decide(&self, submission: Submission) -> Result<Receipt, NotStored> {
        let Content::Change(change) = &submission.content else { return Err(Unavailable.into()) };
        let target = change.target().map_or(Seq::ZERO, |(seq, _)| seq);
        let room = submission.room.clone();
        let _turn = self.targets.take(&room, target).await.ok_or(Unavailable)?;
        let prepared = self.prepare_change(&submission, change);
        let mut expected = Expected::none();
        loop {
            let answer = self.try_change(&submission, &prepared, expected).await?;
            if kind_of(&answer) != Some(VIEW) {
                let receipt = outcome(&answer, self.rooms)?;
                if prepared.adds_room.is_some() {
                    self.index.remember(room);
                }
                return Ok(receipt);
            }
            match self.review(&submission, &prepared, &answer)? {
                ChangeDecision::Unchanged(receipt) => return Ok(receipt),
                ChangeDecision::Append(next) => expected = next,
            }
        }
    }

    pub(crate) fn prepare_change(&self, submission: &Submission, change: &Change) -> Prepared {
        let target = change.target().map_or(Seq::ZERO, |(seq, _)| seq);
        let mut prepared = self.prepare(submission.clone(), self.clock.now());
        prepared.command.arg(target.get()).arg(letter(change));
        // Only the settings may be the first entry of a room.
        prepared.adds_room = prepared.adds_room.filter(|_| matches!(change, Change::Room(_)));
        prepared
    }

    /// Calls the script once, with the view that the decision saw.
    pub(crate) async fn try_change(
        &self,
        submission: &Submission,
        Prepared { command, adds_room, .. }: &Prepared,
        expected: Expected,
    ) -> Result<Value, Unavailable> {
        let mut append = command.clone();
        expected.complete(&mut append, self.messages_kept, submission.from.as_str());
        self.lanes.of(&submission.room).ask(adds_room.clone(), append).await
    }

    /// Decides on a change by the view of an answer.
    pub(crate) fn review(
        &self,
        submission: &Submission,
        Prepared { id, now, .. }: &Prepared,
        answer: &Value,
    ) -> Result<ChangeDecision, NotStored> {
        let clock = self.redis_clock.judged();
        let is_past = |ts| clock.drops && self.retain.is_past(clock.age(ts));
        let view = ChangeView::parse(answer, is_past).ok_or(Unavailable)?;
        let decision = view.decide(self.rules.rules(), submission, *id, *now);
        self.rules.learn(&submission.room, view.settings);
        Ok(decision?)
    }

    /// The command of an entry, up to the argument of what it answers or changes.
    fn prepare(&self, submission: Submission, now: Timestamp) -> Prepared {
        let id = EntryId::from_parts(now, fastrand::u128(..));
        let room = submission.room.clone();
        let may_found = submission.may_found_room();
        let limits = if submission.is_exempt { RoomLimits::none() } else { self.rooms };
        let founder = self.transport.keys.founded(&submission.from);
        let dedup_key = match &submission.client_msg_id {
            Some(id) if !faults::breaks(Fault::NoDedup) => digest(&submission.from, id),
            // Without a client id, the entry id identifies the message: the same command may be sent twice.
            _ => id.to_u128(),
        };
        let (before, after) = submission.encode_around_seq(id, now);
        let channel = self.transport.keys.channel(&room);
        let mut append = scripts::APPEND.on(&[
            keys::log(&channel),
            keys::meta(&channel),
            keys::known(&channel, 0),
            keys::known(&channel, 1),
        ]);
        append.arg(&channel).arg(&dedup_key.to_be_bytes()[..]).arg(id.to_string()).arg(now.millis());
        append.arg(before).arg(after).arg(self.kept.load(Ordering::Relaxed)).arg(u8::from(may_found));
        append.arg(u8::from(!self.redis_clock.judged().forgets));
        append.arg(limits.new_per_user).arg(founder).arg(limits.total).arg(self.transport.keys.rooms());
        append.arg(room.as_str()).arg(self.transport.keys.founded_rooms());
        // A room that may not be founded is in the index of Redis if it exists.
        let is_listed = self.index.contains(&room) || !may_found;
        let adds_room = (!is_listed).then(|| self.index.add_command(&[room.as_str()]));
        Prepared { id, now, command: append, adds_room }
    }

    /// Publishes a signal, after the messages of its room that were submitted before.
    pub(crate) fn signal(&self, room: &RoomName, signal: &Signal) {
        let mut publish = ::redis::cmd("SPUBLISH");
        publish.arg(self.transport.keys.channel(room)).arg(wire::signal(&signal.skip, &signal.json));
        self.lanes.of(room).signal(publish);
    }
}
