//! A message on its way to a lane: what makes it one call of `append.lua`.

use std::hash::BuildHasher;
use std::sync::Arc;

use ::redis::Cmd;
use realtime_shared::{EntryId, RoomName};

use crate::broker::redis::log::lanes::Lane;
use crate::broker::redis::transport::{keys, scripts};
use crate::broker::redis::{LANES, Shared};
use crate::broker::{Completion, Submission};
use crate::faults::{self, Fault};
use crate::store::digest;

/// Rooms of which it is remembered that they are in the list of all rooms.
const LISTED: usize = 100_000;

impl Shared {
    /// The lane of a room.
    pub(crate) fn lane(&self, room: &RoomName) -> &Lane {
        let hash = usize::try_from(self.hasher.hash_one(room) % LANES as u64).unwrap_or(0);
        &self.lanes[hash]
    }

    /// See [`Broker::submit`](crate::broker::Broker::submit).
    pub(crate) fn submit(self: &Arc<Self>, submission: Submission, done: Completion) {
        let now = self.clock.now();
        let id = EntryId::from_parts(now, fastrand::u128(..));
        let room = submission.room.clone();
        let known_as = match &submission.client_msg_id {
            Some(id) if !faults::breaks(Fault::NoDedup) => digest(&submission.from, id),
            // Its own id, so that it is known when the same command comes twice.
            _ => id.to_u128(),
        };
        let (before, after) = submission.encode_around_seq(id, now);
        let channel = self.keys.channel(&room);
        let mut append = scripts::APPEND.on(&[
            keys::log(&channel),
            keys::meta(&channel),
            keys::known(&channel, 0),
            keys::known(&channel, 1),
        ]);
        append.arg(&channel).arg(&known_as.to_be_bytes()[..]).arg(id.to_string()).arg(now.millis());
        append.arg(before).arg(after);
        append.arg(self.keep());
        let lane = self.lane(&room);
        if self.listed.lock().contains(&room) {
            return lane.post(append, done);
        }
        let mut listing = Cmd::new();
        listing.arg("SADD").arg(self.keys.rooms()).arg(room.as_str());
        lane.post(listing, Box::new(|_| ()));
        let shared = self.clone();
        lane.post(
            append,
            Box::new(move |stored| {
                // What was stored is listed: that was asked for before.
                if stored.is_ok() {
                    shared.is_listed(room);
                }
                done(stored);
            }),
        );
    }

    fn is_listed(&self, room: RoomName) {
        let mut listed = self.listed.lock();
        if listed.len() >= LISTED {
            listed.clear();
        }
        listed.insert(room);
    }

    /// See [`Broker::flush`](crate::broker::Broker::flush).
    pub(crate) fn flush(&self) {
        self.lanes.iter().for_each(|lane| lane.flush());
    }
}
