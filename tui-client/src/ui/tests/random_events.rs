//! Property: any sequence of input and events leaves the screen and the model intact.

use std::collections::HashSet;

use crate::terminal_input::{KeyEvent, MouseButton};
use proptest::prelude::*;
use realtime_shared::{ClientMsgId, ErrorCode, ErrorEvent, Resync, SystemEvent};

use super::random_text::check_cells;
use super::*;
use crate::app::testing::{at, unknown_entry};
use crate::app::{Chord, GROUPS, Input};
use crate::markup::Pattern;
use crate::net::{Command, Health};

const ROOMS: [&str; 3] = ["chat", "dev", "ops"];
const NICKS: [&str; 3] = ["alice", "bob", "小林"];
const TEXTS: [&str; 8] = [
    "hello @you",
    "日本語 😀 e\u{301}",
    "see https://example.org/a_b and **bold**",
    "```\ncode\n```",
    "line\nline\nline\nline\nline\nline\nline\nline\nline\nline\nline\nline",
    "/join dev",
    "/leave",
    "> quote",
];

/// A random event. Its numbers choose among the current options.
#[derive(Debug, Clone)]
enum MonkeyStep {
    Key(usize),
    Type(char),
    Paste(usize),
    Mouse(MouseEventKind, u16, u16),
    Size(u16, u16),
    Focus(bool),
    Pass(u64),
    Edited(usize),
    Says(usize, usize, usize),
    /// The next entry has an unknown kind.
    Unknown(usize),
    Comes(usize, usize, bool),
    Types(usize, usize, bool),
    /// One of the user's messages is stored, refused, or postponed.
    Answer(usize, u8),
    /// The entries whose seq has the last number as its remainder by 3 have an unknown kind.
    Page(usize, u64, u8, bool, u64),
    Lose,
    Health(u8),
    Connect(u8),
    Resync(usize, u64, bool),
    Lists,
    Error(usize, bool),
    Skip(usize, u64),
}

fn step() -> impl Strategy<Value = MonkeyStep> {
    let room = 0..ROOMS.len();
    let nick = 0..NICKS.len();
    let text = 0..TEXTS.len();
    let button = prop_oneof![
        Just(MouseEventKind::Down(MouseButton::Left)),
        Just(MouseEventKind::Drag(MouseButton::Left)),
        Just(MouseEventKind::Up(MouseButton::Left)),
        Just(MouseEventKind::ScrollUp),
        Just(MouseEventKind::ScrollDown),
    ];
    prop_oneof![
        8 => any::<usize>().prop_map(MonkeyStep::Key),
        4 => prop::sample::select(vec!['a', 'n', 'N', 'e', ' ', ':', '/', '@', '日', '\u{301}', 'X']).prop_map(MonkeyStep::Type),
        1 => text.clone().prop_map(MonkeyStep::Paste),
        3 => (button, 0..130_u16, 0..45_u16).prop_map(|(kind, x, y)| MonkeyStep::Mouse(kind, x, y)),
        1 => (1..130_u16, 1..45_u16).prop_map(|(width, height)| MonkeyStep::Size(width, height)),
        1 => any::<bool>().prop_map(MonkeyStep::Focus),
        1 => (1..20_000_u64).prop_map(MonkeyStep::Pass),
        1 => text.clone().prop_map(MonkeyStep::Edited),
        5 => (room.clone(), nick.clone(), text).prop_map(|(room, nick, text)| MonkeyStep::Says(room, nick, text)),
        2 => room.clone().prop_map(MonkeyStep::Unknown),
        1 => (room.clone(), nick.clone(), any::<bool>()).prop_map(|(room, nick, is)| MonkeyStep::Comes(room, nick, is)),
        1 => (room.clone(), nick, any::<bool>()).prop_map(|(room, nick, is)| MonkeyStep::Types(room, nick, is)),
        3 => (any::<usize>(), 0..5_u8).prop_map(|(which, how)| MonkeyStep::Answer(which, how)),
        2 => (room.clone(), 0..60_u64, 0..30_u8, any::<bool>(), 0..6_u64)
            .prop_map(|(room, from, count, more, rest)| MonkeyStep::Page(room, from, count, more, rest)),
        1 => Just(MonkeyStep::Lose),
        1 => (0..3_u8).prop_map(MonkeyStep::Health),
        1 => (0..4_u8).prop_map(MonkeyStep::Connect),
        1 => (room.clone(), 0..60_u64, any::<bool>()).prop_map(|(room, seq, is)| MonkeyStep::Resync(room, seq, is)),
        1 => Just(MonkeyStep::Lists),
        1 => (room.clone(), any::<bool>()).prop_map(|(room, is_temporary)| MonkeyStep::Error(room, is_temporary)),
        1 => (room, 1..40_u64).prop_map(|(room, count)| MonkeyStep::Skip(room, count)),
    ]
}

struct Monkey {
    screen: TestScreen,
    keys: Vec<KeyEvent>,
    /// Messages that were sent and are not completed.
    open: Vec<(&'static str, ClientMsgId, String)>,
    closed: HashSet<ClientMsgId>,
    is_over: bool,
}

impl Monkey {
    fn new() -> Self {
        let bindings = GROUPS.iter().flat_map(|(_, rows)| *rows).flat_map(|row| row.bindings);
        let keys = bindings.flat_map(|binding| binding.keys);
        let keys = keys.map(|key| key.parse::<Chord>().expect("a key").event()).collect();
        let mut screen = TestScreen::new(Client::online(&ROOMS), (120, 40));
        screen.draw();
        Self { screen, keys, open: Vec::new(), closed: HashSet::new(), is_over: false }
    }

    fn input(&mut self, input: Input) {
        let effects = self.screen.client.input(input);
        self.run(effects);
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in &effects {
            match effect {
                Effect::Net(Command::Send { room, text, client_msg_id }) => {
                    let room = ROOMS.into_iter().find(|name| *name == room.as_str());
                    self.open
                        .extend(room.map(|room| (room, client_msg_id.clone(), text.as_str().to_owned())));
                }
                Effect::Net(Command::TakeBack(id)) => {
                    self.close(id);
                    let event = Event::Sent {
                        client_msg_id: id.clone(),
                        state: SendState::TakenBack { was_sent: false },
                    };
                    self.input(Input::Net(event));
                }
                Effect::Net(Command::Leave(room)) => self.open.retain(|(name, ..)| *name != room.as_str()),
                Effect::Quit => self.is_over = true,
                _ => {}
            }
        }
        self.screen.run(effects);
    }

    fn close(&mut self, id: &ClientMsgId) {
        self.open.retain(|(_, open, _)| open != id);
        self.closed.insert(id.clone());
    }

    /// A refused message that becomes a draft needs no answer of the network.
    fn close_drafts(&mut self) {
        let client = &self.screen.client;
        let is_out =
            |id: &ClientMsgId| client.model.rooms.iter().any(|room| room.pane.timeline.is_outgoing(id));
        self.open.retain(|(_, id, text)| is_out(id) || !client.draft().contains(text));
    }

    fn step(&mut self, step: &MonkeyStep) {
        match *step {
            MonkeyStep::Key(which) => {
                let key = self.keys[which % self.keys.len()];
                self.screen.state.deselect();
                self.input(Input::Key(key));
                self.close_drafts();
            }
            MonkeyStep::Type(c) => {
                let effects = self.screen.client.press(KeyCode::Char(c));
                self.run(effects);
            }
            MonkeyStep::Paste(text) => self.input(Input::Paste(TEXTS[text].to_owned())),
            MonkeyStep::Mouse(kind, column, row) => {
                let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
                if let Some(input) = self.screen.state.mouse(&self.screen.client.model, event) {
                    self.input(input);
                }
            }
            MonkeyStep::Size(width, height) => {
                self.screen.terminal.backend_mut().resize(width, height);
                self.input(Input::Resize);
            }
            MonkeyStep::Focus(focused) => self.input(Input::Focus(focused)),
            MonkeyStep::Pass(millis) => {
                let effects = self.screen.client.pass(millis);
                self.run(effects);
            }
            MonkeyStep::Edited(text) => self.input(Input::Edited(Ok(TEXTS[text].to_owned()))),
            MonkeyStep::Answer(which, how) => self.answer(which, how),
            ref event => self.deliver(event),
        }
    }

    fn answer(&mut self, which: usize, how: u8) {
        let Some(at) = which.checked_rem(self.open.len()) else { return };
        let (room, id, text) = self.open[at].clone();
        let client = &mut self.screen.client;
        match how {
            0 => client.state(&id, SendState::PutOff("later".to_owned())),
            1 => client.state(&id, SendState::Refused("no".to_owned())),
            2 => client.state(&id, SendState::Sent),
            _ => {
                client.deliver_copy(room, &id, &text);
                self.close(&id);
            }
        }
    }

    fn deliver(&mut self, step: &MonkeyStep) {
        let client = &mut self.screen.client;
        let effects = match *step {
            MonkeyStep::Says(room, nick, text) => client.receive(ROOMS[room], NICKS[nick], TEXTS[text]),
            MonkeyStep::Comes(room, nick, true) => {
                client.member_joins(ROOMS[room], NICKS[nick]);
                Vec::new()
            }
            MonkeyStep::Comes(room, nick, false) => {
                client.member_leaves(ROOMS[room], NICKS[nick]);
                Vec::new()
            }
            MonkeyStep::Types(room, nick, is_typing) => {
                client.member_types(ROOMS[room], NICKS[nick], is_typing);
                Vec::new()
            }
            MonkeyStep::Unknown(room) => client.next_unknown(ROOMS[room], false),
            MonkeyStep::Page(room, from, count, has_more, unknown) => {
                let entry = |seq: u64| {
                    if seq % 3 == unknown {
                        unknown_entry(ROOMS[room], seq)
                    } else {
                        ServerEvent::from(client.message(ROOMS[room], "bob", TEXTS[room], seq))
                    }
                };
                let entries = (from + 1..=from + u64::from(count)).map(entry).collect();
                client.deliver_page(ROOMS[room], entries, has_more)
            }
            MonkeyStep::Lose => {
                client.lose_connection(Duration::from_secs(3));
                Vec::new()
            }
            MonkeyStep::Health(how) => client.net(Event::Health(match how {
                0 => Health::Answering,
                1 => Health::Silent,
                _ => Health::PuttingOff("日本 \u{1b}[2J away".repeat(9)),
            })),
            MonkeyStep::Connect(how) => {
                client.connect();
                let recovery = match how {
                    0 => None,
                    1 => Some(Recovery::Complete { replayed: 0 }),
                    2 => Some(Recovery::Truncated { replayed: 1 }),
                    _ => Some(Recovery::Reset { replayed: 0 }),
                };
                let offline = recovery.map(|_| Duration::from_secs(12));
                ROOMS.iter().flat_map(|room| client.joined(room, recovery, offline)).collect()
            }
            MonkeyStep::Resync(room, seq, is_reset) => {
                let recovery = if is_reset {
                    Recovery::Reset { replayed: 0 }
                } else {
                    Recovery::Complete { replayed: 0 }
                };
                client.server(ServerEvent::System(SystemEvent::Resync(Resync {
                    message: String::new(),
                    room: room_named(room),
                    position: at(seq),
                    recovery,
                })))
            }
            MonkeyStep::Lists => {
                client.deliver_rooms(&["dev", "elsewhere", "日本"], true);
                Vec::new()
            }
            MonkeyStep::Error(room, temporary) => client.server(ServerEvent::Error(ErrorEvent {
                code: ErrorCode::Unavailable,
                message: "not now".to_owned(),
                temporary,
                room: Some(room_named(room)),
                client_msg_id: None,
                retry_after_ms: None,
                scope: None,
            })),
            MonkeyStep::Skip(room, count) => {
                client.skip(ROOMS[room], count);
                Vec::new()
            }
            _ => Vec::new(),
        };
        self.run(effects);
    }

    fn check(&mut self) -> Result<(), TestCaseError> {
        self.screen.draw();
        check_cells(self.screen.terminal.backend().buffer())?;
        let model = &self.screen.client.model;
        for (name, id, text) in &self.open {
            let is_there = model
                .rooms
                .iter()
                .any(|room| room.pane.title.as_str() == *name && room.pane.timeline.is_outgoing(id));
            prop_assert!(is_there, "{text:?} in {name} is lost");
        }
        for room in &model.rooms {
            let timeline = &room.pane.timeline;
            let keys: Vec<_> = (0..timeline.len()).filter_map(|at| Some(timeline.get(at)?.key())).collect();
            prop_assert!(keys.is_sorted_by(|a, b| a < b), "ordered and unique: {keys:?}");
            prop_assert!(keys.iter().enumerate().all(|(at, key)| timeline.index_of(*key) == at));
            prop_assert!(room.reading.mentions <= room.reading.unread);
            prop_assert_eq!(
                timeline.pattern().is_some(),
                room.pane
                    .search
                    .as_ref()
                    .is_some_and(|search| { Pattern::new(search.query.text()).is_some() })
            );
            let hits: Vec<_> = keys.iter().filter(|key| timeline.is_hit(**key)).collect();
            prop_assert_eq!(hits.len(), timeline.hit_count());
            prop_assert!(timeline.selected_hit().is_none_or(|hit| hits.contains(&&hit)));
        }
        Ok(())
    }
}

fn room_named(room: usize) -> realtime_shared::RoomName {
    crate::app::testing::room(ROOMS[room])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_sequence_of_events_breaks_the_screen(steps in prop::collection::vec(step(), 1..80)) {
        let mut monkey = Monkey::new();
        for step in &steps {
            monkey.step(step);
            if monkey.is_over {
                break;
            }
            monkey.check()?;
        }
    }
}
