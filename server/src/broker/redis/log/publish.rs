//! Publication of messages: each becomes one call of `append.lua` on the lane of its room.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::{EntryId, RoomName};

use super::lanes::Lanes;
use super::redis_clock::RedisClock;
use super::room_changes::RoomChanges;
use super::room_index::RoomIndex;
use crate::broker::redis::transport::{Transport, keys, scripts, wire};
use crate::broker::{Completion, NotStored, Receipt, Signal, Submission};
use crate::clock::Clock;
use crate::config::RoomLimits;
use crate::faults::{self, Fault};
use crate::store::digest;

/// Publishes messages and signals.
pub(crate) struct Publisher {
    pub(crate) transport: Arc<Transport>,
    pub(crate) index: Arc<RoomIndex>,
    pub(crate) changes: Arc<RoomChanges>,
    pub(crate) lanes: Lanes,
    pub(crate) clock: Clock,
    pub(crate) redis_clock: Arc<RedisClock>,
    /// Entries that a room keeps, see [`Retention`](super::retention::Retention).
    pub(crate) kept: Arc<AtomicU64>,
    pub(crate) rooms: RoomLimits,
}

impl Publisher {
    /// See [`Broker::submit`](crate::broker::Broker::submit).
    pub(crate) fn submit(&self, submission: Submission, done: Completion) {
        let now = self.clock.now();
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
        let lane = self.lanes.of(&room);
        let (changes, name) = (self.changes.clone(), room.clone());
        let done: Completion = Box::new(move |stored| {
            if let Ok(receipt) = &stored
                && !receipt.duplicate
            {
                changes.stored(&name, receipt);
            }
            done(stored);
        });
        // A room that may not be founded is in the index of Redis if it exists.
        if self.index.contains(&room) || !may_found {
            return lane.append(append, done);
        }
        let index = self.index.clone();
        let adding = index.add_command(&[room.as_str()]);
        let remember = move |stored: Result<Receipt, NotStored>| {
            // The room was added to the index before.
            if stored.is_ok() {
                index.remember(room);
            }
            done(stored);
        };
        lane.append_after(adding, append, Box::new(remember));
    }

    /// Publishes a signal, after the messages of its room that were submitted before.
    pub(crate) fn signal(&self, room: &RoomName, signal: &Signal) {
        let mut publish = ::redis::cmd("SPUBLISH");
        publish.arg(self.transport.keys.channel(room)).arg(wire::signal(&signal.skip, &signal.json));
        self.lanes.of(room).signal(publish);
    }
}
