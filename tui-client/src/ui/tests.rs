//! Screens as text, in the three supported sizes.

mod composer;
mod facts;
mod folding;
mod inspector;
mod mouse;
mod opening;
mod pickers;
mod prose;
mod random_events;
mod random_input;
mod random_text;
mod rooms;
mod scrolling;
mod search;
mod selection;
mod status;
mod themes;
mod times;

use std::time::Duration;

use crate::terminal_input::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use realtime_shared::{Recovery, Seq, ServerEvent};

use super::layout::{MEDIUM, WIDE, rooms_width};
use super::{Frame, ViewState, view};
use crate::app::testing::Client;
use crate::app::{Effect, Input, Scroll, Theme};
use crate::net::{Event, SendState};
use crate::terminal::{Capabilities, Depth};

/// A terminal with 256 colours and an unknown background.
pub(super) const TERMINAL: Capabilities =
    Capabilities { depth: Depth::Indexed, ground: None, has_signs: true };

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (40, 10)];

/// A client and its screen.
struct TestScreen {
    client: Client,
    state: ViewState,
    terminal: Terminal<TestBackend>,
}

impl TestScreen {
    fn new(client: Client, (width, height): (u16, u16)) -> Self {
        let terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        let mut client = client;
        client.draws = false;
        Self { client, state: ViewState::new(TERMINAL), terminal }
    }

    /// Draws, loads missing messages, draws again, and returns the text.
    fn text(&mut self) -> String {
        self.draw();
        text(self.terminal.backend().buffer())
    }

    fn draw(&mut self) {
        let draw = |shown: &mut ratatui::Frame<'_>| {
            let mut frame = Frame::new(shown.buffer_mut());
            view(&self.client.model, &mut self.state, &mut frame);
            if let Some(place) = frame.cursor() {
                shown.set_cursor_position(place);
            }
        };
        self.terminal.draw(draw).expect("drawn");
        if let Some(viewed) = self.state.viewed() {
            self.client.input(viewed);
        }
    }

    fn press(&mut self, code: KeyCode) {
        let input = self.state.key(&self.client.model, KeyEvent::new(code, KeyModifiers::NONE));
        let effects = self.client.input(input);
        self.run(effects);
    }

    /// Handles a mouse event, and returns the effects.
    fn mouse(&mut self, kind: MouseEventKind, (column, row): (u16, u16)) -> Vec<Effect> {
        let event = MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE };
        let input = self.state.mouse(&self.client.model, event);
        let effects = input.map(|input| self.client.input(input)).unwrap_or_default();
        self.run(effects.clone());
        self.draw();
        effects
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Scroll(scroll) => self.state.scroll(&self.client.model, scroll),
                Effect::JumpView(jump) => self.state.see(&self.client.model, jump),
                _ => {}
            }
        }
    }
}

/// Columns of a cell's content.
fn cells(symbol: &str) -> u16 {
    u16::try_from(crate::width::of_grapheme(symbol)).expect("few cells").max(1)
}

fn text(buffer: &Buffer) -> String {
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += cells(symbol);
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// A busy room: a recovered gap, notes, wide letters, long lines, queued and sent messages.
fn lively() -> Client {
    let mut client = Client::online(&["chat-general", "dev", "ops"]);
    client.input(Input::Focus(true));
    client.round_trip(Duration::from_millis(23));
    let chat = "chat-general";
    client.receive(chat, "alice", "hello everyone");
    client.receive(
        chat,
        "bob",
        "see https://example.org/a/rather/long/address/that/does/not/fit/into/any/of/the/columns and more",
    );
    client.pass(60_000);
    client.member_joins(chat, "dave");
    client.member_leaves(chat, "carol");
    client.receive(chat, "李小龍", "功夫就是時間。這是一條很長的消息，需要換行顯示，因為它不適合一行。");
    client.receive(chat, "mae 🚀", "liftoff 👩\u{200d}🚀🇩🇪 for @you");
    client.joined(chat, Some(Recovery::Complete { replayed: 37 }), Some(Duration::from_secs(12)));
    client.skip(chat, 40);
    client.receive(chat, "alexandra-the-great", "a list:\n  one\n  two");
    client.pass(86_400_000);
    client.receive("dev", "bob", "you?");
    for _ in 0..3 {
        client.receive("dev", "bob", "x");
    }
    client.receive("ops", "bob", "deployed");
    let stored = client.send("fix is out");
    client.deliver_copy(chat, &stored, "fix is out");
    let refused = client.send("retry?");
    client.state(&refused, SendState::Refused("too many rooms".to_owned()));
    let sent = client.send("on its way");
    client.state(&sent, SendState::Sent);
    client.member_types(chat, "bob", true);
    client.write("a draft with 日本");
    client
}

/// Snapshots of a client's screen in the three sizes.
fn snapshots(name: &str, client: impl Fn() -> Client) {
    snapshots_of(name, |size| TestScreen::new(client(), size));
}

/// Snapshots of a screen in the three sizes: its text, and its styles in 256 and in 16 colours.
fn snapshots_of(name: &str, screen: impl Fn((u16, u16)) -> TestScreen) {
    for size in SIZES {
        let mut shown = vec![screen(size).text()];
        for (title, theme, depth) in
            [("256 colours", Theme::Dark, Depth::Indexed), ("16 colours", Theme::Sixteen, Depth::Sixteen)]
        {
            let mut screen = screen(size);
            screen.state.capabilities.depth = depth;
            screen.client.model.theme = theme;
            screen.draw();
            shown.push(format!("{title}\n{}", themes::styles(screen.terminal.backend().buffer())));
        }
        snapshot(&format!("{name}_{}x{}", size.0, size.1), &shown.concat());
    }
}

/// All snapshots belong to this module, and so to one folder.
fn snapshot(name: &str, screen: &str) {
    insta::assert_snapshot!(name, screen);
}

#[test]
fn lively_screens() {
    snapshots("lively", lively);
}

#[test]
fn an_empty_room() {
    snapshots("empty", || Client::online(&["chat-general"]));
}

#[test]
fn without_a_connection() {
    snapshots("offline", || {
        let mut client = lively();
        client.lose_connection(Duration::from_millis(11_500));
        client.send("typed while offline");
        client
    });
}

#[test]
fn unread_messages_are_ruled_off() {
    snapshots("new", || {
        let mut client = Client::online(&["chat-general", "dev"]);
        client.alt('2');
        client.receive("dev", "bob", "seen");
        client.alt('1');
        for text in ["not seen", "nor this", "nor that"] {
            client.receive("dev", "alice", text);
        }
        client.alt('2');
        client.receive("dev", "carol", "while looking");
        client
    });
}

#[test]
fn help_overlay() {
    snapshots("help", || {
        let mut client = lively();
        client.press(KeyCode::F(1));
        client
    });
}

#[test]
fn a_search_in_the_help() {
    snapshots("help_found", || {
        let mut client = lively();
        client.press(KeyCode::F(1));
        client.write("room number");
        client
    });
    let mut screen = TestScreen::new(lively(), (40, 10));
    screen.press(KeyCode::F(1));
    screen.text();
    screen.press(KeyCode::End);
    screen.text();
    screen.press(KeyCode::Char('q'));
    screen.press(KeyCode::Char('u'));
    let text = screen.text();
    assert!(text.contains("PROGRAM") || text.contains("WRITING"), "a query begins at the top: {text}");
    for c in "xyzzy".chars() {
        screen.press(KeyCode::Char(c));
    }
    assert!(screen.text().contains("nothing found"));
}

#[test]
fn members_overlay() {
    snapshots("members", || {
        let mut client = lively();
        client.press(KeyCode::F(3));
        client
    });
}

/// A room with names that look like others.
fn with_lookalikes() -> Client {
    let mut client = Client::online(&["chat-general", "dev"]);
    let chat = "chat-general";
    let (alice, bob, coco) = ("\u{430}lice", "b\u{43e}b-the-great", "\u{441}\u{43e}\u{441}\u{43e}");
    for name in [alice, bob, "coco", coco, "花子さん"] {
        client.member_joins(chat, name);
    }
    for (from, text) in [
        ("alice", "I am the first"),
        (alice, "and I am not"),
        (bob, "a long name"),
        (coco, "whole words of another script"),
        ("coco", "*looks at it*"),
        ("花子さん", "one script as it is written"),
        (alice, "*waves*"),
        ("a1ice", "no member, and looks like one"),
    ] {
        client.receive(chat, from, text);
    }
    client.send("mine");
    client
}

#[test]
fn rooms_whose_names_look_like_others_are_marked() {
    let fake = "d\u{435}v";
    let client = || {
        let mut client = Client::online(&["dev", fake, "ops", "0ps", "日本"]);
        client.alt('3');
        client
    };
    snapshots("lookalike_rooms", client);
    snapshots("lookalike_rooms_listed", || {
        let mut client = client();
        client.ctrl('k');
        client.deliver_rooms(&["ops", "help", "he\u{3b9}p", "d\u{435}v"], false);
        client
    });
}

#[test]
fn names_that_look_like_others_are_marked() {
    snapshots("lookalikes", with_lookalikes);
    snapshots("lookalikes_members", || {
        let mut client = with_lookalikes();
        client.press(KeyCode::F(3));
        client
    });
    let mut screen = TestScreen::new(with_lookalikes(), SIZES[1]);
    screen.state = ViewState::new(Capabilities { has_signs: false, ..TERMINAL });
    let text = screen.text();
    assert!(text.contains(" \u{430}lice? and I am not") && text.contains(" alice  I am the first"), "{text}");
}

#[test]
fn no_room_at_all() {
    snapshots("lobby", || {
        let mut client = Client::offline(&[]);
        client.connect();
        client
    });
}

#[test]
fn a_long_draft_grows_to_eight_rows() {
    snapshots("draft", || {
        let mut client = lively();
        for line in 0..12 {
            client.key(KeyCode::Enter, KeyModifiers::ALT);
            client.write(&format!("line {line}"));
        }
        client
    });
}

#[test]
fn states_of_own_messages() {
    snapshots("sending", || {
        let mut client = Client::online(&["chat-general"]);
        let stored = client.send("the first one");
        client.deliver_copy("chat-general", &stored, "the first one");
        let acknowledged = client.send("its copy comes later");
        client.state(&acknowledged, SendState::Stored(Seq::new(9)));
        let states = [
            SendState::Sent,
            SendState::PutOff("the store cannot be reached; try again later".to_owned()),
            SendState::Refused("you may not post in chat-general".to_owned()),
        ];
        for (text, state) in ["on its way", "not now", "not you"].into_iter().zip(states) {
            let id = client.send(text);
            client.state(&id, state);
        }
        client.send("after all that");
        client
    });
}

/// A client that was offline, and missed more messages than are replayed.
fn after_an_absence() -> Client {
    let mut client = Client::returning(&["chat-general", "dev"], &[("chat-general", 3), ("dev", 7)]);
    client.skip("chat-general", 3);
    client.skip("dev", 7);
    client.connect();
    client.joined("chat-general", Some(Recovery::Complete { replayed: 1 }), None);
    client.joined_at("dev", 130, Some(Recovery::Truncated { replayed: 1 }), None);
    let message = client.next_message("chat-general", "bob", "since the last time");
    client.deliver(message, true);
    let read = client.message("chat-general", "alice", "read before", 3);
    client.history("chat-general", &[read], false);
    client.lose_connection(Duration::from_secs(1));
    client.connect();
    let recovery = Some(Recovery::Truncated { replayed: 1 });
    client.joined_at("chat-general", 1_304, recovery, Some(Duration::from_secs(700)));
    client.skip("chat-general", 1_299);
    client.receive("chat-general", "bob", "the newest");
    client
}

#[test]
fn missed_messages() {
    snapshots("behind", after_an_absence);
}

#[test]
fn the_ruler_is_at_the_top_if_every_message_is_new() {
    let mut client = after_an_absence();
    client.alt('2');
    let message = client.message("dev", "bob", "the newest", 130);
    client.deliver(message, true);
    let mut screen = TestScreen::new(client, (80, 24));
    let text = screen.text();
    assert!(text.find("123 new") < text.find("the newest") && text.contains("123 new"), "{text}");
}

#[test]
fn missing_messages_are_loaded() {
    snapshots("loading", || {
        let mut client = after_an_absence();
        let end = client.model.pane().timeline.len() - 1;
        let viewed = client.viewed(0, end);
        client.input(viewed);
        client.press(KeyCode::PageUp);
        client
    });
}

/// Draws in all sizes up to 130 × 45, with steps of `step`.
fn draw_in_sizes(client: Client, step: usize) {
    let mut screen = TestScreen::new(client, (1, 1));
    screen.state.scroll(&screen.client.model, Scroll::PageUp);
    for width in (1..=130).step_by(step) {
        for height in (1..=45).step_by(step) {
            screen.terminal.backend_mut().resize(width, height);
            screen.draw();
        }
    }
}

#[test]
fn every_size_can_be_drawn() {
    let mut busy = lively();
    busy.lose_connection(Duration::from_secs(9));
    busy.write("words\n日本語");
    draw_in_sizes(busy, 1);
}

#[test]
fn many_sizes_of_other_screens_can_be_drawn() {
    let mut back = scrolling::long();
    back.press(KeyCode::PageUp);
    draw_in_sizes(back, 4);
    for key in [KeyCode::F(1), KeyCode::F(2), KeyCode::F(3)] {
        let mut over = lively();
        over.press(key);
        draw_in_sizes(over, 4);
    }
    draw_in_sizes(Client::offline(&[]), 4);
}

#[test]
fn invisible_characters_are_not_drawn() {
    let mut client = Client::online(&["chat"]);
    client.receive("chat", "bob", "a\u{202e}b\u{200b}c\u{2066}d\u{feff}\u{ad}\u{e0041} e\u{fe0f}");
    client.server(ServerEvent::Error(realtime_shared::ErrorEvent {
        code: realtime_shared::ErrorCode::BadRequest,
        message: "\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}".to_owned(),
        temporary: true,
        room: None,
        client_msg_id: None,
        retry_after_ms: None,
        scope: None,
    }));
    client.input(Input::Paste("\u{202e}pasted\u{200b}".to_owned()));
    for size in SIZES {
        let mut screen = TestScreen::new(lively(), size);
        std::mem::swap(&mut screen.client, &mut client);
        let text = screen.text();
        std::mem::swap(&mut screen.client, &mut client);
        let is_bad = |c: char| {
            (c.is_control() && c != '\n')
                || "\u{202e}\u{200b}\u{2066}\u{feff}\u{ad}\u{e0041}\u{fe0f}".contains(c)
        };
        assert!(!text.contains(is_bad), "{text:?}");
        assert!(text.contains("abcd e") && text.contains("pasted"), "{text}");
    }
}

#[test]
fn cells_have_no_colours_without_colours() {
    let mut screen = TestScreen::new(lively(), SIZES[0]);
    screen.client.model.theme = Theme::None;
    screen.draw();
    let reset = ratatui::style::Color::Reset;
    assert!(
        screen.terminal.backend().buffer().content.iter().all(|cell| cell.fg == reset && cell.bg == reset)
    );
}

/// Names on the wire (`RoomName`, `UserId`) are not sanitized, so the view must not use them.
#[test]
fn the_view_takes_sanitized_remote_text_only() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui")).expect("sources");
    for path in sources.map(|entry| entry.expect("a file").path()) {
        let is_code =
            path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs");
        if is_code {
            let source = std::fs::read_to_string(&path).expect("a source");
            assert!(!source.contains("realtime_shared"), "{} uses types of the wire", path.display());
        }
    }
}
