//! Rooms, and changes that are collected.

use hashbrown::HashMap;
use realtime_shared::RoomName;

use super::ranking::{Ranking, RoomChange};

/// Changed rooms that are collected before they are applied. An entry in one of them costs little; in one more, all are
/// applied.
pub(super) const COLLECTED: usize = 256;

/// Rooms, and the changes that are not applied yet.
#[derive(Default)]
pub(super) struct ListState {
    pub(super) ranking: Ranking,
    /// At most [`COLLECTED`]. A fast hash is enough for so few rooms, and each entry looks one up.
    changes: HashMap<RoomName, RoomChange>,
}

impl ListState {
    /// Changes a room. Reserved names are not listed.
    pub(super) fn change(&mut self, room: &RoomName, change: impl FnOnce(&mut RoomChange)) {
        if room.is_reserved() {
            return;
        }
        if let Some(collected) = self.changes.get_mut(room) {
            return change(collected);
        }
        if self.changes.len() >= COLLECTED {
            self.apply();
        }
        change(self.changes.entry(room.clone()).or_default());
    }

    /// Replaces the state of a room. It is applied at once, so that no request pays for rooms that a scan has found
    /// unchanged.
    pub(super) fn replace(&mut self, room: &RoomName, change: RoomChange) {
        if room.is_reserved() {
            return;
        }
        self.changes.remove(room);
        self.ranking.change(room.clone(), change);
    }

    /// Applies the collected changes.
    pub(super) fn apply(&mut self) {
        for (room, change) in self.changes.drain() {
            self.ranking.change(room, change);
        }
    }
}
