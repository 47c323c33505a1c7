//! Any interleaving of sends, answers, refusals, lost connections and time, against a server that is a log for each
//! room and remembers ids: every message is reported stored or refused once, the logs have each stored message once
//! and in the order in which it was sent, and what the client saw of a room is a run of its log.

use std::collections::{BTreeMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::*;

const ROOMS: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
enum Step {
    /// The user sends a message to a room.
    Send(usize),
    /// The server takes the next frame and answers it so.
    Answer(Answer),
    /// The server takes so many frames, its answers are lost, and so is the connection.
    Lose(usize),
    Pass(u64),
}

/// How a post is answered, unless its id is known.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Ack,
    CopyThenAck,
    RateLimited,
    /// Said to be not known to be stored, and it is.
    UnavailableStored,
    Unavailable,
    Forbidden,
    /// Stored, and never answered.
    Nothing,
}

fn step() -> impl Strategy<Value = Step> {
    use Answer::{Ack, CopyThenAck, Forbidden, Nothing, RateLimited, Unavailable, UnavailableStored};
    let answers = [Ack, CopyThenAck, RateLimited, UnavailableStored, Unavailable, Forbidden, Nothing];
    let answer =
        prop_oneof![3 => Just(Ack), 2 => Just(CopyThenAck), 3 => prop::sample::select(answers.to_vec())];
    prop_oneof![
        4 => (0..ROOMS.len()).prop_map(Step::Send),
        6 => answer.prop_map(Step::Answer),
        1 => (0..3_usize).prop_map(Step::Lose),
        2 => (1..20_000_u64).prop_map(Step::Pass),
    ]
}

struct World {
    bench: Bench,
    /// The ids of each room's entries: seq = index + 1.
    logs: BTreeMap<String, Vec<String>>,
    /// What the connection carries to the server.
    inbox: VecDeque<ClientFrame>,
    members: HashSet<String>,
    connected: bool,
    drops: usize,
    sent: Vec<(String, String)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut bench = Bench::with_seed(seed);
        for room in ROOMS {
            bench.command(Command::Join { room: name(room), since: None });
        }
        Self {
            bench,
            logs: ROOMS.iter().map(|room| ((*room).to_owned(), Vec::new())).collect(),
            inbox: VecDeque::new(),
            members: HashSet::new(),
            connected: false,
            drops: 0,
            sent: Vec::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send(room) => {
                let id = format!("m{}", self.sent.len());
                self.sent.push((ROOMS[*room].to_owned(), id.clone()));
                self.bench.send(ROOMS[*room], &id);
            }
            Step::Answer(answer) => self.take(*answer, true),
            Step::Lose(taken) if self.connected => {
                for _ in 0..*taken {
                    self.take(Answer::Ack, false);
                }
                self.bench.closed(1006);
                self.disconnected();
            }
            Step::Lose(_) => {}
            Step::Pass(millis) => self.bench.pass(Duration::from_millis(*millis)),
        }
        self.catch_up();
    }

    /// Sees what the session did: said something, gave a connection up, or wants one.
    fn catch_up(&mut self) {
        if self.bench.drops > self.drops {
            // What was written before went down with its connection.
            self.bench.written.clear();
            self.disconnected();
        }
        if !self.connected && matches!(self.bench.state(), ConnectionState::Connecting { .. }) {
            self.bench.welcome(20);
            self.connected = true;
        }
        let written = self.bench.written.drain(..);
        if self.connected {
            self.inbox.extend(written);
        }
    }

    fn disconnected(&mut self) {
        self.drops = self.bench.drops;
        self.connected = false;
        self.inbox.clear();
        self.members.clear();
    }

    /// The server takes the next frame. Where `heard` is false, the client hears nothing of it.
    fn take(&mut self, answer: Answer, heard: bool) {
        self.catch_up();
        let Some(ClientFrame { event, reference }) = self.inbox.pop_front() else { return };
        match event {
            ClientEvent::Ping(ping) if heard => {
                let nonce = ping.nonce.expect("a nonce");
                self.bench.hears(&format!(r#"{{"type":"pong","ts":1,"nonce":"{nonce}"}}"#));
            }
            ClientEvent::JoinRoom { room, since } if heard => {
                let newest = self.logs[room.as_str()].len() as u64;
                let since = since.map(|since| since.seq().get());
                let recovery = since.map(|since| ("complete", newest - since));
                let reference = reference.expect("a ref");
                self.bench.joined_as(room.as_str(), &position(EPOCH, newest), recovery, reference.as_str());
                for seq in since.unwrap_or(newest)..newest {
                    self.show(room.as_str(), seq + 1);
                }
                self.members.insert(room.to_string());
            }
            ClientEvent::Message(post) => {
                self.post(post.room.as_str(), post.client_msg_id.expect("an id").as_str(), answer, heard);
            }
            _ => {}
        }
    }

    fn post(&mut self, room: &str, id: &str, answer: Answer, heard: bool) {
        let log = self.logs.get_mut(room).expect("a room");
        let known = log.iter().position(|entry| entry == id);
        let answer = if known.is_some() { Answer::Ack } else { answer };
        let stores = !matches!(answer, Answer::RateLimited | Answer::Unavailable | Answer::Forbidden);
        if stores && known.is_none() {
            log.push(id.to_owned());
        }
        let seq = known.map_or(log.len(), |index| index + 1) as u64;
        if !heard {
            return;
        }
        let shown = stores && known.is_none() && self.members.contains(room);
        let first = matches!(answer, Answer::CopyThenAck);
        if shown && first {
            self.show(room, seq);
        }
        match answer {
            Answer::Ack | Answer::CopyThenAck => self.bench.ack(room, id, seq),
            Answer::RateLimited => self.refuse(room, id, "rate_limited", r#","retry_after_ms":700"#),
            Answer::Unavailable | Answer::UnavailableStored => self.refuse(room, id, "unavailable", ""),
            Answer::Forbidden => self.refuse(room, id, "forbidden", ""),
            Answer::Nothing => {}
        }
        if shown && !first {
            self.show(room, seq);
        }
    }

    fn refuse(&mut self, room: &str, id: &str, code: &str, more: &str) {
        let more = format!(r#","room":"{room}","client_msg_id":"{id}"{more}"#);
        self.bench.error(code, code != "forbidden", &more);
    }

    fn show(&mut self, room: &str, seq: u64) {
        let index = usize::try_from(seq - 1).expect("small");
        let id = self.logs[room][index].clone();
        self.bench.message(room, seq, "me", Some(&id));
    }

    /// How each message ended, each time that it was told.
    fn ends(&self, id: &str) -> Vec<String> {
        let is_end = |state: &String| state.starts_with("stored") || state.starts_with("refused");
        self.bench.states(id).into_iter().filter(is_end).collect()
    }

    /// From now on the server takes everything, until every message has ended.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.catch_up();
            while !self.inbox.is_empty() {
                self.take(Answer::CopyThenAck, true);
            }
            if self.sent.iter().all(|(_, id)| !self.ends(id).is_empty()) {
                return;
            }
            self.bench.pass(seconds(5));
        }
        panic!(
            "messages never end: {:?}",
            self.sent.iter().map(|(_, id)| self.bench.states(id)).collect::<Vec<_>>()
        );
    }

    /// Entries of a room that the client was told, from the last reset on.
    fn seen(&self, room: &str) -> Vec<u64> {
        let mut seen = Vec::new();
        for event in &self.bench.events {
            match event {
                Event::Joined {
                    room: joined,
                    recovery: Some(realtime_shared::Recovery::Reset { .. }),
                    ..
                } if joined.as_str() == room => {
                    seen.clear();
                }
                Event::Message { message, .. } if message.room.as_str() == room => {
                    seen.push(message.seq.get());
                }
                _ => {}
            }
        }
        seen
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_ends_once_and_logs_keep_the_order(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(seed);
        for step in &steps {
            world.step(step);
        }
        world.settle();
        for room in ROOMS {
            let log = &world.logs[room];
            let mut stored = Vec::new();
            for (_, id) in world.sent.iter().filter(|(to, _)| to == room) {
                let ends = world.ends(id);
                prop_assert_eq!(ends.len(), 1, "{} ended as {:?}", id, ends);
                if let Some(seq) = ends[0].strip_prefix("stored ") {
                    let place = log.iter().position(|entry| entry == id).map(|index| (index + 1).to_string());
                    prop_assert_eq!(place.as_deref(), Some(seq));
                    stored.push(id.clone());
                }
            }
            prop_assert_eq!(log, &stored, "each once, in the order sent");
            let seen = world.seen(room);
            let first = seen.first().copied().unwrap_or_default();
            let run: Vec<_> = (first..).take(seen.len()).collect();
            prop_assert_eq!(&seen, &run, "a run of the log");
        }
    }
}
