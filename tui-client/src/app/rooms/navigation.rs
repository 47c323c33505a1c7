//! Navigation between rooms: join, leave, and step through the list.

use realtime_shared::RoomName;

use super::effects::leave_view;
use super::room::{ListPlace, Room};
use crate::app::message::Effect;
use crate::app::model::{Confirmation, Model};
use crate::net;

/// Goes to a room, and joins it if necessary.
pub(in crate::app) fn join(model: &mut Model, name: &RoomName) -> Vec<Effect> {
    let mut effects: Vec<Effect> = model.join(name).into_iter().collect();
    if let Some(index) = model.index_of(name) {
        effects.extend(model.show(index));
    }
    effects
}

/// Leaves a room; without a name, the one that is shown. Unsent text in it needs a confirmation.
pub(in crate::app) fn leave(
    model: &mut Model,
    name: Option<RoomName>,
    confirmed: Option<&Confirmation>,
) -> Vec<Effect> {
    let index = match &name {
        Some(name) => model.index_of(name),
        None => model.current,
    };
    let Some(index) = index else {
        model.show_hint(
            &name.map_or_else(|| "you are in no room".to_owned(), |name| format!("you are not in {name}")),
        );
        return Vec::new();
    };
    let room = &model.rooms[index];
    let composer = &room.pane.composer;
    // The shown text of the current room is the command.
    let has_draft =
        if model.current == Some(index) { composer.has_hidden_draft() } else { composer.has_draft() };
    if (room.unsent() > 0 || has_draft) && confirmed != Some(&Confirmation::Leave(room.name.clone())) {
        let what = format!("unsent text in {}: Enter again discards it and leaves", room.name);
        model.confirm = Some(Confirmation::Leave(room.name.clone()));
        model.show_hint(&what);
        return Vec::new();
    }
    model.pane_mut().composer.take();
    let mut room = model.rooms.remove(index);
    let was_shown = model.current == Some(index);
    let mut effects = if was_shown { leave_view(&mut room) } else { Vec::new() };
    if let Some(read) = room.reading.read() {
        model.kept.insert(room.name.clone(), read.clone());
    }
    let mark = room.reading.take_mark();
    effects.extend(mark.map(|mark| Effect::Keep(room.name.clone(), mark)));
    if room.list_place != ListPlace::Absent {
        effects.push(Effect::KeepRoom { room: room.name.clone(), is_joined: false });
    }
    effects.push(Effect::Net(net::Command::Leave(room.name)));
    model.current = match model.current {
        _ if model.rooms.is_empty() => None,
        Some(current) if current > index || current == model.rooms.len() => Some(current - 1),
        current => current,
    };
    if let Some(room) = model.room_mut()
        && was_shown
    {
        room.open();
    }
    effects
}

/// Goes forward in the list by `by` rooms, or back if it is negative.
pub(in crate::app) fn step(model: &mut Model, by: isize) -> Vec<Effect> {
    let (Some(current), count @ 1..) = (model.current, model.rooms.len()) else { return Vec::new() };
    model.show(current.checked_add_signed(by).unwrap_or(count - 1) % count)
}

/// Goes to the next room with a mention, otherwise to the next one with unread messages.
pub(in crate::app) fn next_unread(model: &mut Model) -> Vec<Effect> {
    let count = model.rooms.len();
    let from = model.current.map_or(0, |current| current + 1);
    let next = |wanted: fn(&Room) -> bool| {
        (from..from + count).map(|index| index % count).find(|&index| wanted(&model.rooms[index]))
    };
    let Some(index) = next(|room| room.reading.mentions > 0).or_else(|| next(|room| room.reading.unread > 0))
    else {
        model.show_hint("no unread messages");
        return Vec::new();
    };
    model.show(index)
}
