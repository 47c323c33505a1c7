//! Model-based test of the session against a simulated server, with a log for each room and a memory of ids.
//!
//! For any interleaving of sends, answers, refusals, lost connections and time:
//! - Every message is reported once as stored or refused.
//! - The logs have each stored message once, in the order of sending.
//! - The received entries of a room are a contiguous run of its log.

use std::collections::{BTreeMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::*;

const ROOMS: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
enum Step {
    /// The user sends a message to a room.
    Send(usize),
    /// The server handles the next frame.
    Answer(Answer),
    /// The server handles this number of frames. Then its answers and the connection are lost.
    Lose(usize),
    /// This number of milliseconds passes.
    Pass(u64),
}

/// The server's reaction to a post with a new id.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Ack,
    CopyThenAck,
    RateLimited,
    /// Stored, and answered with `unavailable`.
    UnavailableStored,
    Unavailable,
    Forbidden,
    /// Stored, and not answered.
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

/// The session, the server and the connection between them.
struct Simulation {
    bench: Bench,
    /// Ids of each room's entries; the seq is the index + 1.
    logs: BTreeMap<String, Vec<String>>,
    /// Frames on their way to the server.
    inbox: VecDeque<ClientFrame>,
    members: HashSet<String>,
    connected: bool,
    drops: usize,
    sent: Vec<(String, String)>,
}

impl Simulation {
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
            Step::Answer(answer) => self.handle_frame(*answer, true),
            Step::Lose(taken) if self.connected => {
                for _ in 0..*taken {
                    self.handle_frame(Answer::Ack, false);
                }
                self.bench.closed(1006);
                self.disconnected();
            }
            Step::Lose(_) => {}
            Step::Pass(millis) => self.bench.pass(Duration::from_millis(*millis)),
        }
        self.catch_up();
    }

    /// Applies the session's outputs: a dropped connection, a new one, and sent frames.
    fn catch_up(&mut self) {
        if self.bench.drops > self.drops {
            // The frames before are lost with their connection.
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

    /// The server handles the next frame. If `is_answered` is false, the client receives nothing.
    fn handle_frame(&mut self, answer: Answer, is_answered: bool) {
        self.catch_up();
        let Some(ClientFrame { event, reference }) = self.inbox.pop_front() else { return };
        match event {
            ClientEvent::Ping(ping) if is_answered => {
                let nonce = ping.nonce.expect("a nonce");
                self.bench.receives(&format!(r#"{{"type":"pong","ts":1,"nonce":"{nonce}"}}"#));
            }
            ClientEvent::JoinRoom { room, since } if is_answered => {
                let newest = self.logs[room.as_str()].len() as u64;
                let since = since.map(|since| since.seq().get());
                let recovery = since.map(|since| ("complete", newest - since));
                let reference = reference.expect("a ref");
                self.bench.joined_as(room.as_str(), &position(EPOCH, newest), recovery, reference.as_str());
                for seq in since.unwrap_or(newest)..newest {
                    self.send_entry(room.as_str(), seq + 1);
                }
                self.members.insert(room.to_string());
            }
            ClientEvent::Post(post) => {
                self.post(
                    post.room.as_str(),
                    post.client_msg_id.expect("an id").as_str(),
                    answer,
                    is_answered,
                );
            }
            _ => {}
        }
    }

    fn post(&mut self, room: &str, id: &str, answer: Answer, is_answered: bool) {
        let log = self.logs.get_mut(room).expect("a room");
        let known = log.iter().position(|entry| entry == id);
        let answer = if known.is_some() { Answer::Ack } else { answer };
        let stores = !matches!(answer, Answer::RateLimited | Answer::Unavailable | Answer::Forbidden);
        if stores && known.is_none() {
            log.push(id.to_owned());
        }
        let seq = known.map_or(log.len(), |index| index + 1) as u64;
        if !is_answered {
            return;
        }
        let is_sent = stores && known.is_none() && self.members.contains(room);
        let is_first = matches!(answer, Answer::CopyThenAck);
        if is_sent && is_first {
            self.send_entry(room, seq);
        }
        match answer {
            Answer::Ack | Answer::CopyThenAck => self.bench.ack(room, id, seq),
            Answer::RateLimited => self.refuse(room, id, "rate_limited", r#","retry_after_ms":700"#),
            Answer::Unavailable | Answer::UnavailableStored => self.refuse(room, id, "unavailable", ""),
            Answer::Forbidden => self.refuse(room, id, "forbidden", ""),
            Answer::Nothing => {}
        }
        if is_sent && !is_first {
            self.send_entry(room, seq);
        }
    }

    fn refuse(&mut self, room: &str, id: &str, code: &str, more: &str) {
        let more = format!(r#","room":"{room}","client_msg_id":"{id}"{more}"#);
        self.bench.error(code, code != "forbidden", &more);
    }

    fn send_entry(&mut self, room: &str, seq: u64) {
        let index = usize::try_from(seq - 1).expect("small");
        let id = self.logs[room][index].clone();
        self.bench.message(room, seq, "me", Some(&id));
    }

    /// The final states that the session reported for a message.
    fn final_states(&self, id: &str) -> Vec<String> {
        let is_final = |state: &String| state.starts_with("stored") || state.starts_with("refused");
        self.bench.states(id).into_iter().filter(is_final).collect()
    }

    /// The server accepts everything until every message has a final state.
    fn settle(&mut self) {
        for _ in 0..1_000 {
            self.catch_up();
            while !self.inbox.is_empty() {
                self.handle_frame(Answer::CopyThenAck, true);
            }
            if self.sent.iter().all(|(_, id)| !self.final_states(id).is_empty()) {
                return;
            }
            self.bench.pass(seconds(5));
        }
        panic!(
            "messages without a final state: {:?}",
            self.sent.iter().map(|(_, id)| self.bench.states(id)).collect::<Vec<_>>()
        );
    }

    /// Seqs of a room's messages that the session reported since the last reset.
    fn received(&self, room: &str) -> Vec<u64> {
        let mut received = Vec::new();
        for event in &self.bench.events {
            match event {
                Event::Joined {
                    room: joined,
                    recovery: Some(realtime_shared::Recovery::Reset { .. }),
                    ..
                } if joined.as_str() == room => {
                    received.clear();
                }
                Event::Entry { entry: Entry::Message(message), .. } if message.room.as_str() == room => {
                    received.push(message.seq.get());
                }
                _ => {}
            }
        }
        received
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_has_one_final_state_and_logs_keep_the_order(
        seed in any::<u64>(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let mut simulation = Simulation::new(seed);
        for step in &steps {
            simulation.step(step);
        }
        simulation.settle();
        for room in ROOMS {
            let log = &simulation.logs[room];
            let mut stored = Vec::new();
            for (_, id) in simulation.sent.iter().filter(|(to, _)| to == room) {
                let states = simulation.final_states(id);
                prop_assert_eq!(states.len(), 1, "{}: {:?}", id, states);
                if let Some(seq) = states[0].strip_prefix("stored ") {
                    let place = log.iter().position(|entry| entry == id).map(|index| (index + 1).to_string());
                    prop_assert_eq!(place.as_deref(), Some(seq));
                    stored.push(id.clone());
                }
            }
            prop_assert_eq!(log, &stored, "each once, in the order of sending");
            let received = simulation.received(room);
            let first = received.first().copied().unwrap_or_default();
            let run: Vec<_> = (first..).take(received.len()).collect();
            prop_assert_eq!(&received, &run, "a run of the log");
        }
    }
}
