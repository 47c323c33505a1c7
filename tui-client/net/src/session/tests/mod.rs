//! Tests of the session with a scripted server and a manual clock.

mod connection;
mod folding;
mod health;
mod inbox;
mod kinds;
mod markers;
mod model;
mod requests;
mod rooms;
mod sending;
mod token;

use std::time::{Duration, Instant};

use realtime_shared::{ClientEvent, ClientFrame, ClientMsgId, CloseCode, RoomName, Text, codec};

use super::{Output, Session};
use crate::command::Command;
use crate::config::Timing;
use crate::entry::Entry;
use crate::event::{ConnectionState, Disconnect, Event, SendState};

const EPOCH: &str = "e1";

/// A session, the time, and the outputs of the session so far.
struct Bench {
    session: Session,
    start: Instant,
    now: Instant,
    written: Vec<ClientFrame>,
    events: Vec<Event>,
    connects: usize,
    drops: usize,
    asked_for_token: usize,
    accepted_tokens: usize,
    refused_tokens: usize,
    ended: bool,
}

impl Bench {
    fn new() -> Self {
        Self::with_seed(7)
    }

    fn with_seed(seed: u64) -> Self {
        let now = Instant::now();
        let mut bench = Self {
            session: Session::new(Timing::default(), fastrand::Rng::with_seed(seed), now),
            start: now,
            now,
            written: Vec::new(),
            events: Vec::new(),
            connects: 0,
            drops: 0,
            asked_for_token: 0,
            accepted_tokens: 0,
            refused_tokens: 0,
            ended: false,
        };
        bench.drain();
        bench
    }

    /// A session that is connected as `me` and is in a room whose log has `head` entries, without outputs.
    fn in_room(room: &str, head: u64) -> Self {
        let mut bench = Self::new();
        bench.welcome(0);
        bench.join(room);
        bench.joined(room, head, None);
        bench.clear_outputs();
        bench
    }

    fn drain(&mut self) {
        while let Some(output) = self.session.poll() {
            match output {
                Output::Connect => self.connects += 1,
                Output::Drop => self.drops += 1,
                Output::Write(frame) => self.written.push(frame),
                Output::AskToken | Output::RenewToken | Output::CheckToken => self.asked_for_token += 1,
                Output::TokenAccepted => self.accepted_tokens += 1,
                Output::TokenRefused => self.refused_tokens += 1,
                Output::Event(event) => self.events.push(event),
                Output::End => self.ended = true,
            }
        }
    }

    fn clear_outputs(&mut self) {
        self.written.clear();
        self.events.clear();
    }

    fn command(&mut self, command: Command) {
        self.session.command(command, self.now);
        self.drain();
    }

    /// Joins a room without `since`.
    fn join(&mut self, room: &str) {
        self.command(Command::Join { room: name(room), since: None });
    }

    #[track_caller]
    fn receives(&mut self, json: &str) {
        self.session.frame(codec::decode_server(json).expect("a frame"), self.now);
        self.drain();
    }

    fn welcome(&mut self, messages_per_second: u32) {
        self.welcome_with(messages_per_second, "");
    }

    /// Receives a welcome with more fields.
    fn welcome_with(&mut self, messages_per_second: u32, more: &str) {
        self.receives(&format!(
            r#"{{"type":"system","event":"welcome","message":"Connected successfully","user_id":"me",
            "online_count":1,"expires_at":1,"limits":{{"text_chars":4000,"frame_bytes":65536,"rooms":128,
            "messages_per_second":{messages_per_second}}}{more}}}"#
        ));
    }

    /// Answers the last join of a room whose log has `head` entries.
    #[track_caller]
    fn joined(&mut self, room: &str, head: u64, recovery: Option<(&str, u64)>) {
        let reference = self.joins().last().expect("a join").2.clone();
        self.joined_as(room, &position(EPOCH, head), recovery, &reference);
    }

    #[track_caller]
    fn joined_as(&mut self, room: &str, position: &str, recovery: Option<(&str, u64)>, reference: &str) {
        let recovery = recovery.map_or(String::new(), |(status, replayed)| {
            format!(r#","recovery":{{"status":"{status}","replayed":{replayed}}}"#)
        });
        self.receives(&format!(
            r#"{{"type":"system","event":"joined","message":"me joined","room":"{room}","user_id":"me",
            "members":["me"],"member_count":1,"position":{position}{recovery},"ref":"{reference}"}}"#
        ));
    }

    fn entry(&mut self, room: &str, seq: u64) {
        self.message(room, seq, "bob", None);
    }

    /// Receives an entry of an unknown kind.
    fn sticker(&mut self, room: &str, seq: u64) {
        let epoch = if seq == 1 { format!(r#","epoch":"{EPOCH}""#) } else { String::new() };
        self.receives(&format!(
            r#"{{"type":"x-sticker","room":"{room}","seq":{seq},"id":"{}"{epoch},"sticker":"crab"}}"#,
            ulid(seq)
        ));
    }

    fn message(&mut self, room: &str, seq: u64, from: &str, id: Option<&str>) {
        let id = id.map_or(String::new(), |id| format!(r#","client_msg_id":"{id}""#));
        let epoch = if seq == 1 { format!(r#","epoch":"{EPOCH}""#) } else { String::new() };
        self.receives(&format!(
            r#"{{"type":"message","room":"{room}","from":"{from}","text":"hi","seq":{seq},"id":"{}","ts":1{id}{epoch}}}"#,
            ulid(seq)
        ));
    }

    fn ack(&mut self, room: &str, id: &str, seq: u64) {
        self.receives(&format!(
            r#"{{"type":"ack","room":"{room}","client_msg_id":"{id}","epoch":"{EPOCH}","seq":{seq},"id":"{}",
            "ts":1,"duplicate":false}}"#,
            ulid(seq)
        ));
    }

    fn error(&mut self, code: &str, temporary: bool, more: &str) {
        self.receives(&format!(
            r#"{{"type":"error","code":"{code}","message":"no: {code}","temporary":{temporary}{more}}}"#
        ));
    }

    fn refuse(&mut self, id: &str, code: &str, temporary: bool) {
        self.error(code, temporary, &format!(r#","room":"a","client_msg_id":"{id}""#));
    }

    fn send(&mut self, room: &str, id: &str) {
        self.command(Command::Send {
            room: name(room),
            text: Text::new("hi").expect("a text"),
            client_msg_id: msg(id),
        });
    }

    fn lost(&mut self, reason: Disconnect) {
        self.session.lost(reason, None, self.now);
        self.drain();
    }

    fn closed(&mut self, code: u16) {
        self.lost(Disconnect::Closed { code: CloseCode::from_u16(code) });
    }

    /// Lets time pass, and ticks the session at each of its deadlines.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.session.deadline(self.now).filter(|deadline| *deadline <= until) {
            self.now = self.now.max(deadline);
            self.session.tick(self.now);
            self.drain();
            assert_ne!(self.session.deadline(self.now), Some(deadline), "a tick removes its deadline");
        }
        self.now = until;
    }

    /// Lets time pass with a sign of life every second.
    fn pass_active(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until {
            self.pass(seconds(1));
            self.session.record_activity(self.now);
        }
    }

    /// Lets the wait pass, and connects again.
    #[track_caller]
    fn reconnected(&mut self) {
        let connects = self.connects;
        let ConnectionState::Waiting { retry_in, .. } = self.state() else {
            panic!("not waiting: {:?}", self.state());
        };
        self.pass(*retry_in);
        assert_eq!(self.connects, connects + 1);
        self.welcome(0);
    }

    /// Room, `since` and `ref` of each sent join.
    fn joins(&self) -> Vec<(String, Option<String>, String)> {
        let joins = self.written.iter().filter_map(|frame| match &frame.event {
            ClientEvent::JoinRoom { room, since } => Some((
                room.to_string(),
                since.as_ref().map(|since| serde_json::to_string(since).expect("JSON")),
                frame.reference.as_ref().expect("a ref").to_string(),
            )),
            _ => None,
        });
        joins.collect()
    }

    /// The `since` of the last join.
    #[track_caller]
    fn since(&self) -> Option<String> {
        self.joins().last().expect("a join").1.clone()
    }

    /// Ids of the sent messages.
    fn posts(&self) -> Vec<String> {
        let posts = self.written.iter().filter_map(|frame| match &frame.event {
            ClientEvent::Post(post) => Some(post.client_msg_id.as_ref()?.to_string()),
            _ => None,
        });
        posts.collect()
    }

    /// The reported states of a message, as texts.
    fn states(&self, id: &str) -> Vec<String> {
        let states = self.events.iter().filter_map(|event| match event {
            Event::Sent { client_msg_id, state } if client_msg_id.as_str() == id => Some(match state {
                SendState::Queued => "queued".to_owned(),
                SendState::Sent => "sent".to_owned(),
                SendState::Stored(seq) => format!("stored {seq}"),
                SendState::Refused(why) => format!("refused: {why}"),
                SendState::PutOff(why) => format!("put off: {why}"),
                SendState::TakenBack { was_sent } => format!("taken back, sent: {was_sent}"),
            }),
            _ => None,
        });
        states.collect()
    }

    /// The last state of the connection.
    #[track_caller]
    fn state(&self) -> &ConnectionState {
        let mut states = self.events.iter().rev();
        states
            .find_map(|event| if let Event::State(state) = event { Some(state) } else { None })
            .expect("one")
    }

    /// Position of each reported entry of an unknown kind; true if it is replayed.
    fn unknown_entries(&self) -> Vec<(String, bool)> {
        let entries = self.events.iter().filter_map(|event| match event {
            Event::Entry { entry: Entry::Unknown(_), position, replayed } => {
                Some((serde_json::to_string(position).expect("JSON"), *replayed))
            }
            _ => None,
        });
        entries.collect()
    }

    /// Seq of each reported message; true if it is replayed.
    fn messages(&self) -> Vec<(u64, bool)> {
        let entries = self.events.iter().filter_map(|event| match event {
            Event::Entry { entry: Entry::Message(message), replayed, .. } => {
                Some((message.seq.get(), *replayed))
            }
            _ => None,
        });
        entries.collect()
    }
}

fn name(room: &str) -> RoomName {
    RoomName::new(room).expect("a name")
}

fn msg(id: &str) -> ClientMsgId {
    ClientMsgId::new(id).expect("an id")
}

fn ulid(seq: u64) -> String {
    realtime_shared::EntryId::from_u128(seq.into()).to_string()
}

fn position(epoch: &str, seq: u64) -> String {
    if seq == 0 {
        return r#"{"epoch":null,"seq":0,"id":null}"#.to_owned();
    }
    format!(r#"{{"epoch":"{epoch}","seq":{seq},"id":"{}"}}"#, ulid(seq))
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
