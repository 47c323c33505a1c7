//! The moment after each input: what the user looks at is seen.

use crate::app::model::Model;
use crate::app::rooms::room::Room;

/// Marks the rows that the user looks at as seen. Unread messages go below a ruler when the user begins to look.
pub(in crate::app) fn look(model: &mut Model) {
    // An overlay covers the whole screen.
    let is_covered = model.overlay.is_some();
    let uncovered = model.room().filter(|_| !is_covered).map(|room| room.pane.id);
    let (pane, begins) = model.attention.look(uncovered, model.now.mono);
    if let Some(room) = model.room_mut()
        && pane.is_some()
    {
        if begins {
            room.begin();
        }
        room.see();
    }
}

/// Returns true if the user looked at the room at this index after the last input.
pub(in crate::app) fn is_looked_at(model: &Model, index: usize) -> bool {
    model.rooms.get(index).map(|room: &Room| room.pane.id).is_some_and(|pane| model.attention.is_on(pane))
}
