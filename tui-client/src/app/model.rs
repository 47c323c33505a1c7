//! The model: the whole state of the client.

use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use realtime_shared::{ClientMsgId, EntryId, Position, RoomName, UserId};

use super::attention::{Attention, NotifyOn};
use super::clock::{Now, Stamp};
use super::composing::command::COMMANDS;
use super::composing::completion::candidates::Completion;
use super::extension::Extension;
use super::keys::Keymap;
use super::link::Link;
use super::message::Effect;
use super::overlays::inspector::record::Inspector;
use super::overlays::overlay::Overlay;
use super::rooms::effects::{leave_view, stop_typing};
use super::rooms::reading::Reading;
use super::rooms::room::{Entered, Pane, Room};
use super::rooms::timeline::Tone;
use super::theme::Theme;
use crate::net;
use crate::sanitize::{self, Block, Line};

/// What the user was asked to confirm by asking again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Confirm {
    Quit,
    Leave(RoomName),
}

/// All that the client knows.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Model {
    /// The connection.
    pub link: Link,
    /// From the last ping to its pong.
    pub round_trip: Option<Duration>,
    /// Rooms, in the order in which they were asked for.
    pub rooms: Vec<Room>,
    /// What lies over the screen.
    pub overlay: Option<Overlay>,
    /// How the screen is to look.
    pub theme: Theme,
    /// A word on the last key; gone with the next one.
    pub hint: Option<Line>,
    /// What keys mean.
    pub keymap: Keymap,
    /// Whether the mouse is heard; otherwise it is the terminal's.
    pub mouse: bool,
    /// Whether others are told that the user types.
    pub tells_typing: bool,
    /// What the user is told of while they look elsewhere.
    pub notify_on: NotifyOn,
    /// Commands that the program added.
    pub extensions: &'static [Extension],
    /// The time of the last message.
    pub now: Now,
    pub(super) user: Option<UserId>,
    pub(super) me: Line,
    pub(super) current: Option<usize>,
    /// Stands where there is no room.
    pub(super) lobby: Pane,
    pub(super) text_chars: u32,
    pub(super) focused: bool,
    pub(super) attention: Attention,
    pub(super) completion: Option<Completion>,
    pub(super) listed_rooms: Vec<RoomName>,
    pub(super) confirm: Option<Confirm>,
    /// How far rooms are read that the user is not in.
    pub(super) kept: HashMap<RoomName, Position>,
    pub(super) zone: TimeZone,
    pub(super) random: fastrand::Rng,
    panes: u32,
    pub(super) inspector: Inspector,
    /// Whether the network is to tell of frames.
    pub(super) inspects: bool,
}

impl Model {
    /// A client in `rooms`, the first of which is shown, and what is to be done first. `kept` is how far rooms, these
    /// and others, were read by an earlier run. `seed` is for the identities of messages: another one for each run.
    #[must_use]
    pub fn new(
        rooms: &[RoomName],
        kept: HashMap<RoomName, Position>,
        zone: TimeZone,
        seed: u64,
        now: Now,
    ) -> (Self, Vec<Effect>) {
        let mut model = Self {
            link: Link::Connecting { attempt: 1 },
            round_trip: None,
            rooms: Vec::new(),
            overlay: None,
            theme: Theme::default(),
            hint: None,
            keymap: Keymap::default(),
            mouse: true,
            tells_typing: true,
            notify_on: NotifyOn::default(),
            extensions: &[],
            now,
            user: None,
            me: sanitize::line("you"),
            current: None,
            lobby: Pane { title: sanitize::line("no room"), ..Pane::default() },
            text_chars: u32::MAX,
            focused: true,
            attention: Attention::default(),
            completion: None,
            listed_rooms: Vec::new(),
            confirm: None,
            kept,
            zone,
            random: fastrand::Rng::with_seed(seed),
            panes: 0,
            inspector: Inspector::default(),
            inspects: false,
        };
        let mut effects = Vec::new();
        for room in rooms {
            effects.extend(model.join(room));
        }
        if !model.rooms.is_empty() {
            model.current = Some(0);
        }
        (model, effects)
    }

    /// The room that is shown.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.current.and_then(|index| self.rooms.get(index))
    }

    /// The index of the room that is shown.
    #[must_use]
    pub const fn current(&self) -> Option<usize> {
        self.current
    }

    /// What stands in the middle of the screen.
    #[must_use]
    pub fn pane(&self) -> &Pane {
        self.room().map_or(&self.lobby, |room| &room.pane)
    }

    /// All commands, with their explanations.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let added: &'static [Extension] = self.extensions;
        COMMANDS.iter().chain(added.iter().flat_map(|extension| extension.rows)).copied()
    }

    /// The record of the connection.
    #[must_use]
    pub const fn inspector(&self) -> &Inspector {
        &self.inspector
    }

    /// The day, in the user's time zone.
    #[must_use]
    pub fn today(&self) -> jiff::civil::Date {
        self.stamp().day
    }

    /// How the user is shown.
    #[must_use]
    pub const fn me(&self) -> &Line {
        &self.me
    }

    /// Messages that wait to be sent, in all rooms.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.rooms.iter().map(Room::queued).sum()
    }

    /// When the screen changes without anything happening: a countdown, somebody who types no more. Also when the
    /// others are to be told that the user types no more. `None`: nothing moves, and no timer is needed.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let typing = self.room().and_then(Room::typing_expires);
        let idle = self.rooms.iter().filter_map(Room::idle_at).min();
        [self.link.next_change(self.now.mono), typing, idle].into_iter().flatten().min()
    }

    pub(super) fn room_mut(&mut self) -> Option<&mut Room> {
        self.current.and_then(|index| self.rooms.get_mut(index))
    }

    pub(super) fn pane_mut(&mut self) -> &mut Pane {
        match self.current.and_then(|index| self.rooms.get_mut(index)) {
            Some(room) => &mut room.pane,
            None => &mut self.lobby,
        }
    }

    pub(super) fn index_of(&self, name: &RoomName) -> Option<usize> {
        self.rooms.iter().position(|room| room.name == *name)
    }

    pub(super) fn is_looked_at(&self, index: usize) -> bool {
        self.focused && self.current == Some(index)
    }

    pub(super) fn stamp(&self) -> Stamp {
        Stamp::of(self.now.wall, &self.zone)
    }

    pub(super) fn say(&mut self, hint: &str) {
        self.hint = Some(sanitize::line(hint));
    }

    /// Adds a note to a room, or to what is shown.
    pub(super) fn note(&mut self, room: Option<usize>, tone: Tone, text: Block) {
        let stamp = self.stamp();
        let pane = match room.and_then(|index| self.rooms.get_mut(index)) {
            Some(room) => &mut room.pane,
            None => self.pane_mut(),
        };
        pane.timeline.add_note(stamp, tone, text);
    }

    /// A fresh identity for a message: a ULID.
    pub(super) fn message_id(&mut self) -> ClientMsgId {
        let random = self.random.u128(..);
        let id = EntryId::from_parts(self.now.wall, random).to_string();
        ClientMsgId::new(&id).expect("a ULID has 26 characters")
    }

    /// Adds a room, where it is not there.
    pub(super) fn join(&mut self, name: &RoomName) -> Option<Effect> {
        if self.index_of(name).is_some_and(|index| self.rooms[index].entered != Entered::Out) {
            return None;
        }
        let index = self.index_of(name).unwrap_or_else(|| {
            self.panes += 1;
            let reading = Reading::since(self.kept.remove(name));
            self.rooms.push(Room::new(name.clone(), self.panes, reading));
            self.rooms.len() - 1
        });
        self.rooms[index].entered = Entered::Asked;
        let since = self.rooms[index].reading.newest().cloned();
        Some(Effect::Net(net::Command::Join { room: name.clone(), since }))
    }

    /// Shows the room at `index`.
    pub(super) fn show(&mut self, index: usize) -> Vec<Effect> {
        if index >= self.rooms.len() || self.current == Some(index) {
            return Vec::new();
        }
        let effects = self.room_mut().map(leave_view).unwrap_or_default();
        self.current = Some(index);
        self.rooms[index].enter();
        effects
    }

    /// Lets the time of the message pass.
    pub(super) fn pass_time(&mut self) -> Vec<Effect> {
        let now = self.now.mono;
        let mut effects = Vec::new();
        for room in &mut self.rooms {
            room.expire_typing(now);
            if room.idle_at().is_some_and(|at| at <= now) {
                effects.extend(stop_typing(room));
            }
        }
        effects
    }
}
