//! The list of joined rooms, which the next start joins again.
//!
//! A room enters the list when the server accepts the join, and leaves it when the user leaves the room. A room that the
//! server refuses at a start leaves the list too, so that this is reported once.

use realtime_shared::RoomName;

use super::room::{ListPlace, Membership};
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::rooms::timeline::Tone;
use crate::sanitize;

impl Model {
    /// Joins the rooms of an earlier run, behind those that are joined already. Shows the first one if no room is shown.
    pub fn join_again(&mut self, rooms: &[RoomName]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for room in rooms {
            effects.extend(self.join(room));
            if let Some(index) = self.index_of(room) {
                self.rooms[index].list_place = ListPlace::Earlier;
            }
        }
        if self.current.is_none() && !self.rooms.is_empty() {
            self.current = Some(0);
        }
        effects
    }
}

/// Handles a join that the server accepted.
pub(in crate::app) fn on_joined(model: &mut Model, index: usize) -> Option<Effect> {
    let room = &mut model.rooms[index];
    let before = std::mem::replace(&mut room.list_place, ListPlace::Confirmed);
    (before == ListPlace::Absent).then(|| Effect::KeepRoom { room: room.name.clone(), is_joined: true })
}

/// Handles a join that the server refused for good. If the room is from an earlier run, it leaves the list, and the user
/// sees the reason in a room that is of use.
pub(in crate::app) fn on_refused(model: &mut Model, index: usize, reason: &str) -> Vec<Effect> {
    let room = &mut model.rooms[index];
    if std::mem::replace(&mut room.list_place, ListPlace::Absent) != ListPlace::Earlier {
        return Vec::new();
    }
    let name = room.name.clone();
    let mut effects = Vec::new();
    if model.current == Some(index)
        && let Some(other) = model.rooms.iter().position(|room| room.membership != Membership::Outside)
    {
        effects.extend(model.show(other));
    }
    if model.current != Some(index) {
        let text = format!("#{name}: {reason}. The next start does not join this room");
        model.note(None, Tone::Error, sanitize::block(&text));
    }
    effects.push(Effect::KeepRoom { room: name, is_joined: false });
    effects
}
