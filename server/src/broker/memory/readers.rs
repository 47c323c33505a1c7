//! Read markers in memory, and the users of direct rooms.
//!
//! Markers belong to the log of their room, and end with it. The rooms of each user are known beside, for its inbox. They
//! are changed under the lock of the room's log.

use std::collections::HashMap;

use parking_lot::Mutex;
use realtime_shared::{DirectPair, RoomName, Seq, UserId};

use crate::broker::read_marker::ReadMarker;

/// The users who have read a room.
#[derive(Default)]
pub(super) struct RoomReaders {
    /// The users of a direct room.
    pair: Option<Box<DirectPair>>,
    markers: HashMap<UserId, ReadMarker>,
}

impl RoomReaders {
    pub(super) fn pair(&self) -> Option<&DirectPair> {
        self.pair.as_deref()
    }

    pub(super) fn set_pair(&mut self, pair: DirectPair) {
        self.pair = Some(Box::new(pair));
    }

    pub(super) fn marker(&self, user: &UserId) -> Option<ReadMarker> {
        self.markers.get(user).copied()
    }

    /// Sets a marker. Returns true if it is the first one of the user.
    pub(super) fn set(&mut self, user: &UserId, marker: ReadMarker) -> bool {
        self.markers.insert(user.clone(), marker).is_none()
    }

    /// Records that a user is in the room. Returns the marker, which is new at `head`, and true if it is new.
    pub(super) fn join(&mut self, user: &UserId, head: Seq) -> (Seq, bool) {
        let is_new = !self.markers.contains_key(user);
        let new = ReadMarker { seq: head, left: false };
        let marker = self.markers.entry(user.clone()).or_insert(new);
        marker.left = false;
        (marker.seq, is_new)
    }

    /// Records that a user is no longer in the room.
    pub(super) fn leave(&mut self, user: &UserId) {
        if let Some(marker) = self.markers.get_mut(user) {
            marker.left = true;
        }
    }

    pub(super) fn users(&self) -> impl Iterator<Item = &UserId> {
        self.markers.keys()
    }
}

/// The rooms of each user: those with a read marker or a mention of the user.
#[derive(Default)]
pub(super) struct UserRooms(Mutex<HashMap<UserId, Vec<RoomName>>>);

impl UserRooms {
    pub(super) fn add(&self, user: &UserId, room: &RoomName) {
        let mut users = self.0.lock();
        // Most users have few rooms. The default first capacity would be four.
        let rooms = users.entry(user.clone()).or_insert_with(|| Vec::with_capacity(1));
        if let Err(index) = rooms.binary_search(room) {
            rooms.insert(index, room.clone());
        }
    }

    pub(super) fn remove(&self, user: &UserId, room: &RoomName) {
        let mut users = self.0.lock();
        let Some(rooms) = users.get_mut(user) else { return };
        if let Ok(index) = rooms.binary_search(room) {
            rooms.remove(index);
        }
        if rooms.is_empty() {
            users.remove(user);
        }
    }

    pub(super) fn of(&self, user: &UserId) -> Vec<RoomName> {
        self.0.lock().get(user).cloned().unwrap_or_default()
    }
}
