//! Removal of rooms in a step of a sweep: what it needs beside the store.
//!
//! A post comes before the removal or after it, because one thread does both. A post after it founds the room anew.

use rusqlite::Result;

use super::founding_rule::FoundingRule;
use super::open_rooms::{OpenRooms, RoomClaim};
use super::searching::SearchQueue;
use super::tail_cache::TailCache;
use crate::broker::local_presence::LocalPresence;
use crate::broker::room_list::RoomList;
use crate::store::{Batch, RoomId};

/// State of the engine that knows if a room is used, or depends on its log.
pub(super) struct RoomRemoval<'a> {
    pub(super) open_rooms: &'a OpenRooms,
    pub(super) presence: &'a LocalPresence,
    pub(super) tails: &'a mut TailCache,
    pub(super) list: &'a RoomList,
    pub(super) founding: &'a mut FoundingRule,
    /// `None`: messages are not searched.
    pub(super) search: Option<&'a SearchQueue>,
}

impl RoomRemoval<'_> {
    /// Removes a room in the batch, unless it is used. The claim is to be held until the batch is committed.
    pub(super) fn remove(&self, batch: &Batch<'_>, room: RoomId) -> Result<Option<RoomClaim>> {
        // The loader would add the room to the list again.
        if !self.list.is_loaded() {
            return Ok(None);
        }
        let Some(name) = batch.view().room_name(room)? else { return Ok(None) };
        // A tail that is being read is of the log as it is now, and messages wait for it.
        if self.tails.is_reading(&name) {
            return Ok(None);
        }
        let claim = self.open_rooms.claim(name, |name| self.presence.has_members(name));
        if claim.is_some() {
            batch.remove_room(room)?;
        }
        Ok(claim)
    }

    /// Takes over the removals of a batch that was committed, and ends the claims. `swept` are the rooms of which entries were
    /// dropped.
    pub(super) fn committed(&mut self, claims: Vec<RoomClaim>, swept: Vec<RoomId>) {
        if let Some(search) = self.search {
            search.note_swept(swept);
        }
        self.founding.remove_rooms(claims.len() as u64);
        for claim in claims {
            self.tails.forget(&claim.room);
            self.list.remove_log(&claim.room);
        }
    }
}
