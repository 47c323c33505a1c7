//! Screens as text, in the three sizes of the design.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, CellWidth};
use realtime_shared::{Recovery, RoomSummary, Rooms, Seq, ServerEvent};

use super::*;
use crate::app::Effect;
use crate::app::testing::{Client, room};
use crate::net::{Event, SendState};

const SIZES: [(u16, u16); 3] = [(120, 40), (80, 24), (40, 10)];

/// A client with a screen.
struct Screen {
    client: Client,
    state: ViewState,
    terminal: Terminal<TestBackend>,
}

impl Screen {
    fn new(client: Client, (width, height): (u16, u16)) -> Self {
        let terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        Self { client, state: ViewState::new(Look::new(true)), terminal }
    }

    /// Draws, loads what is missing, and reads the screen.
    fn text(&mut self) -> String {
        self.draw();
        text(self.terminal.backend().buffer())
    }

    fn draw(&mut self) {
        self.terminal.draw(|frame| view(&self.client.model, &mut self.state, frame)).expect("drawn");
        if let Some(viewed) = self.state.viewed() {
            self.client.input(viewed);
        }
    }

    fn press(&mut self, code: KeyCode) {
        let effects = self.client.press(code);
        self.run(effects);
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Scroll(scroll) = effect {
                self.state.scroll(&self.client.model, scroll);
            }
        }
    }
}

fn text(buffer: &Buffer) -> String {
    let mut lines = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += symbol.cell_width().max(1);
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}

/// A room where much has happened: a recovered gap, notes, wide letters, long lines, messages on their way.
fn lively() -> Client {
    let mut client = Client::online(&["chat-general", "dev", "ops"]);
    client.net(Event::RoundTrip(Duration::from_millis(23)));
    let chat = "chat-general";
    client.says(chat, "alice", "hello everyone");
    client.says(
        chat,
        "bob",
        "see https://example.org/a/rather/long/address/that/does/not/fit/into/any/of/the/columns and more",
    );
    client.pass(60_000);
    client.comes(chat, "dave");
    client.goes(chat, "carol");
    client.says(chat, "李小龍", "功夫就是時間。這是一條很長的消息，需要換行顯示，因為它不適合一行。");
    client.says(chat, "mae 🚀", "liftoff 👩\u{200d}🚀🇩🇪 for @you");
    client.joined(chat, Some(Recovery::Complete { replayed: 37 }), Some(Duration::from_secs(12)));
    client.skip(chat, 40);
    client.says(chat, "alexandra-the-great", "a list:\n  one\n  two");
    client.pass(86_400_000);
    client.says("dev", "bob", "you?");
    for _ in 0..3 {
        client.says("dev", "bob", "x");
    }
    client.says("ops", "bob", "deployed");
    let stored = client.send("fix is out");
    client.comes_back(chat, &stored, "fix is out");
    let refused = client.send("retry?");
    client.state(&refused, SendState::Refused("too many rooms".to_owned()));
    let sent = client.send("on its way");
    client.state(&sent, SendState::Sent);
    client.types(chat, "bob", true);
    client.write("a draft with 日本");
    client
}

fn snapshots(name: &str, client: impl Fn() -> Client) {
    for size in SIZES {
        let mut screen = Screen::new(client(), size);
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), screen.text());
    }
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
        client.lose(Duration::from_millis(11_500));
        client.send("typed while offline");
        client
    });
}

#[test]
fn unread_messages_are_ruled_off() {
    snapshots("new", || {
        let mut client = Client::online(&["chat-general", "dev"]);
        client.alt('2');
        client.says("dev", "bob", "seen");
        client.alt('1');
        for text in ["not seen", "nor this", "nor that"] {
            client.says("dev", "alice", text);
        }
        client.alt('2');
        client.says("dev", "carol", "while looking");
        client
    });
}

#[test]
fn help_over_the_screen() {
    snapshots("help", || {
        let mut client = lively();
        client.press(KeyCode::F(1));
        client
    });
}

#[test]
fn rooms_over_the_screen() {
    snapshots("rooms", || {
        let mut client = lively();
        client.press(KeyCode::F(2));
        let rooms = ["ops", "random", "日本"]
            .map(|name| RoomSummary {
                room: room(name),
                member_count: 12,
                position: realtime_shared::Position::Start,
                last_ts: None,
            })
            .to_vec();
        client.server(ServerEvent::Rooms(Rooms { rooms, has_more: true }));
        client.press(KeyCode::Down);
        client
    });
}

#[test]
fn members_over_the_screen() {
    snapshots("members", || {
        let mut client = lively();
        client.press(KeyCode::F(3));
        client
    });
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

/// 100 messages, each a row.
fn long() -> Client {
    let mut client = Client::offline(&["chat"]);
    client.connect();
    client.joined("chat", None, None);
    let page: Vec<_> =
        (101..=200).map(|seq| client.message("chat", "bob", &format!("m{seq}"), seq)).collect();
    client.history("chat", &page, true);
    client.skip("chat", 200);
    client
}

/// The numbers of the messages that are visible.
fn visible(text: &str) -> Vec<u64> {
    text.split_whitespace().filter_map(|word| word.strip_prefix('m')?.parse().ok()).collect()
}

#[test]
fn scrolled_back_the_view_is_pinned() {
    let mut screen = Screen::new(long(), (80, 24));
    let end = visible(&screen.text());
    assert_eq!(end.last(), Some(&200));
    screen.press(KeyCode::PageUp);
    let page = visible(&screen.text());
    assert_eq!(page.last(), Some(&(end[0] + 1)), "a page is a screen less two rows of overlap");
    screen.client.says("chat", "alice", "news");
    let text = screen.text();
    assert_eq!(visible(&text), page, "pinned");
    let below = 200 - page.last().expect("some") + 1;
    assert!(text.contains(&format!("↓ {below} newer (End)")), "{text}");
    screen.press(KeyCode::PageDown);
    assert_eq!(visible(&screen.text()).last(), Some(&200), "the newest but one");
    screen.press(KeyCode::End);
    let text = screen.text();
    assert!(text.contains("news") && !text.contains("newer"), "{text}");
    screen.client.says("chat", "alice", "follows");
    assert!(screen.text().contains("follows"), "at the end the view follows");
}

#[test]
fn older_messages_load_and_the_view_stays() {
    let mut screen = Screen::new(long(), (80, 24));
    screen.text();
    screen.press(KeyCode::Home);
    let top = visible(&screen.text());
    assert_eq!(top.first(), Some(&101));
    screen.press(KeyCode::PageUp);
    let effects = {
        screen.draw();
        screen.state.viewed().map(|viewed| screen.client.input(viewed)).unwrap_or_default()
    };
    assert!(effects.is_empty(), "asked for already");
    let page: Vec<_> =
        (51..=100).map(|seq| screen.client.message("chat", "bob", &format!("m{seq}"), seq)).collect();
    screen.client.history("chat", &page, true);
    assert_eq!(visible(&screen.text()).last(), top.last(), "what was read stays where it was");
    screen.press(KeyCode::PageUp);
    assert_eq!(visible(&screen.text()).last(), Some(&100));
    assert_eq!(screen.client.model.room().map(|room| room.pane.timeline.last_seq()), Some(Seq::new(200)));
}

#[test]
fn own_words_bring_back_to_the_end() {
    let mut screen = Screen::new(long(), (80, 24));
    screen.text();
    screen.press(KeyCode::PageUp);
    screen.text();
    let effects = screen.client.enter("here");
    screen.run(effects);
    assert!(screen.text().contains("here"));
}

#[test]
fn each_room_is_scrolled_for_itself() {
    let mut client = long();
    client.enter("/join dev");
    client.alt('1');
    let mut screen = Screen::new(client, (80, 24));
    screen.text();
    screen.press(KeyCode::PageUp);
    let page = visible(&screen.text());
    screen.client.alt('2');
    screen.text();
    screen.client.alt('1');
    assert_eq!(visible(&screen.text()), page);
}

/// Draws in the sizes up to 130 × 45 that are `step` apart.
fn draw_in_sizes(client: Client, step: usize) {
    let mut screen = Screen::new(client, (1, 1));
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
    busy.lose(Duration::from_secs(9));
    busy.write("words\n日本語");
    draw_in_sizes(busy, 1);
}

#[test]
fn many_sizes_of_other_screens_can_be_drawn() {
    let mut back = long();
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
fn nothing_invisible_reaches_a_cell() {
    let mut client = Client::online(&["chat"]);
    client.says("chat", "bob", "a\u{202e}b\u{200b}c\u{2066}d\u{feff}\u{ad}\u{e0041} e\u{fe0f}");
    client.server(ServerEvent::Error(realtime_shared::ErrorEvent {
        code: realtime_shared::ErrorCode::BadRequest,
        message: "\u{1b}]0;pwned\u{7}\u{9b}2J\u{202e}".to_owned(),
        temporary: true,
        room: None,
        client_msg_id: None,
        retry_after_ms: None,
    }));
    client.input(Input::Paste("\u{202e}pasted\u{200b}".to_owned()));
    for size in SIZES {
        let mut screen = Screen::new(lively(), size);
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
fn without_colours_no_cell_has_one() {
    let mut screen = Screen::new(lively(), SIZES[0]);
    screen.state = ViewState::new(Look::new(false));
    screen.draw();
    let reset = ratatui::style::Color::Reset;
    assert!(
        screen.terminal.backend().buffer().content.iter().all(|cell| cell.fg == reset && cell.bg == reset)
    );
}

/// Names on the wire (`RoomName`, `UserId`) are not cleaned: the view does not see them.
#[test]
fn the_view_takes_remote_text_cleaned_only() {
    let sources = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/ui")).expect("sources");
    for path in sources.map(|entry| entry.expect("a file").path()) {
        let is_code =
            path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs");
        if is_code {
            let source = std::fs::read_to_string(&path).expect("a source");
            assert!(!source.contains("realtime_shared"), "{} sees names of the wire", path.display());
        }
    }
}
