//! A client for tests: helpers for events of the server and for keys of the user.

use std::collections::HashMap;
use std::time::Duration;

use crate::terminal_input::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use realtime_shared::{
    ClientMsgId, EntryFields, EntryId, EntryRef, Epoch, Feature, History, HistoryRequest, LeaveReason, Left,
    Limits, Message, Position, Recovery, RoomName, RoomSummary, Rooms, Seq, ServerEvent, SystemEvent, Text,
    Timestamp, Typing, UserId,
};

use super::attention::Sight;
use super::rooms::looking::look;
use super::rooms::room::HistoryPage;
use super::rooms::scrollback::{READING_PAGE, request_history};
use super::{Effect, Extension, Input, Model, Msg, Now, Viewed, update};
use crate::net::{Command, ConnectionState, Disconnect, Entry, Event, SendState};

/// 2026-11-22T20:18:00Z.
pub(crate) const START: u64 = 1_795_378_680_000;

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a room's name")
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user's id")
}

/// The position after the entry with this seq, in the log of the tests.
pub(crate) fn at(seq: u64) -> Position {
    match (Epoch::new("e"), seq) {
        (Some(epoch), 1..) => Position::At { epoch, seq: Seq::new(seq), id: EntryId::from_u128(seq.into()) },
        _ => Position::Start,
    }
}

/// A token with these claims.
pub(crate) fn token(claims: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let encoded = |text: &str| -> String {
        let digits = text.as_bytes().chunks(3).flat_map(|chunk| {
            let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                << (8 * (3 - chunk.len()));
            (0..=chunk.len()).map(move |digit| char::from(DIGITS[(bits >> (18 - 6 * digit) & 63) as usize]))
        });
        digits.collect()
    };
    format!("{}.{}.c2ln", encoded(r#"{"alg":"HS256"}"#), encoded(claims))
}

fn join(room: &RoomName, since: Option<&Position>) -> Effect {
    Effect::Net(Command::Join { room: room.clone(), since: since.cloned() })
}

/// An entry of an unknown kind.
pub(crate) fn unknown_entry(name: &str, seq: u64) -> ServerEvent {
    ServerEvent::Unknown { entry: Some(unknown_entry_ref(name, seq)) }
}

fn unknown_entry_ref(name: &str, seq: u64) -> EntryRef {
    let id = EntryId::from_u128(seq.into());
    EntryRef { room: room(name), seq: Seq::new(seq), id, epoch: None, kind: None }
}

/// A command added by a program.
pub(crate) const EXTENSIONS: &[Extension] = &[Extension {
    name: "fault",
    rows: &[("/fault now [TEXT]", "break it now"), ("/fault later", "break it later")],
    check: |argument| match argument {
        "" => Err("/fault what?".to_owned()),
        _ => Ok(format!("fault: {argument}")),
    },
}];

/// A client whose connection and keyboard are the test.
pub(crate) struct Client {
    pub(crate) model: Model,
    pub(crate) now: Now,
    /// Each input is followed by a frame at the end of the timeline, which the user sees.
    pub(crate) draws: bool,
    seqs: HashMap<String, u64>,
}

impl Client {
    /// Creates a client in these rooms, without a connection.
    pub(crate) fn offline(rooms: &[&str]) -> Self {
        Self::returning(rooms, &[])
    }

    /// Creates a client in these rooms, without a connection. `kept` has the last seqs that an earlier run read.
    pub(crate) fn returning(rooms: &[&str], kept: &[(&str, u64)]) -> Self {
        let kept: HashMap<_, _> = kept.iter().map(|(name, seq)| (room(name), at(*seq))).collect();
        let rooms: Vec<_> = rooms.iter().map(|name| room(name)).collect();
        let now = Now { mono: Duration::from_secs(1), wall: Timestamp::from_millis(START) };
        let (model, effects) = Model::new(&rooms, kept.clone(), TimeZone::UTC, 7, now);
        let joins: Vec<_> = rooms.iter().map(|room| join(room, kept.get(room))).collect();
        assert_eq!(effects, joins);
        Self { model, now, draws: true, seqs: HashMap::new() }
    }

    /// Creates a client that is connected as `you`, in these rooms with `alice`, `bob` and `carol`, with empty
    /// history.
    pub(crate) fn online(rooms: &[&str]) -> Self {
        let mut client = Self::offline(rooms);
        client.connect();
        for name in rooms {
            client.joined(name, None, None);
            client.request_page(name);
            client.history(name, &[], false);
        }
        client
    }

    /// Requests the first page of a room, as if it had been shown.
    fn request_page(&mut self, name: &str) {
        let index = self.model.index_of(&room(name)).expect("a room");
        let room = &mut self.model.rooms[index];
        room.wanted_page = None;
        request_history(room, HistoryPage::Newest, READING_PAGE);
    }

    /// Fails the request for history that a room waits for.
    pub(crate) fn page_fails(&mut self, name: &str, reason: &str) {
        let request = Command::History(HistoryRequest::before(room(name), None, READING_PAGE));
        self.net(Event::RequestFailed { request, reason: reason.to_owned() });
    }

    pub(crate) fn connect(&mut self) {
        self.connect_with(Vec::new());
    }

    /// Connects to a server with these features.
    pub(crate) fn connect_with(&mut self, features: Vec<Feature>) {
        let limits = Limits { text_chars: 4_000, frame_bytes: 65_536, rooms: 128, messages_per_second: 50 };
        let state = ConnectionState::Connected { user_id: user("you"), online_count: 4, limits, features };
        self.net(Event::State(state));
    }

    /// Creates a client in the room `hall` of 5,000 members, of whom it knows `alice`, `alex` and itself.
    pub(crate) fn in_hall() -> Self {
        let mut client = Self::online(&["chat", "hall"]);
        client.lose_connection(Duration::from_secs(1));
        client.connect_with(vec![Feature::MemberPrefix]);
        client.joined("chat", None, None);
        client.joined_hall();
        client.model.show(1);
        client
    }

    fn joined_hall(&mut self) {
        let (room, members) = (room("hall"), ["alex", "alice", "you"].map(user).to_vec());
        let (head, recovery, offline, read_seq) = (Some(at(0)), None, None, None);
        let member_count = 5_000;
        self.net(Event::Joined { room, members, member_count, head, recovery, offline, read_seq });
    }

    /// Delivers the members of `hall` that the server has found by this prefix.
    pub(crate) fn found(&mut self, prefix: &str, members: &[&str], has_more: bool) -> Vec<Effect> {
        let (prefix, members) = (prefix.to_owned(), members.iter().copied().map(user).collect());
        self.net(Event::MembersFound { room: room("hall"), prefix, members, has_more })
    }

    pub(crate) fn lose_connection(&mut self, retry_in: Duration) {
        let reason = Disconnect::Closed { code: realtime_shared::CloseCode::Lost };
        self.net(Event::State(ConnectionState::Waiting { reason, retry_in, attempt: 1 }));
    }

    pub(crate) fn joined(
        &mut self,
        name: &str,
        recovery: Option<Recovery>,
        offline: Option<Duration>,
    ) -> Vec<Effect> {
        let replayed = recovery.map_or(0, Recovery::replayed);
        self.joined_at(name, self.seqs.get(name).copied().unwrap_or(0) + replayed, recovery, offline)
    }

    /// Completes a join, with `head` entries in the log.
    pub(crate) fn joined_at(
        &mut self,
        name: &str,
        head: u64,
        recovery: Option<Recovery>,
        offline: Option<Duration>,
    ) -> Vec<Effect> {
        let members = ["alice", "bob", "carol", "you"].map(user).to_vec();
        let head = Some(at(head));
        self.net(Event::Joined {
            room: room(name),
            members,
            member_count: 4,
            head,
            recovery,
            offline,
            read_seq: None,
        })
    }

    /// Delivers a pong of a server whose clock is that of the client.
    pub(crate) fn round_trip(&mut self, time: Duration) {
        let half = u64::try_from(time.as_millis() / 2).expect("short");
        let server_time = Timestamp::from_millis(self.now.wall.millis() - half);
        self.net(Event::RoundTrip { time, server_time });
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        let mut effects = update(&mut self.model, Msg { now: self.now, input });
        if self.draws {
            effects.extend(self.draw());
        }
        effects
    }

    /// Draws the end of the timeline, if it was not drawn since the room was shown, and returns the effects.
    fn draw(&mut self) -> Option<Effect> {
        let room = self.model.room_mut().filter(|room| room.sight == Sight::Unknown)?;
        room.sight = Sight::End;
        look(&mut self.model);
        let room = self.model.room_mut()?;
        Some(Effect::Keep(room.name.clone(), room.reading.take_mark()?))
    }

    pub(crate) fn net(&mut self, event: Event) -> Vec<Effect> {
        self.input(Input::Net(event))
    }

    pub(crate) fn server(&mut self, event: ServerEvent) -> Vec<Effect> {
        self.net(Event::Server(event))
    }

    /// Advances the clock and sends a tick.
    pub(crate) fn pass(&mut self, millis: u64) -> Vec<Effect> {
        self.now.mono += Duration::from_millis(millis);
        self.now.wall = Timestamp::from_millis(self.now.wall.millis() + millis);
        self.input(Input::Tick)
    }

    pub(crate) fn mono(&self) -> Duration {
        self.now.mono
    }

    /// Delivers a message, live or replayed.
    pub(crate) fn deliver(&mut self, message: Message, replayed: bool) -> Vec<Effect> {
        let position =
            message.epoch.clone().map(|epoch| Position::At { epoch, seq: message.seq, id: message.id });
        self.net(Event::Entry { entry: Entry::Message(message), position, replayed })
    }

    /// Delivers the log's next entry, which has an unknown kind.
    pub(crate) fn next_unknown(&mut self, name: &str, replayed: bool) -> Vec<Effect> {
        let seq = self.next_seq(name);
        let entry = Entry::Unknown(unknown_entry_ref(name, seq));
        self.net(Event::Entry { entry, position: Some(at(seq)), replayed })
    }

    pub(crate) fn message(&self, name: &str, from: &str, text: &str, seq: u64) -> Message {
        let fields = EntryFields {
            room: room(name),
            from: user(from),
            epoch: Epoch::new("e"),
            seq: Seq::new(seq),
            id: EntryId::from_u128(seq.into()),
            ts: self.now.wall,
            client_msg_id: None,
        };
        Message::new(Text::new(text).expect("a text").into(), fields)
    }

    fn next_seq(&mut self, name: &str) -> u64 {
        let seq = self.seqs.entry(name.to_owned()).or_insert(0);
        *seq += 1;
        *seq
    }

    /// Creates the log's next entry.
    pub(crate) fn next_message(&mut self, name: &str, from: &str, text: &str) -> Message {
        let seq = self.next_seq(name);
        self.message(name, from, text, seq)
    }

    /// Delivers the log's next message and returns the effects.
    pub(crate) fn receive(&mut self, name: &str, from: &str, text: &str) -> Vec<Effect> {
        let message = self.next_message(name, from, text);
        self.deliver(message, false)
    }

    /// Skips seqs: the log has these entries, and the client does not receive them.
    pub(crate) fn skip(&mut self, name: &str, count: u64) {
        *self.seqs.entry(name.to_owned()).or_insert(0) += count;
    }

    pub(crate) fn history(&mut self, name: &str, messages: &[Message], has_more: bool) {
        self.deliver_history(name, messages, has_more);
    }

    /// Delivers a page of history and returns the effects.
    pub(crate) fn deliver_history(
        &mut self,
        name: &str,
        messages: &[Message],
        has_more: bool,
    ) -> Vec<Effect> {
        self.deliver_page(name, messages.iter().cloned().map(ServerEvent::from).collect(), has_more)
    }

    /// Delivers a page of history with entries of any kind and returns the effects.
    pub(crate) fn deliver_page(
        &mut self,
        name: &str,
        messages: Vec<ServerEvent>,
        has_more: bool,
    ) -> Vec<Effect> {
        let epoch = Epoch::new("e");
        let room = room(name);
        self.server(ServerEvent::History(History {
            room,
            epoch,
            messages,
            has_more,
            has_newer: false,
            covers: None,
            settings: None,
        }))
    }

    /// The input for a screen that is full of the items from `first` to `last`.
    pub(crate) fn viewed(&self, first: usize, last: usize) -> Input {
        let key = |index| self.model.pane().timeline.get(index).expect("an item").key();
        let (first, last) = (key(first), key(last));
        let pane = self.model.pane().id;
        Input::Viewed(Viewed { pane, first, last, is_full: true, has_long: false, follows: true })
    }

    pub(crate) fn member_types(&mut self, name: &str, who: &str, is_typing: bool) {
        let event = Typing { room: room(name), user_id: user(who), is_typing };
        self.server(ServerEvent::Typing(event));
    }

    pub(crate) fn member_joins(&mut self, name: &str, who: &str) {
        self.server(ServerEvent::System(SystemEvent::Joined(realtime_shared::Joined {
            message: String::new(),
            room: room(name),
            user_id: user(who),
            members: Vec::new(),
            member_count: 5,
            others: Vec::new(),
            others_count: 0,
            position: None,
            recovery: None,
            read_seq: None,
        })));
    }

    pub(crate) fn member_leaves(&mut self, name: &str, who: &str) {
        self.server(ServerEvent::System(SystemEvent::Left(Left {
            message: String::new(),
            room: room(name),
            user_id: user(who),
            member_count: 3,
            reason: LeaveReason::Left,
            others: Vec::new(),
            others_count: 0,
        })));
    }

    /// Delivers a list of rooms, each with two members.
    pub(crate) fn deliver_rooms(&mut self, names: &[&str], has_more: bool) {
        let summary = |name: &&str| RoomSummary {
            room: room(name),
            member_count: 2,
            position: Position::Start,
            last_ts: None,
            user_id: None,
        };
        let rooms = names.iter().map(summary).collect();
        self.server(ServerEvent::Rooms(Rooms { rooms, has_more }));
    }

    pub(crate) fn state(&mut self, id: &ClientMsgId, state: SendState) {
        self.net(Event::Sent { client_msg_id: id.clone(), state });
    }

    /// Delivers the copy of an own message.
    pub(crate) fn deliver_copy(&mut self, name: &str, id: &ClientMsgId, text: &str) {
        let seq = self.next_seq(name);
        let mut message = self.message(name, "you", text, seq);
        message.client_msg_id = Some(id.clone());
        self.deliver(message, false);
    }

    pub(crate) fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        self.input(Input::Key(KeyEvent::new(code, modifiers)))
    }

    pub(crate) fn press(&mut self, code: KeyCode) -> Vec<Effect> {
        self.key(code, KeyModifiers::NONE)
    }

    pub(crate) fn alt(&mut self, c: char) -> Vec<Effect> {
        self.key(KeyCode::Char(c), KeyModifiers::ALT)
    }

    pub(crate) fn ctrl(&mut self, c: char) -> Vec<Effect> {
        self.key(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    pub(crate) fn write(&mut self, text: &str) -> Vec<Effect> {
        text.chars().flat_map(|c| self.press(KeyCode::Char(c))).collect()
    }

    pub(crate) fn enter(&mut self, text: &str) -> Vec<Effect> {
        self.write(text);
        self.press(KeyCode::Enter)
    }

    /// Sends a text and returns its message id.
    pub(crate) fn send(&mut self, text: &str) -> ClientMsgId {
        let effects = self.enter(text);
        sent(&effects).unwrap_or_else(|| panic!("nothing sent: {effects:?}, {:?}", self.model.hint)).1
    }

    pub(crate) fn draft(&self) -> &str {
        self.model.pane().composer.editor.text()
    }

    pub(crate) fn hint(&self) -> &str {
        self.model.hint.as_ref().map_or("", crate::sanitize::Line::as_str)
    }
}

/// The text and the id of the message that the effects send.
pub(crate) fn sent(effects: &[Effect]) -> Option<(String, ClientMsgId)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Net(Command::Send { text, client_msg_id, .. }) => {
            Some((text.as_str().to_owned(), client_msg_id.clone()))
        }
        _ => None,
    })
}

/// The notifications among the effects, as `title: text`.
pub(crate) fn notified(effects: &[Effect]) -> Vec<String> {
    let notification = |effect: &Effect| match effect {
        Effect::Notify(notification) => Some(format!("{}: {}", notification.title, notification.text)),
        _ => None,
    };
    effects.iter().filter_map(notification).collect()
}
