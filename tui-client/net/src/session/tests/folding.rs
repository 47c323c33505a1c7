//! Property of folding: however a client loads a room, its messages have the state that the server has.
//!
//! A simulated server adds random entries to one log. Each client gets live entries late, and pages of history and results
//! of searches earlier or later than the entries next to them. Clients lose their connection, leave and join again, and miss
//! entries. In the end the states of all clients are those of the server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;
use realtime_shared::{
    Change, ChangeEntry, Covers, Delete, Edit, Emoji, EntryEvent, EntryFields, EntryId, Epoch, Found,
    History, HistoryRequest, Joined, LeaveReason, Left, Message, MessageContent, Pin, Position, Reaction,
    Recovery, Ref, Resync, RoomChange, RoomSettings, SearchRequest, Seq, ServerEvent, ServerFrame,
    SystemEvent, Timestamp, UserId,
};

use super::*;
use crate::room_state::RoomStates;

const ENTRIES: usize = 2_000;
const ROOM: &str = "a";
const USERS: [&str; 3] = ["me", "bob", "carol"];
const EMOJI: [&str; 3] = ["👍", "🎉", ":ship-it:"];

fn user(name: &str) -> UserId {
    UserId::new(name).expect("a name")
}

fn pick<T: Copy>(rng: &mut fastrand::Rng, from: &[T]) -> T {
    from[rng.usize(..from.len())]
}

/// A log, and the state of its messages for `me`.
#[derive(Default)]
struct Server {
    log: Vec<EntryEvent>,
    messages: BTreeMap<Seq, Message>,
    settings: RoomSettings,
    reactions: BTreeSet<(Seq, &'static str, &'static str)>,
}

impl Server {
    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn position(&self) -> Position {
        match self.head() {
            0 => Position::Start,
            head => Position::At {
                epoch: Epoch::new(EPOCH).expect("an epoch"),
                seq: Seq::new(head),
                id: EntryId::from_u128(head.into()),
            },
        }
    }

    fn add_random(&mut self, rng: &mut fastrand::Rng) {
        let seq = Seq::new(self.head() + 1);
        let from = pick(rng, &USERS);
        let fields = EntryFields {
            room: name(ROOM),
            from: user(from),
            seq,
            id: EntryId::from_u128(seq.get().into()),
            ts: Timestamp::from_millis(1_000 + seq.get()),
            client_msg_id: None,
            epoch: (seq == Seq::new(1)).then(|| Epoch::new(EPOCH).expect("an epoch")),
        };
        let content = if let Some(change) = self.random_change(rng, from) {
            change.into()
        } else {
            let reply_to = (seq > Seq::new(1) && rng.bool()).then(|| Seq::new(rng.u64(1..seq.get())));
            let text = Text::new(&format!("text {seq}")).expect("a text");
            MessageContent { reply_to, ..text.into() }.into()
        };
        let entry = EntryEvent::new(content, fields);
        match &entry {
            EntryEvent::Message(message) => {
                self.messages.insert(seq, Message { epoch: None, ..message.clone() });
            }
            EntryEvent::Change(change) => self.fold(change),
        }
        self.log.push(entry);
    }

    /// A change that has an effect; `None` for about half of all calls.
    fn random_change(&mut self, rng: &mut fastrand::Rng, from: &'static str) -> Option<Change> {
        let live: Vec<_> = self.messages.values().filter(|message| message.deleted.is_none()).collect();
        let newest = live.len().saturating_sub(if rng.bool() { 10 } else { live.len() });
        let target = live.get(newest..).filter(|live| !live.is_empty())?;
        let target = target[rng.usize(..target.len())];
        let (target, target_id, is_pinned) = (target.seq, Some(target.id), target.pinned);
        Some(match rng.u32(..100) {
            0..15 => {
                let text = Text::new(&format!("edited by {}", self.head() + 1)).expect("a text");
                Change::Edit(Edit { target, target_id, text, mentions: None, deleted: false })
            }
            15..22 => Change::Delete(Delete { target, target_id, reason: None }),
            22..47 => {
                let emoji = pick(rng, &EMOJI);
                let removed = !self.reactions.insert((target, emoji, from));
                if removed {
                    self.reactions.remove(&(target, emoji, from));
                }
                let emoji = Emoji::new(emoji).expect("an emoji");
                Change::Reaction(Reaction { target, target_id, emoji, removed })
            }
            47..52 => Change::Pin(Pin { target, target_id, removed: is_pinned }),
            52..56 => {
                let topic = Some(format!("topic {}", self.head()).parse().expect("a line"));
                Change::Room(RoomChange { topic, slow_mode: None, posting: None })
            }
            _ => return None,
        })
    }

    fn fold(&mut self, entry: &ChangeEntry) {
        if let Change::Room(change) = &entry.change {
            assert!(self.settings.apply(change, entry.seq));
            return;
        }
        let (target, _) = entry.change.target().expect("a target");
        let message = self.messages.get_mut(&target).expect("a message");
        assert!(message.apply(entry, Some(&user("me"))), "{entry:?}");
        if let Change::Delete(_) = entry.change {
            for stored in &mut self.log {
                let is_covered = match &*stored {
                    EntryEvent::Message(message) => message.seq == target,
                    EntryEvent::Change(change) => change.change.target().is_some_and(|(of, _)| of == target),
                };
                let tombstone = is_covered.then(|| stored.tombstone(&entry.from, entry.ts)).flatten();
                *stored = tombstone.unwrap_or_else(|| stored.clone());
            }
        }
    }

    /// The newest messages of a user that are not deleted.
    fn search(&self, request: &SearchRequest) -> Found {
        let is_found =
            |message: &&Message| message.deleted.is_none() && request.from.as_ref() == Some(&message.from);
        let skipped = self.log.len() * 7 % self.messages.len();
        let found = self.messages.values().rev().filter(is_found).skip(skipped / USERS.len()).take(20);
        Found {
            messages: found.map(|message| message.clone().into()).collect(),
            has_more: true,
            complete: true,
        }
    }

    fn page(&self, request: &HistoryRequest) -> History {
        let limit = request.limit.expect("a limit") as usize;
        let (first, last, head) = (Seq::new(1), Seq::new(self.head()), self.head());
        let newest = |below: Seq, limit: usize| {
            let mut page: Vec<_> = self.messages.range(..below).rev().take(limit + 1).collect();
            let has_more = page.len() > limit;
            page.truncate(limit);
            page.reverse();
            let from = page.first().filter(|_| has_more).map_or(first, |(seq, _)| **seq);
            (page, from, has_more)
        };
        let (page, from, to, has_more, has_newer) = match request.around {
            None => {
                let below = request.before.unwrap_or_else(|| last.next());
                let (page, from, has_more) = newest(below, limit);
                (page, from, Seq::new(below.get() - 1), has_more, false)
            }
            Some(seq) => {
                let (mut page, from, has_more) = newest(seq.next(), limit.div_ceil(2));
                let mut newer: Vec<_> = self.messages.range(seq.next()..).take(limit / 2 + 1).collect();
                let has_newer = newer.len() > limit / 2;
                newer.truncate(limit / 2);
                let to = newer.last().filter(|_| has_newer).map_or(last, |(seq, _)| **seq);
                page.extend(newer);
                (page, from, to, has_more, has_newer)
            }
        };
        History {
            room: name(ROOM),
            epoch: (head > 0).then(|| Epoch::new(EPOCH).expect("an epoch")),
            messages: page.into_iter().map(|(_, message)| message.clone().into()).collect(),
            has_more,
            has_newer,
            covers: Some(Covers { from, to, as_of: last }),
            settings: Some(self.settings.clone()).filter(|settings| settings.rev > Seq::new(0)),
        }
    }
}

/// A gap in the entries that a client receives next, on a join with a position or as a member.
#[derive(Clone, Copy)]
enum Gap {
    None,
    /// Entries are left out.
    Truncated,
}

/// A client, and the server's side of its connection.
struct Client {
    bench: Bench,
    states: RoomStates,
    requests: VecDeque<ClientFrame>,
    /// Answers that are not delivered yet.
    pages: Vec<ServerFrame>,
    /// Number of delivered entries; `None` before the join.
    delivered: Option<usize>,
    /// True if the client requests the page before each page.
    pages_backward: bool,
    gap: Gap,
}

impl Client {
    fn new(seed: u64) -> Self {
        let mut client = Self {
            bench: Bench::with_seed(seed),
            states: RoomStates::new(10 * ENTRIES),
            requests: VecDeque::new(),
            pages: Vec::new(),
            delivered: None,
            pages_backward: false,
            gap: Gap::None,
        };
        client.welcome();
        client
    }

    fn welcome(&mut self) {
        let features = r#","features":["reply","edit","delete","reaction","pin","room","search"]"#;
        self.bench.welcome_with(0, features);
        self.follow();
    }

    fn join(&mut self) {
        self.bench.join(ROOM);
        self.follow();
    }

    fn command(&mut self, command: Command) {
        self.bench.command(command);
        self.follow();
    }

    fn receive(&mut self, event: ServerEvent, reference: Option<Ref>) {
        self.bench.session.frame(ServerFrame { event, reference }, self.bench.now);
        self.bench.drain();
        self.follow();
    }

    /// Takes the outputs of the session.
    fn follow(&mut self) {
        let is_request = |frame: &ClientFrame| !matches!(frame.event, ClientEvent::Ping(_));
        self.requests.extend(self.bench.written.drain(..).filter(is_request));
        let mut next = None;
        for event in self.bench.events.drain(..) {
            self.states.on_event(&event);
            if let Event::Server(ServerEvent::History(History {
                covers: Some(covers), has_more: true, ..
            })) = event
            {
                next = Some(covers.from);
            }
        }
        if let Some(before) = next.filter(|_| self.pages_backward) {
            self.command(Command::History(HistoryRequest::before(name(ROOM), Some(before), 30)));
        }
    }

    /// Loses the connection and what is on its way.
    fn reconnect(&mut self) {
        self.requests.clear();
        self.pages.clear();
        self.delivered = None;
        self.bench.closed(1006);
        let ConnectionState::Waiting { retry_in, .. } = self.bench.state() else { panic!("not waiting") };
        self.bench.pass(*retry_in);
        self.welcome();
    }

    /// Leaves the room and joins it again.
    fn rejoin(&mut self) {
        self.command(Command::Leave(name(ROOM)));
        self.join();
    }

    /// The server drops entries before the client has read them.
    fn resync(&mut self, server: &Server, rng: &mut fastrand::Rng) {
        let Some(delivered) = self.delivered else { return };
        let missed = (server.log.len() - delivered) as u64;
        let replayed = rng.u64(..=missed);
        let recovery = if replayed == missed {
            Recovery::Complete { replayed }
        } else {
            Recovery::Truncated { replayed }
        };
        self.delivered = Some(server.log.len() - usize::try_from(replayed).expect("a number"));
        let (message, room, position) = ("m".to_owned(), name(ROOM), server.position());
        let resync = Resync { message, room, position, recovery };
        self.receive(ServerEvent::System(SystemEvent::Resync(resync)), None);
    }

    fn is_idle(&self, server: &Server) -> bool {
        self.requests.is_empty() && self.pages.is_empty() && self.delivered == Some(server.log.len())
    }

    /// Lets the server do one thing for this client.
    fn step(&mut self, server: &Server, rng: &mut fastrand::Rng) {
        match rng.u32(..10) {
            0..2 => self.answer(server),
            2..4 if !self.pages.is_empty() => {
                let ServerFrame { event, reference } = self.pages.swap_remove(rng.usize(..self.pages.len()));
                self.receive(event, reference);
            }
            4..10 => {
                let Some(delivered) = self.delivered else { return };
                let until = server.log.len().min(delivered + rng.usize(..4));
                self.delivered = Some(until);
                for entry in &server.log[delivered..until] {
                    self.receive(entry.clone().into(), None);
                }
            }
            _ => {}
        }
    }

    fn answer(&mut self, server: &Server) {
        let Some(ClientFrame { event, reference }) = self.requests.pop_front() else { return };
        match event {
            ClientEvent::History(request) => {
                self.pages
                    .push(ServerFrame { event: ServerEvent::History(server.page(&request)), reference });
            }
            ClientEvent::JoinRoom { since, .. } => {
                let mut since = since.map(|since| usize::try_from(since.seq().get()).expect("a number"));
                let head = server.log.len();
                let missed = since.map(|since| (head - since) as u64);
                if let (Gap::Truncated, Some(since)) = (self.gap, &mut since) {
                    *since = head - (head - *since) / 2;
                }
                let replayed = since.map(|since| (head - since) as u64);
                let recovery = replayed.map(|replayed| match missed {
                    Some(missed) if missed > replayed => Recovery::Truncated { replayed },
                    _ => Recovery::Complete { replayed },
                });
                let joined = Joined {
                    message: "me joined".to_owned(),
                    room: name(ROOM),
                    user_id: user("me"),
                    members: vec![user("me")],
                    member_count: 1,
                    others: Vec::new(),
                    others_count: 0,
                    position: Some(server.position()),
                    recovery,
                    read_seq: None,
                };
                self.delivered = Some(since.unwrap_or(head));
                self.receive(ServerEvent::System(SystemEvent::Joined(joined)), reference);
            }
            ClientEvent::Search(request) => {
                self.pages
                    .push(ServerFrame { event: ServerEvent::Found(server.search(&request)), reference });
            }
            ClientEvent::LeaveRoom { room } => {
                self.delivered = None;
                let (message, user_id, reason) = ("me left".to_owned(), user("me"), LeaveReason::Left);
                let (others, others_count) = (Vec::new(), 0);
                let left = Left { message, room, user_id, member_count: 0, reason, others, others_count };
                self.receive(ServerEvent::System(SystemEvent::Left(left)), reference);
            }
            event => panic!("{event:?}"),
        }
    }

    #[track_caller]
    fn assert_state(&self, who: &str, server: &Server) -> usize {
        let state = self.states.get(&name(ROOM)).expect("a state");
        assert_eq!(state.settings(), Some(&server.settings), "{who}");
        for message in state.messages() {
            let expected = &server.messages[&message.seq];
            assert!(message.has_state_of(expected), "{who}: {message:#?} is not {expected:#?}");
        }
        state.messages().count()
    }
}

/// The ways of the clients to load the room.
const WAYS: [&str; 6] = ["live", "replay", "backward", "around", "search", "gaps"];

/// Lets each client load more in its way.
fn load(
    [_, replay, backward, around, search, gaps]: &mut [Client; 6],
    server: &Server,
    rng: &mut fastrand::Rng,
) {
    let around_random = |rng: &mut fastrand::Rng| {
        let around = Some(Seq::new(rng.u64(1..=server.head())));
        Command::History(HistoryRequest { around, limit: Some(20), ..HistoryRequest::newest(name(ROOM)) })
    };
    let search_random = |rng: &mut fastrand::Rng| {
        let (query, room) = ("text".parse().expect("a line"), rng.bool().then(|| name(ROOM)));
        let from = Some(user(pick(rng, &USERS)));
        Command::Search(SearchRequest { query, room, from, before: None, limit: None })
    };
    match server.log.len() {
        600 => {
            // The page may be read before the join.
            around.command(Command::History(HistoryRequest::before(name(ROOM), None, 20)));
            around.join();
            search.command(search_random(rng));
            search.join();
            gaps.join();
        }
        1_000 => {
            backward.pages_backward = true;
            backward.join();
            backward.command(Command::History(HistoryRequest::before(name(ROOM), None, 30)));
        }
        number if number > 600 && number % 20 == 0 => {
            around.command(around_random(rng));
            search.command(search_random(rng));
            gaps.command(if rng.bool() { around_random(rng) } else { search_random(rng) });
        }
        _ => {}
    }
    if rng.u32(..150) == 0 {
        replay.reconnect();
    }
    if rng.u32(..150) == 0 && server.log.len() > 600 {
        search.reconnect();
    }
    if rng.u32(..40) == 0 && server.log.len() > 600 {
        gaps.gap = if rng.bool() { Gap::Truncated } else { Gap::None };
        // The result is on its way.
        gaps.command(search_random(rng));
        gaps.answer(server);
        match rng.u32(..3) {
            0 => gaps.reconnect(),
            1 => gaps.rejoin(),
            _ => gaps.resync(server, rng),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_a_client_loads_a_room_it_has_the_same_state(seed: u64) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut server = Server::default();
        let mut clients = [1, 2, 3, 4, 5, 6].map(Client::new);
        for client in &mut clients[..2] {
            client.join();
            while !client.is_idle(&server) {
                client.step(&server, &mut rng);
            }
        }
        while server.log.len() < ENTRIES {
            server.add_random(&mut rng);
            load(&mut clients, &server, &mut rng);
            for client in &mut clients {
                for _ in 0..rng.u32(..3) {
                    client.step(&server, &mut rng);
                }
            }
        }
        for client in &mut clients[4..] {
            // A state that has begun again has no settings before a page.
            client.command(Command::History(HistoryRequest::before(name(ROOM), None, 20)));
        }
        for (who, client) in WAYS.iter().zip(&mut clients) {
            while !client.is_idle(&server) {
                client.step(&server, &mut rng);
            }
            let held = client.assert_state(who, &server);
            match *who {
                "around" => prop_assert!(held > 300, "{held} messages"),
                "search" => prop_assert!(held > 100, "{held} messages"),
                "gaps" => prop_assert!(held >= 20, "{held} messages"),
                _ => prop_assert_eq!(held, server.messages.len(), "{}", who),
            }
        }
    }
}
