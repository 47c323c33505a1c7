//! Property of read markers and the inbox: over lost connections, lost answers and new logs, the server gets the newest
//! marker, and the program gets no inbox that is older than its markers.

use std::collections::VecDeque;

use proptest::prelude::*;
use realtime_shared::{ClientEvent, Feature, Inbox, Ref, Seq, ServerEvent, ServerFrame, codec};

use super::*;

const STEPS: usize = 400;

/// A server with one room and one user, and its connection to the client.
struct Server {
    /// Number of the log.
    log: u64,
    head: u64,
    marker: u64,
    /// Markers that are not stored yet.
    pending: VecDeque<(u64, Ref)>,
    /// Frames that the server has not handled.
    received: VecDeque<ClientFrame>,
    /// Frames that the client has not received.
    sent: VecDeque<ServerFrame>,
    is_joined: bool,
}

/// The client, and what the program wants.
struct Client {
    bench: Bench,
    server: Server,
    /// Number of the log that the client knows, and its newest entry there.
    known: (u64, u64),
    /// The newest marker of the program in that log.
    wanted: u64,
    /// Largest marker that was reported in that log.
    reported: u64,
}

impl Server {
    fn position(&self) -> String {
        position(&format!("e{}", self.log), self.head)
    }

    fn send(&mut self, json: &str, reference: Option<Ref>) {
        let ServerFrame { event, .. } = codec::decode_server(json).expect("a frame");
        self.sent.push_back(ServerFrame { event, reference });
    }

    /// Handles the next frame of the client. `wanted` is the newest marker of the program in the log that the client knows.
    fn handle(&mut self, wanted: u64, rng: &mut fastrand::Rng) {
        let Some(ClientFrame { event, reference }) = self.received.pop_front() else { return };
        match event {
            ClientEvent::JoinRoom { since, .. } => {
                let since = since.map_or(0, |since| match since.epoch() {
                    Some(epoch) if epoch.as_str() == format!("e{}", self.log) => since.seq().get(),
                    _ => u64::MAX,
                });
                let (status, replayed) =
                    if since <= self.head { ("complete", self.head - since) } else { ("reset", self.head) };
                let marker =
                    if rng.bool() { format!(r#","read_seq":{}"#, self.marker) } else { String::new() };
                let position = self.position();
                let joined = format!(
                    r#"{{"type":"system","event":"joined","message":"m","room":"a","user_id":"me","members":["me"],
                    "member_count":1,"position":{position},"recovery":{{"status":"{status}","replayed":{replayed}}}{marker}}}"#
                );
                self.send(&joined, reference);
                self.is_joined = true;
                for seq in self.head - replayed + 1..=self.head {
                    self.send_entry(seq);
                }
            }
            ClientEvent::Read { seq, .. } => {
                assert!(seq.get() <= wanted, "{seq} is a marker of another log, in which {wanted} is wanted");
                self.pending.push_back((seq.get(), reference.expect("a ref")));
            }
            ClientEvent::Inbox { .. } => {
                let (marker, unread, position) = (self.marker, self.head - self.marker, self.position());
                let inbox = format!(
                    r#"{{"type":"inbox","rooms":[{{"room":"a","unread":{unread},"mentions":0,"read_seq":{marker},
                    "position":{position}}}],"has_more":false}}"#
                );
                self.send(&inbox, reference);
            }
            ClientEvent::Ping(_) => {}
            event => panic!("{event:?}"),
        }
    }

    fn send_entry(&mut self, seq: u64) {
        let epoch = if seq == 1 { format!(r#","epoch":"e{}""#, self.log) } else { String::new() };
        let id = ulid(seq);
        let entry = format!(
            r#"{{"type":"message","room":"a","from":"bob","text":"hi","seq":{seq},"id":"{id}","ts":1{epoch}}}"#
        );
        self.send(&entry, None);
    }

    /// Stores the next marker, and answers it unless `is_lost`.
    fn store(&mut self, is_lost: bool) {
        let Some((seq, reference)) = self.pending.pop_front() else { return };
        self.marker = self.marker.max(seq.min(self.head));
        let answer = format!(r#"{{"type":"read","room":"a","seq":{}}}"#, self.marker);
        if !is_lost {
            self.send(&answer, Some(reference));
        }
    }
}

impl Client {
    fn new(seed: u64) -> Self {
        let server = Server {
            log: 1,
            head: 1,
            marker: 0,
            pending: VecDeque::new(),
            received: VecDeque::new(),
            sent: VecDeque::new(),
            is_joined: false,
        };
        let mut client =
            Self { bench: Bench::with_seed(seed), server, known: (0, 0), wanted: 0, reported: 0 };
        client.command(Command::Join { room: name("a"), since: Some(realtime_shared::Position::Start) });
        client.command(Command::Inbox { limit: None, keep: true });
        client.welcome();
        client
    }

    fn welcome(&mut self) {
        self.bench.welcome_with(0, r#","features":["read","inbox"]"#);
        assert!(
            matches!(self.bench.state(), ConnectionState::Connected { features, .. } if features.contains(&Feature::Inbox))
        );
        self.follow();
    }

    fn command(&mut self, command: Command) {
        self.bench.command(command);
        self.follow();
    }

    fn follow(&mut self) {
        self.server.received.extend(self.bench.written.drain(..));
        for event in std::mem::take(&mut self.bench.events) {
            match event {
                Event::Joined { head: Some(head), .. } => self.enter(head.epoch().map(ToString::to_string)),
                Event::Entry { entry, .. } => self.known.1 = self.known.1.max(entry.seq().get()),
                Event::Read { seq, .. } => {
                    assert!(seq.get() >= self.reported, "{seq} is before {}", self.reported);
                    assert!(seq.get() >= self.wanted, "{seq} is before {}", self.wanted);
                    self.reported = seq.get();
                }
                Event::Server(ServerEvent::Inbox(inbox)) => self.check(&inbox),
                event @ Event::State(ConnectionState::Waiting { .. }) => self.bench.events.push(event),
                Event::RequestFailed { request, reason } => panic!("{request:?}: {reason}"),
                _ => {}
            }
        }
    }

    fn enter(&mut self, epoch: Option<String>) {
        let epoch = epoch.expect("an entry");
        let log = epoch.trim_start_matches('e').parse().expect("a number");
        if self.known.0 != log {
            (self.known, self.wanted, self.reported) = ((log, 0), 0, 0);
        }
    }

    fn check(&self, inbox: &Inbox) {
        let room = &inbox.rooms[0];
        let is_known_log =
            room.position.epoch().map(ToString::to_string) == Some(format!("e{}", self.known.0));
        if is_known_log {
            assert!(room.read_seq >= Seq::new(self.wanted), "{room:?} is older than {}", self.wanted);
        }
        assert_eq!(room.unread, room.position.seq().get() - room.read_seq.get(), "{room:?}");
    }

    fn deliver(&mut self) {
        if let Some(frame) = self.server.sent.pop_front() {
            self.bench.session.frame(frame, self.bench.now);
            self.bench.drain();
            self.follow();
        }
    }

    /// Loses the connection. Of the markers that are not stored some are lost. The room may have another log then.
    fn reconnect(&mut self, rng: &mut fastrand::Rng) {
        while !self.server.pending.is_empty() {
            if rng.bool() {
                self.server.store(true);
            } else {
                self.server.pending.pop_front();
            }
        }
        self.server.received.clear();
        self.server.sent.clear();
        self.server.is_joined = false;
        if rng.u32(..4) == 0 {
            (self.server.log, self.server.head, self.server.marker) = (self.server.log + 1, rng.u64(1..5), 0);
        }
        self.bench.closed(1006);
        let ConnectionState::Waiting { retry_in, .. } = self.bench.state() else { panic!("not waiting") };
        self.bench.pass(*retry_in);
        self.read(rng);
        self.welcome();
    }

    /// The program reads up to an entry that it has received.
    fn read(&mut self, rng: &mut fastrand::Rng) {
        let seq = if rng.bool() { self.known.1 } else { rng.u64(..=self.known.1) };
        self.wanted = self.wanted.max(seq);
        self.command(Command::Read { room: name("a"), seq: Seq::new(seq) });
    }

    fn step(&mut self, rng: &mut fastrand::Rng) {
        match rng.u32(..20) {
            0..3 => self.read(rng),
            3..8 => self.server.handle(self.wanted, rng),
            8..11 => self.server.store(false),
            11..16 => self.deliver(),
            16..18 => {
                self.server.head += 1;
                if self.server.is_joined {
                    self.server.send_entry(self.server.head);
                }
            }
            18 => {
                self.server.marker = self.server.marker.max(rng.u64(..=self.server.head));
                let marker = format!(r#"{{"type":"read","room":"a","seq":{}}}"#, self.server.marker);
                self.server.send(&marker, None);
            }
            _ if rng.u32(..4) == 0 => self.reconnect(rng),
            _ => self.command(Command::Inbox { limit: None, keep: true }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn markers_and_the_inbox_are_exact_over_reconnects(seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut client = Client::new(seed);
        for _ in 0..STEPS {
            client.step(&mut rng);
        }
        for _ in 0..STEPS {
            client.server.handle(client.wanted, &mut rng);
            client.server.store(false);
            client.deliver();
        }
        let Client { server, known, wanted, .. } = &client;
        prop_assert!(server.received.is_empty() && server.sent.is_empty() && server.pending.is_empty());
        prop_assert_eq!(*known, (server.log, server.head));
        prop_assert!(server.marker >= *wanted, "{} is before {}", server.marker, wanted);
    }
}
