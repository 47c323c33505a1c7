//! The list of a room's members.

use realtime_shared::RoomName;

use super::overlay::{ListedMember, Overlay};
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::rooms::room::Membership;
use crate::net;
use crate::sanitize;

/// Opens the list of a room; without a name, of the room that is shown.
pub(in crate::app) fn open(model: &mut Model, name: Option<RoomName>) -> Vec<Effect> {
    let Some(name) = name.or_else(|| model.room().map(|room| room.name.clone())) else {
        model.show_hint("you are in no room");
        return Vec::new();
    };
    let members = model
        .index_of(&name)
        .map(|index| &model.rooms[index])
        .filter(|room| room.membership == Membership::Joined)
        .map(|room| (ListedMember::all(room.members().cloned().collect(), model.nick()), room.member_count));
    let title = sanitize::line(name.as_str());
    model.overlay = Some(Overlay::Members { room: name.clone(), title, members });
    vec![Effect::Net(net::Command::Members(name))]
}
