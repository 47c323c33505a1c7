//! The room switcher: the user's rooms, the rooms that the server lists, and a new room by its name.
//!
//! The list is built from the model for each frame, so its unread counts are current. A name can always be typed in
//! full, also before the server's list arrives or if it is incomplete.

use realtime_shared::{RoomName, Rooms};

use crate::app::composing::command;
use crate::app::keys::Action;
use crate::app::message::Effect;
use crate::app::model::Model;
use crate::app::overlays::fuzzy;
use crate::app::overlays::next_step::{NextStep, leave};
use crate::app::overlays::overlay::Overlay;
use crate::app::overlays::picker::{Picker, Reply};
use crate::app::rooms::doubtful;
use crate::app::rooms::room::{Membership, Room};
use crate::lookalike::NameShape;
use crate::net;
use crate::sanitize::{self, Line};
use crate::typed_room;

/// A room in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomChoice {
    pub title: Line,
    /// Indexes of the graphemes of `title` that match the query, ascending.
    pub matched: Vec<u32>,
    pub kind: RoomKind,
    /// `None` for a new room.
    pub member_count: Option<u64>,
    /// Unread messages.
    pub unread: u64,
    /// Unread messages that name the user.
    pub mentions: u64,
    /// The name mixes scripts, or looks like that of another known room.
    pub is_doubtful: bool,
    name: RoomName,
}

/// Relation of the user to a room in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomKind {
    /// The room that is shown.
    Shown,
    /// The user is in the room.
    Joined,
    /// The server listed the room, or the user has left it.
    Listed,
    /// No room with this name is known.
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
            is_doubtful: false,
            name: name.clone(),
        }
    }
}

impl Model {
    /// Returns the rooms of [`Overlay::Rooms`] that match the query, the best match first. If no known room has the
    /// query as its name, a new room follows.
    #[must_use]
    pub fn choices(&self) -> Vec<RoomChoice> {
        let Some(Overlay::Rooms { picker, listed, .. }) = &self.overlay else { return Vec::new() };
        let ours = self
            .rooms
            .iter()
            .enumerate()
            .map(|(index, room)| RoomChoice::own(room, self.current == Some(index)));
        // The shapes are those of the last list.
        let listed = listed.iter().flat_map(|(rooms, _)| rooms).zip(&self.listed_shapes);
        let others: Vec<_> = listed.filter(|(summary, _)| self.index_of(&summary.room).is_none()).collect();
        let shapes = self.rooms.iter().map(|room| room.shape).chain(others.iter().map(|(_, shape)| **shape));
        let doubts = doubtful::among(&shapes.collect::<Vec<_>>());
        let others = others.iter().map(|(summary, _)| {
            RoomChoice::other(&summary.room, RoomKind::Listed, Some(summary.member_count))
        });
        let known = ours.chain(others).zip(doubts);
        let known: Vec<RoomChoice> =
            known.map(|(choice, is_doubtful)| RoomChoice { is_doubtful, ..choice }).collect();
        let query = picker.query().text().trim();
        let found =
            fuzzy::find(typed_room::without_sign(query), known.iter().map(|choice| choice.title.as_str()));
        let new = command::room(query).ok().filter(|name| known.iter().all(|choice| choice.name != *name));
        found
            .into_iter()
            .map(|found| RoomChoice { matched: found.matched, ..known[found.index].clone() })
            .chain(new.map(|name| RoomChoice::other(&name, RoomKind::New, None)))
            .collect()
    }

    /// Returns the reason if the query is not a valid room name; `None` if it is valid or empty.
    #[must_use]
    pub fn no_name(&self) -> Option<Line> {
        let Some(Overlay::Rooms { picker, .. }) = &self.overlay else { return None };
        let query = picker.query().text().trim();
        command::room(query).err().filter(|_| !query.is_empty()).map(|error| sanitize::line(&error))
    }
}

/// Opens the list and requests the server's rooms with this prefix, which becomes the query.
pub(in crate::app) fn open(model: &mut Model, prefix: Option<String>) -> Vec<Effect> {
    let selected = if prefix.is_none() { model.current.unwrap_or(0) } else { 0 };
    let picker = Picker::new(prefix.as_deref().unwrap_or(""), selected);
    model.overlay = Some(Overlay::Rooms { picker, listed: None, prefix: prefix.clone() });
    vec![Effect::Net(net::Command::ListRooms { prefix })]
}

/// Handles an action in the list.
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

/// Handles a new query. If the last request was for another prefix, requests all rooms.
pub(in crate::app) fn on_query(model: &mut Model) -> Vec<Effect> {
    let Some(Overlay::Rooms { picker, listed, prefix }) = &mut model.overlay else { return Vec::new() };
    if prefix.as_ref().is_none_or(|prefix| picker.query().text().starts_with(prefix.as_str())) {
        return Vec::new();
    }
    *prefix = None;
    *listed = None;
    vec![Effect::Net(net::Command::ListRooms { prefix: None })]
}

/// Handles the server's list. The selected room stays selected, unless it is the first row.
pub(in crate::app) fn on_listed(model: &mut Model, rooms: Rooms) {
    let selected = |model: &Model| match &model.overlay {
        Some(Overlay::Rooms { picker, .. }) => Some(picker.selected()).filter(|&selected| selected > 0),
        _ => None,
    };
    let chosen = selected(model).and_then(|at| model.choices().into_iter().nth(at));
    model.listed_rooms = rooms.rooms.iter().map(|summary| summary.room.clone()).collect();
    let title = |room: &RoomName| sanitize::line(room.as_str());
    model.listed_shapes = model.listed_rooms.iter().map(|room| NameShape::of(&title(room))).collect();
    if let Some(Overlay::Rooms { listed, .. }) = &mut model.overlay {
        *listed = Some((rooms.rooms, rooms.has_more));
    }
    let place = chosen.and_then(|was| model.choices().iter().position(|choice| choice.name == was.name));
    if let (Some(Overlay::Rooms { picker, .. }), Some(place)) = (&mut model.overlay, place) {
        picker.select(place);
    }
}
