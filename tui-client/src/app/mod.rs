//! The client's state and how it changes: [`Model`] and [`update`], pure.
//!
//! Keys, the terminal, the network and time come in as [`Msg`]; what is to be done goes out as [`Effect`]s, which the
//! runtime does. There is no clock, no randomness but a seeded generator, and no I/O. Every string that somebody else
//! wrote is cleaned on the way in.
//!
//! `dispatch` takes what comes in: keys, the mouse, events of the network. `composing` has the draft and its commands,
//! `rooms` the timelines, `overlays` the panes over the screen, `keys` the keymap.

mod clock;
mod composing;
mod dispatch;
mod editor;
mod keys;
mod link;
mod message;
mod overlays;
mod rooms;
mod weather;

use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use realtime_shared::{ClientMsgId, EntryId, Position, RoomName, UserId};

pub use clock::{Now, Stamp, human};
pub use composing::command::{COMMANDS, DEMO_COMMANDS};
pub use composing::completion::{Candidate, Completion};
pub use composing::composer::Composer;
pub use composing::query::Query;
pub use dispatch::mouse::Hit;
pub use editor::{DRAFT_CHARS, Editor};
pub use keys::{Action, Binding, Chord, GROUPS, Keymap, Row};
pub use link::Link;
pub use message::{Effect, Input, Msg, Scroll, Sight, Viewed};
pub use overlays::inspector::{Direction, Inspector, Part, Shown, pretty};
pub use overlays::overlay::Overlay;
pub use overlays::palette::Offer;
pub use overlays::picker::Picker;
pub use overlays::switcher::{Choice, Place};
pub use overlays::theme::Theme;
pub use rooms::notify::{Notification, NotifyOn};
pub use rooms::reading::{Mark, Reading, Ruler};
pub use rooms::room::{Entered, Pane, Room};
use rooms::scrollback::on_viewed;
pub use rooms::search::{Found, Search};
pub use weather::Weather;

use dispatch::{actions, events, mouse};
use overlays::inspector;
use rooms::notify;
pub use rooms::timeline;

use crate::net;
use crate::sanitize::{self, Block, Line};
use rooms::timeline::Tone;

/// What the user was asked to confirm by asking again.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Confirm {
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
    /// Whether the network is a demo's, to which something can be done.
    pub is_demo: bool,
    /// The time of the last message.
    pub now: Now,
    user: Option<UserId>,
    me: Line,
    current: Option<usize>,
    /// Stands where there is no room.
    lobby: Pane,
    text_chars: u32,
    focused: bool,
    attention: notify::Attention,
    completion: Option<Completion>,
    listed_rooms: Vec<RoomName>,
    confirm: Option<Confirm>,
    /// How far rooms are read that the user is not in.
    kept: HashMap<RoomName, Position>,
    zone: TimeZone,
    random: fastrand::Rng,
    panes: u32,
    inspector: Inspector,
    /// Whether the network is to tell of frames.
    inspects: bool,
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
            is_demo: false,
            now,
            user: None,
            me: sanitize::line("you"),
            current: None,
            lobby: Pane { title: sanitize::line("no room"), ..Pane::default() },
            text_chars: u32::MAX,
            focused: true,
            attention: notify::Attention::default(),
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

    /// The commands that there are, and what they do.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let demo = if self.is_demo { DEMO_COMMANDS } else { &[] };
        COMMANDS.iter().chain(demo).copied()
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

    fn room_mut(&mut self) -> Option<&mut Room> {
        self.current.and_then(|index| self.rooms.get_mut(index))
    }

    fn pane_mut(&mut self) -> &mut Pane {
        match self.current.and_then(|index| self.rooms.get_mut(index)) {
            Some(room) => &mut room.pane,
            None => &mut self.lobby,
        }
    }

    fn index_of(&self, name: &RoomName) -> Option<usize> {
        self.rooms.iter().position(|room| room.name == *name)
    }

    fn is_looked_at(&self, index: usize) -> bool {
        self.focused && self.current == Some(index)
    }

    fn stamp(&self) -> Stamp {
        Stamp::of(self.now.wall, &self.zone)
    }

    fn say(&mut self, hint: &str) {
        self.hint = Some(sanitize::line(hint));
    }

    /// Adds a note to a room, or to what is shown.
    fn note(&mut self, room: Option<usize>, tone: Tone, text: Block) {
        let stamp = self.stamp();
        let pane = match room.and_then(|index| self.rooms.get_mut(index)) {
            Some(room) => &mut room.pane,
            None => self.pane_mut(),
        };
        pane.timeline.add_note(stamp, tone, text);
    }

    /// A fresh identity for a message: a ULID.
    fn message_id(&mut self) -> ClientMsgId {
        let random = self.random.u128(..);
        let id = EntryId::from_parts(self.now.wall, random).to_string();
        ClientMsgId::new(&id).expect("a ULID has 26 characters")
    }

    /// Adds a room, where it is not there.
    fn join(&mut self, name: &RoomName) -> Option<Effect> {
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
    fn show(&mut self, index: usize) -> Vec<Effect> {
        if index >= self.rooms.len() || self.current == Some(index) {
            return Vec::new();
        }
        let effects = self.room_mut().map(leave_view).unwrap_or_default();
        self.current = Some(index);
        self.rooms[index].enter();
        effects
    }

    /// Lets the time of the message pass.
    fn pass_time(&mut self) -> Vec<Effect> {
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

/// Handles what happened, and says what is to be done.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    model.now = msg.now;
    let mut effects = match msg.input {
        Input::Key(key) => actions::on_key(model, key),
        Input::Paste(text) => actions::on_paste(model, &text),
        Input::Edited(result) => actions::on_edited(model, result),
        Input::Wheel { up } => mouse::on_wheel(model, up),
        Input::Click(hit) => mouse::on_click(model, hit),
        Input::Selected(text) => mouse::on_selected(model, text),
        Input::Focus(focused) => {
            on_focus(model, focused);
            Vec::new()
        }
        Input::Net(event) => events::on_event(model, event),
        Input::Viewed(viewed) => on_viewed(model, viewed),
        Input::Warning(text) => {
            model.note(None, Tone::Error, sanitize::block(&text));
            Vec::new()
        }
        Input::Dragged | Input::Resize | Input::Tick => Vec::new(),
    };
    effects.extend(inspector::close_unless_open(model));
    effects.extend(model.pass_time());
    for room in &mut model.rooms {
        let mark = room.reading.take_mark();
        effects.extend(mark.map(|mark| Effect::Keep(room.name.clone(), mark)));
    }
    effects
}

fn on_focus(model: &mut Model, focused: bool) {
    model.focused = focused;
    model.attention.focus = Some(focused);
    if let Some(room) = model.room_mut()
        && focused
        && room.reading.unread > 0
    {
        room.enter();
    }
}

/// The user looks elsewhere.
fn leave_view(room: &mut Room) -> Vec<Effect> {
    room.see();
    room.reading.ruler = None;
    room.wants_older = false;
    room.search_on(false);
    stop_typing(room).into_iter().collect()
}

fn stop_typing(room: &mut Room) -> Option<Effect> {
    room.stop_typing().then(|| typing(room, false))
}

fn typing(room: &Room, is_typing: bool) -> Effect {
    Effect::Net(net::Command::Typing { room: room.name.clone(), is_typing })
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
