//! A small vocabulary for tests: a client, what it is told, what it is asked to do.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::tz::TimeZone;
use realtime_shared::{
    ClientMsgId, EntryId, Epoch, History, LeaveReason, Left, Limits, Message, Recovery, RoomName, Seq,
    ServerEvent, SystemEvent, Text, Timestamp, Typing, UserId,
};

use super::{Effect, Input, Model, Msg, Now, update};
use crate::net::{Command, ConnectionState, Disconnect, Event, SendState};

/// 2026-11-22T20:18:00Z.
const START: u64 = 1_795_378_680_000;

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a room's name")
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::new(name).expect("a user's id")
}

/// A client whose network and keyboard are the test.
pub(crate) struct Client {
    pub(crate) model: Model,
    now: Now,
    seqs: std::collections::HashMap<String, u64>,
}

impl Client {
    /// In these rooms, nothing connected yet.
    pub(crate) fn offline(rooms: &[&str]) -> Self {
        let rooms: Vec<_> = rooms.iter().map(|name| room(name)).collect();
        let now = Now { mono: Duration::from_secs(1), wall: Timestamp::from_millis(START) };
        let (model, effects) = Model::new(&rooms, TimeZone::UTC, 7, now);
        let joins: Vec<_> = rooms.into_iter().map(|room| Effect::Net(Command::Join(room))).collect();
        assert_eq!(effects, joins);
        Self { model, now, seqs: std::collections::HashMap::new() }
    }

    /// Connected as `you`, in these rooms with `alice`, `bob` and `carol`, with their (empty) history.
    pub(crate) fn online(rooms: &[&str]) -> Self {
        let mut client = Self::offline(rooms);
        client.connect();
        for name in rooms {
            client.joined(name, None, None);
            client.history(name, &[], false);
        }
        client
    }

    pub(crate) fn connect(&mut self) {
        let limits = Limits { text_chars: 4_000, frame_bytes: 65_536, rooms: 128, messages_per_second: 50 };
        let state = ConnectionState::Connected { user_id: user("you"), online_count: 4, limits };
        self.net(Event::State(state));
    }

    pub(crate) fn lose(&mut self, retry_in: Duration) {
        let reason = Disconnect::Closed { code: realtime_shared::CloseCode::Lost };
        self.net(Event::State(ConnectionState::Waiting { reason, retry_in, attempt: 1 }));
    }

    pub(crate) fn joined(
        &mut self,
        name: &str,
        recovery: Option<Recovery>,
        offline: Option<Duration>,
    ) -> Vec<Effect> {
        let members = ["alice", "bob", "carol", "you"].map(user).to_vec();
        self.net(Event::Joined { room: room(name), members, member_count: 4, recovery, offline })
    }

    pub(crate) fn input(&mut self, input: Input) -> Vec<Effect> {
        update(&mut self.model, Msg { now: self.now, input })
    }

    pub(crate) fn net(&mut self, event: Event) -> Vec<Effect> {
        self.input(Input::Net(event))
    }

    pub(crate) fn server(&mut self, event: ServerEvent) -> Vec<Effect> {
        self.net(Event::Server(event))
    }

    /// Lets that much time pass, and tells.
    pub(crate) fn pass(&mut self, millis: u64) -> Vec<Effect> {
        self.now.mono += Duration::from_millis(millis);
        self.now.wall = Timestamp::from_millis(self.now.wall.millis() + millis);
        self.input(Input::Tick)
    }

    pub(crate) fn mono(&self) -> Duration {
        self.now.mono
    }

    pub(crate) fn message(&self, name: &str, from: &str, text: &str, seq: u64) -> Message {
        Message {
            room: room(name),
            from: user(from),
            text: Text::new(text).expect("a text"),
            epoch: Epoch::new("e"),
            seq: Seq::new(seq),
            id: EntryId::from_u128(seq.into()),
            ts: self.now.wall,
            client_msg_id: None,
        }
    }

    fn next_seq(&mut self, name: &str) -> u64 {
        let seq = self.seqs.entry(name.to_owned()).or_insert(0);
        *seq += 1;
        *seq
    }

    /// Somebody says something.
    pub(crate) fn says(&mut self, name: &str, from: &str, text: &str) {
        let seq = self.next_seq(name);
        let message = self.message(name, from, text, seq);
        self.net(Event::Message { message, replayed: false });
    }

    /// The log has so many entries that the client does not see.
    pub(crate) fn skip(&mut self, name: &str, count: u64) {
        *self.seqs.entry(name.to_owned()).or_insert(0) += count;
    }

    pub(crate) fn history(&mut self, name: &str, messages: &[Message], has_more: bool) {
        let messages = messages.iter().cloned().map(ServerEvent::Message).collect();
        let epoch = Epoch::new("e");
        self.server(ServerEvent::History(History { room: room(name), epoch, messages, has_more }));
    }

    pub(crate) fn types(&mut self, name: &str, who: &str, is_typing: bool) {
        let event = Typing { room: room(name), user_id: user(who), is_typing };
        self.server(ServerEvent::Typing(event));
    }

    pub(crate) fn comes(&mut self, name: &str, who: &str) {
        self.server(ServerEvent::System(SystemEvent::Joined(realtime_shared::Joined {
            message: String::new(),
            room: room(name),
            user_id: user(who),
            members: Vec::new(),
            member_count: 5,
            position: None,
            recovery: None,
        })));
    }

    pub(crate) fn goes(&mut self, name: &str, who: &str) {
        self.server(ServerEvent::System(SystemEvent::Left(Left {
            message: String::new(),
            room: room(name),
            user_id: user(who),
            member_count: 3,
            reason: LeaveReason::Left,
        })));
    }

    pub(crate) fn state(&mut self, id: &ClientMsgId, state: SendState) {
        self.net(Event::Sent { client_msg_id: id.clone(), state });
    }

    /// The copy of a message of ours comes back.
    pub(crate) fn comes_back(&mut self, name: &str, id: &ClientMsgId, text: &str) {
        let seq = self.next_seq(name);
        let mut message = self.message(name, "you", text, seq);
        message.client_msg_id = Some(id.clone());
        self.net(Event::Message { message, replayed: false });
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

    /// Sends a text; its identity.
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

/// The text that is sent, and its identity.
pub(crate) fn sent(effects: &[Effect]) -> Option<(String, ClientMsgId)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Net(Command::Send { text, client_msg_id, .. }) => {
            Some((text.as_str().to_owned(), client_msg_id.clone()))
        }
        _ => None,
    })
}
