//! The model: the complete state of the client.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use realtime_shared::{ClientMsgId, EntryId, Position, RoomName, Timestamp, UserId};

use super::attention::{Attention, NotifyOn};
use super::clock::{Now, Stamp};
use super::composing::command::COMMANDS;
use super::composing::completion::candidates::Completion;
use super::composing::completion::member_query::MemberQuery;
use super::extension::Extension;
use super::keys::Keymap;
use super::link::Link;
use super::message::Effect;
use super::overlays::inspector::record::Inspector;
use super::overlays::overlay::Overlay;
use super::rooms::effects::{leave_view, stop_typing};
use super::rooms::missed::MissedMessages;
use super::rooms::reading::Reading;
use super::rooms::room::{Membership, Pane, Room};
use super::rooms::timeline::{HeldBytes, Tone};
use super::theme::Theme;
use crate::kept_texts::KeptTexts;
use crate::lookalike::NameShape;
use crate::net::{self, Health, TokenClaims};
use crate::sanitize::{self, Block, Line};

/// An action that the user confirms by repeating it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Confirmation {
    Quit,
    Leave(RoomName),
}

/// The complete state of the client.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Model {
    pub link: Link,
    /// The next failed attempt is followed by another one at once.
    pub(super) retries_at_once: bool,
    /// The answers of the server, while there is a connection.
    pub health: Health,
    /// Time from the last ping to its pong.
    pub round_trip: Option<Duration>,
    /// Rooms in the order in which the user joined them.
    pub rooms: Vec<Room>,
    pub overlay: Option<Overlay>,
    pub theme: Theme,
    /// A hint about the last key; the next key removes it.
    pub hint: Option<Line>,
    pub keymap: Keymap,
    /// The client captures the mouse; otherwise the terminal has it.
    pub mouse: bool,
    /// A program can show links; otherwise their addresses are copied.
    pub opens_links: bool,
    /// Typing signals are sent to the other members.
    pub sends_typing: bool,
    /// Messages that cause a notification.
    pub notify_on: NotifyOn,
    /// Commands added by the program.
    pub extensions: &'static [Extension],
    /// Time of the last input.
    pub now: Now,
    pub(super) user: Option<UserId>,
    pub(super) me: Line,
    pub(super) current: Option<usize>,
    /// The pane that is shown if there is no room.
    pub(super) lobby: Pane,
    pub(super) text_chars: u32,
    /// The text that was cut last, in any room.
    pub(super) cut: String,
    /// Most memory of the messages of all rooms.
    pub(super) held_bytes: HeldBytes,
    pub(super) attention: Attention,
    /// Messages in a gap that cause a notification.
    pub(super) missed: Option<MissedMessages>,
    pub(super) completion: Option<Completion>,
    pub(super) member_search: Option<MemberQuery>,
    /// The server finds members by the beginning of their names.
    pub(super) finds_members: bool,
    pub(super) listed_rooms: Vec<RoomName>,
    /// The shapes of their names.
    pub(super) listed_shapes: Vec<NameShape>,
    pub(super) confirm: Option<Confirmation>,
    /// Read positions of rooms that are not in the list.
    pub(super) kept: HashMap<RoomName, Position>,
    /// Claims of the token that the user gave, until the server has answered.
    pub(super) given_token: Option<TokenClaims>,
    /// A line about the token that is not renewed was shown.
    pub(super) warned_of_token: bool,
    pub(super) zone: TimeZone,
    /// Time of the server minus the local wall clock time, in milliseconds.
    pub(super) clock_offset: i64,
    pub(super) random: fastrand::Rng,
    panes: u32,
    pub(super) inspector: Inspector,
    /// The trace of frames was requested from the connection.
    pub(super) inspects: bool,
    /// Texts of earlier runs for rooms that the user is not in.
    pub(super) waiting_texts: KeptTexts,
    /// Messages of earlier runs that wait for the user.
    pub(super) restored: HashSet<ClientMsgId>,
}

impl Model {
    /// Creates a client that joins `rooms` and shows the first one. Returns it with its first effects. `kept` has the
    /// read positions of earlier runs. `seed` seeds the message ids and must differ from run to run.
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
            retries_at_once: false,
            health: Health::default(),
            round_trip: None,
            rooms: Vec::new(),
            overlay: None,
            theme: Theme::default(),
            hint: None,
            keymap: Keymap::default(),
            mouse: true,
            opens_links: true,
            sends_typing: true,
            notify_on: NotifyOn::default(),
            extensions: &[],
            now,
            user: None,
            me: sanitize::line("you"),
            current: None,
            lobby: Pane { title: sanitize::line("no room"), ..Pane::default() },
            text_chars: u32::MAX,
            cut: String::new(),
            held_bytes: HeldBytes::default(),
            attention: Attention::new(now.mono),
            missed: None,
            completion: None,
            member_search: None,
            finds_members: false,
            listed_rooms: Vec::new(),
            listed_shapes: Vec::new(),
            confirm: None,
            kept,
            given_token: None,
            warned_of_token: false,
            zone,
            clock_offset: 0,
            random: fastrand::Rng::with_seed(seed),
            panes: 0,
            inspector: Inspector::default(),
            inspects: false,
            waiting_texts: KeptTexts::default(),
            restored: HashSet::new(),
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

    /// Returns the room that is shown.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.current.and_then(|index| self.rooms.get(index))
    }

    /// Returns the index of the room that is shown.
    #[must_use]
    pub const fn current(&self) -> Option<usize> {
        self.current
    }

    /// Returns the pane in the middle of the screen.
    #[must_use]
    pub fn pane(&self) -> &Pane {
        self.room().map_or(&self.lobby, |room| &room.pane)
    }

    /// Returns all commands with their explanations.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let added: &'static [Extension] = self.extensions;
        COMMANDS.iter().chain(added.iter().flat_map(|extension| extension.rows)).copied()
    }

    /// Returns the record of the connection.
    #[must_use]
    pub const fn inspector(&self) -> &Inspector {
        &self.inspector
    }

    /// Returns the user's time zone.
    #[must_use]
    pub const fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// Returns the current date in the user's time zone.
    #[must_use]
    pub fn today(&self) -> jiff::civil::Date {
        Stamp::of(self.time(), &self.zone).day
    }

    /// Returns the user's name; `None` before the first connection.
    #[must_use]
    pub fn nick(&self) -> Option<&Line> {
        self.user.as_ref().map(|_| &self.me)
    }

    /// Returns the user's name as it is shown.
    #[must_use]
    pub const fn me(&self) -> &Line {
        &self.me
    }

    /// Returns the number of messages that wait to be sent, in all rooms.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.rooms.iter().map(Room::queued).sum()
    }

    /// Returns the time at which the next [`super::Input::Tick`] is needed: for a countdown, for the end of a
    /// member's typing, for the signal that the user stopped typing, or for the changes that are shown some time after a lost
    /// connection. `None` if no timer is needed.
    #[must_use]
    pub fn next_tick(&self) -> Option<Duration> {
        let typing = self.room().and_then(Room::typing_expires);
        let idle = self.rooms.iter().filter_map(Room::idle_at).min();
        let absent = self.rooms.iter().filter_map(|room| room.absence.as_ref()?.until()).min();
        let missed = self.missed.as_ref().map(MissedMessages::until);
        [self.link.next_change(self.now.mono), typing, idle, absent, missed].into_iter().flatten().min()
    }

    /// Sets the most memory of the messages of all rooms.
    pub fn set_held_bytes(&mut self, bytes: HeldBytes) {
        self.held_bytes = bytes;
        for room in &mut self.rooms {
            room.pane.timeline.set_bound(bytes);
        }
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

    /// Returns the current time by the clock of the server, or by the local clock before the first pong.
    pub(super) fn time(&self) -> Timestamp {
        let wall = i64::try_from(self.now.wall.millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(u64::try_from(wall.saturating_add(self.clock_offset)).unwrap_or(0))
    }

    pub(super) fn show_hint(&mut self, hint: &str) {
        self.hint = Some(sanitize::line(hint));
    }

    /// Adds a note to a room, or to the pane that is shown.
    pub(super) fn note(&mut self, room: Option<usize>, tone: Tone, text: Block) {
        let ts = self.time();
        let pane = match room.and_then(|index| self.rooms.get_mut(index)) {
            Some(room) => &mut room.pane,
            None => self.pane_mut(),
        };
        pane.timeline.add_note(ts, tone, text);
    }

    /// Creates a message id: a ULID.
    pub(super) fn message_id(&mut self) -> ClientMsgId {
        let random = self.random.u128(..);
        let id = EntryId::from_parts(self.now.wall, random).to_string();
        ClientMsgId::new(&id).expect("a ULID has 26 characters")
    }

    /// Joins a room, and adds it to the list if needed. Returns `None` if the user is in it or joins it already.
    pub(super) fn join(&mut self, name: &RoomName) -> Option<Effect> {
        if self.index_of(name).is_some_and(|index| self.rooms[index].membership != Membership::Outside) {
            return None;
        }
        let index = self.index_of(name).unwrap_or_else(|| {
            self.panes += 1;
            let reading = Reading::since(self.kept.remove(name));
            let mut room = Room::new(name.clone(), self.panes, reading);
            room.pane.timeline.set_bound(self.held_bytes);
            self.rooms.push(room);
            self.rooms.len() - 1
        });
        self.rooms[index].membership = Membership::Joining;
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
        self.rooms[index].open();
        effects
    }

    /// Handles the timers that are due.
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
