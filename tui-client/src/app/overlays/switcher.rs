//! Going to a room by its name: the user's own, those that the server lists, and one that nobody has yet.
//!
//! The list is found anew from the model each time, so that what is unread in it is what is unread now. While the
//! server's list is awaited, and where it told only some, a name can still be typed in full.

use realtime_shared::{RoomName, Rooms};

use crate::app::composing::command;
use crate::app::keys::Action;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::overlays::fuzzy;
use crate::app::overlays::next_step::{NextStep, leave};
use crate::app::overlays::overlay::Overlay;
use crate::app::overlays::picker::{Picker, Reply};
use crate::app::rooms::room::{Membership, Room};
use crate::net;
use crate::sanitize::{self, Line};

/// A room that can be gone to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomChoice {
    /// What it is called.
    pub title: Line,
    /// The title's graphemes that were looked for, by number and in their order.
    pub matched: Vec<u32>,
    /// Where it is, for the user.
    pub kind: RoomKind,
    /// How many are there; not known of a room that nobody has yet.
    pub member_count: Option<u64>,
    /// Messages that the user has not read.
    pub unread: u64,
    /// Those of them that name the user.
    pub mentions: u64,
    name: RoomName,
}

/// Relation of the user to a room in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// It is shown already.
    Shown,
    /// The user is in it.
    Joined,
    /// It is entered.
    Listed,
    /// It is entered, and begins with that as far as is known.
    New,
}

impl RoomChoice {
    fn own(room: &Room, is_shown: bool) -> Self {
        let kind = match room.membership {
            _ if is_shown => RoomKind::Shown,
            Membership::Outside => RoomKind::Listed,
            Membership::Joining | Membership::Joined => RoomKind::Joined,
        };
        Self {
            kind,
            member_count: Some(room.member_count),
            unread: room.reading.unread,
            mentions: room.reading.mentions,
            ..Self::other(&room.name, RoomKind::Joined, None)
        }
    }

    fn other(name: &RoomName, kind: RoomKind, member_count: Option<u64>) -> Self {
        Self {
            title: sanitize::line(name.as_str()),
            matched: Vec::new(),
            kind,
            member_count,
            unread: 0,
            mentions: 0,
            name: name.clone(),
        }
    }
}

impl Model {
    /// The rooms of [`Overlay::Rooms`] that are looked for, the best first; in the end the one that is called exactly
    /// so, where none is known to be.
    #[must_use]
    pub fn choices(&self) -> Vec<RoomChoice> {
        let Some(Overlay::Rooms { picker, listed, .. }) = &self.overlay else { return Vec::new() };
        let ours = self
            .rooms
            .iter()
            .enumerate()
            .map(|(index, room)| RoomChoice::own(room, self.current == Some(index)));
        let told = listed
            .iter()
            .flat_map(|(rooms, _)| rooms)
            .filter(|summary| self.index_of(&summary.room).is_none())
            .map(|summary| RoomChoice::other(&summary.room, RoomKind::Listed, Some(summary.member_count)));
        let known: Vec<RoomChoice> = ours.chain(told).collect();
        let query = picker.query().text().trim();
        let found = fuzzy::find(query, known.iter().map(|choice| choice.title.as_str()));
        let new = command::room(query).ok().filter(|name| known.iter().all(|choice| choice.name != *name));
        found
            .into_iter()
            .map(|found| RoomChoice { matched: found.matched, ..known[found.index].clone() })
            .chain(new.map(|name| RoomChoice::other(&name, RoomKind::New, None)))
            .collect()
    }

    /// Why no room can be called as what is looked for; `None` where one can, or nothing is.
    #[must_use]
    pub fn no_name(&self) -> Option<Line> {
        let Some(Overlay::Rooms { picker, .. }) = &self.overlay else { return None };
        let query = picker.query().text().trim();
        command::room(query).err().filter(|_| !query.is_empty()).map(|error| sanitize::line(&error))
    }
}

/// Opens the list, and asks the server for its rooms: those whose names begin with `prefix`, which is looked for.
pub(in crate::app) fn open(model: &mut Model, prefix: Option<String>) -> Vec<Effect> {
    let selected = if prefix.is_none() { model.current.unwrap_or(0) } else { 0 };
    let picker = Picker::new(prefix.as_deref().unwrap_or(""), selected);
    model.overlay = Some(Overlay::Rooms { picker, listed: None, prefix: prefix.clone() });
    vec![Effect::Net(net::Command::ListRooms { prefix })]
}

/// Handles a key in the list.
pub(in crate::app) fn on_key(model: &mut Model, action: Action) -> NextStep {
    let choices = model.choices();
    let Some(Overlay::Rooms { picker, .. }) = &mut model.overlay else { return NextStep::Pass };
    match picker.on_key(action, choices.len()) {
        Reply::Done => NextStep::nothing(),
        Reply::Queried => NextStep::Done(on_query(model)),
        Reply::Chosen => {
            let selected = picker.selected();
            let Some(choice) = choices.get(selected).or(choices.last()) else { return NextStep::nothing() };
            model.overlay = None;
            NextStep::Join(choice.name.clone())
        }
        Reply::Passed => leave(&mut model.overlay, action, Action::Rooms),
    }
}

/// Something else is looked for: where the server was asked for the beginning of another name, it is asked for all.
pub(in crate::app) fn on_query(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Rooms { picker, listed, prefix }) = &mut model.overlay else { return Vec::new() };
    if prefix.as_ref().is_none_or(|prefix| picker.query().text().starts_with(prefix.as_str())) {
        return Vec::new();
    }
    *prefix = None;
    *listed = None;
    vec![Effect::Net(net::Command::ListRooms { prefix: None })]
}

/// The server told its rooms. The room that was gone to with the arrows stays the chosen one.
pub(in crate::app) fn on_listed(model: &mut Model, rooms: Rooms) {
    let selected = |model: &Model| match &model.overlay {
        Some(Overlay::Rooms { picker, .. }) => Some(picker.selected()).filter(|&selected| selected > 0),
        _ => None,
    };
    let chosen = selected(model).and_then(|at| model.choices().into_iter().nth(at));
    model.listed_rooms = rooms.rooms.iter().map(|summary| summary.room.clone()).collect();
    if let Some(Overlay::Rooms { listed, .. }) = &mut model.overlay {
        *listed = Some((rooms.rooms, rooms.has_more));
    }
    let place = chosen.and_then(|was| model.choices().iter().position(|choice| choice.name == was.name));
    if let (Some(Overlay::Rooms { picker, .. }), Some(place)) = (&mut model.overlay, place) {
        picker.select(place);
    }
}
