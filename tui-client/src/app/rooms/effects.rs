//! Effects of a change in one room: typing signals, and hiding its view.

use super::room::Room;
use crate::app::message::Effect;
use crate::net;

/// Handles the change of the view to another room.
pub(in crate::app) fn leave_view(room: &mut Room) -> Vec<Effect> {
    room.reading.ruler = None;
    room.wants_older = false;
    room.set_searching_older(false);
    stop_typing(room).into_iter().collect()
}

pub(in crate::app) fn stop_typing(room: &mut Room) -> Option<Effect> {
    room.stop_typing().then(|| typing(room, false))
}

pub(in crate::app) fn typing(room: &Room, is_typing: bool) -> Effect {
    Effect::Net(net::Command::Typing { room: room.name.clone(), is_typing })
}
