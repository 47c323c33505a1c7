//! Search on the screen: marks of matches, moves to them, and the return.

use ratatui::buffer::Cell;
use ratatui::style::Modifier;

use super::scrolling::long;
use super::*;

impl TestScreen {
    fn ctrl(&mut self, c: char) {
        let effects = self.client.ctrl(c);
        self.run(effects);
        self.draw();
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
            self.draw();
        }
    }

    fn enter(&mut self, text: &str) {
        let effects = self.client.enter(text);
        self.run(effects);
        self.draw();
    }

    /// Underlined letters, either reversed or not.
    fn marked(&self, is_current: bool) -> String {
        let is_marked = |cell: &&Cell| {
            let is = |modifier| cell.modifier.contains(modifier);
            is(Modifier::UNDERLINED | Modifier::BOLD) && is(Modifier::REVERSED) == is_current
        };
        let cells = &self.terminal.backend().buffer().content;
        cells.iter().filter(is_marked).map(Cell::symbol).collect()
    }
}

fn searching(text: &str) -> Client {
    let mut client = lively();
    client.ctrl('f');
    client.write(text);
    client
}

#[test]
fn search_with_matches() {
    snapshots("search", || searching("e"));
}

#[test]
fn search_in_older_messages() {
    snapshots_of("search_stepping", |size| {
        let mut screen = TestScreen::new(lively(), size);
        screen.draw();
        screen.ctrl('f');
        screen.write("everyone");
        screen.press(KeyCode::Enter);
        screen
    });
}

#[test]
fn search_without_matches() {
    snapshots("search_none", || {
        let mut client = long();
        client.ctrl('f');
        client.write("nowhere");
        client
    });
}

#[test]
fn a_screen_that_was_cleared() {
    snapshots("cleared", || {
        let mut client = lively();
        client.ctrl('u');
        client.enter("/clear");
        client.receive("chat-general", "bob", "a fresh start");
        client
    });
}

#[test]
fn the_current_match_differs_without_colours() {
    for size in SIZES {
        let mut screen = TestScreen::new(Client::online(&["chat"]), size);
        screen.client.model.theme = Theme::None;
        for text in ["the **fix** is `in`", "> no fix yet", "hello @you, a fix?"] {
            screen.client.receive("chat", "bob", text);
        }
        screen.ctrl('f');
        screen.write("fix");
        assert_eq!((screen.marked(true), screen.marked(false)), ("fix".into(), "fixfix".into()));
        screen.press(KeyCode::Up);
        screen.ctrl('f');
        assert_eq!((screen.marked(true), screen.marked(false)), ("fix".into(), "fixfix".into()));
        screen.ctrl('u');
        screen.write("you");
        assert_eq!((screen.marked(true), screen.marked(false)), ("you".into(), String::new()), "a mention");
        screen.ctrl('u');
        screen.write("bo");
        assert_eq!((screen.marked(true), screen.marked(false)), ("bob".into(), "bobbob".into()), "nicks");
    }
}

#[test]
fn a_hidden_match_scrolls_into_view_and_escape_returns() {
    for size in SIZES {
        let mut screen = TestScreen::new(long(), size);
        screen.draw();
        screen.press(KeyCode::PageUp);
        let before = screen.text();
        screen.ctrl('f');
        screen.write("m112");
        assert_eq!(screen.marked(true), "m112", "{}", screen.text());
        screen.press(KeyCode::Esc);
        assert_eq!(screen.text(), before);
        screen.ctrl('f');
        screen.write("m112");
        screen.press(KeyCode::Enter);
        screen.press(KeyCode::Enter);
        let text = screen.text();
        assert!(text.contains("m112") && !text.contains("find"), "{text}");
        screen.ctrl('f');
        screen.write("m111");
        let lines = |text: &str| -> Vec<String> {
            text.lines()
                .filter(|line| line.contains(" bob") || line.contains("  m1"))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(lines(&screen.text()), lines(&text), "a visible match does not move the view");
        assert_eq!(screen.marked(true), "m111");
    }
}

#[test]
fn a_match_in_a_text_taller_than_the_screen_is_visible() {
    let mut client = Client::online(&["chat"]);
    let lines: Vec<String> = (100..200).map(|line| format!("line {line}")).collect();
    client.receive("chat", "bob", &lines.join("\n"));
    client.receive("chat", "bob", "the newest");
    for size in SIZES {
        let mut screen = TestScreen::new(Client::online(&["chat"]), size);
        std::mem::swap(&mut screen.client, &mut client);
        screen.draw();
        screen.ctrl('f');
        screen.write("line 123");
        assert_eq!(screen.marked(true), "line 123");
        screen.press(KeyCode::Esc);
        assert!(screen.text().contains("the newest"));
        std::mem::swap(&mut screen.client, &mut client);
    }
}

#[test]
fn new_messages_do_not_move_a_search() {
    let mut screen = TestScreen::new(long(), (80, 24));
    screen.draw();
    screen.ctrl('f');
    screen.write("m200");
    screen.client.receive("chat", "bob", "m200 again");
    let text = screen.text();
    assert!(
        !text.contains("again") && text.contains("↓ 1 newer") && text.contains("1 newer (End)"),
        "{text}"
    );
    assert!(text.contains("2 of 2"), "{text}");
    screen.press(KeyCode::Down);
    assert!(screen.text().contains("m200 again"));
    screen.press(KeyCode::Esc);
    screen.client.receive("chat", "bob", "the newest");
    assert!(screen.text().contains("the newest"), "back at the end, the view follows");
}

#[test]
fn the_cursor_is_in_the_search_line_while_it_is_edited() {
    let cursor = |screen: &mut TestScreen| {
        let position = screen.terminal.get_cursor_position().expect("a cursor");
        (position.x, position.y)
    };
    let mut screen = TestScreen::new(Client::online(&["chat"]), SIZES[2]);
    screen.client.receive("chat", "bob", "日本");
    screen.ctrl('f');
    assert_eq!(cursor(&mut screen), (7, 9));
    screen.write("日本");
    assert_eq!(cursor(&mut screen), (11, 9));
    screen.write(&"x".repeat(100));
    assert!(cursor(&mut screen).0 < 40);
}

#[test]
fn a_cleared_screen_is_empty_until_scrolled_up() {
    for size in SIZES {
        let mut screen = TestScreen::new(long(), size);
        let before = screen.text();
        screen.enter("/clear");
        let text = screen.text();
        assert!(!text.contains("m200") && text.contains("PgUp restores"), "{text}");
        screen.client.receive("chat", "bob", "fresh");
        let text = screen.text();
        assert!(text.contains("fresh") && !text.contains("m200"), "{text}");
        screen.ctrl('f');
        screen.write("m150");
        assert_eq!(screen.marked(true), "m150");
        screen.press(KeyCode::Esc);
        let text = screen.text();
        assert!(text.contains("fresh") && !text.contains("m200"), "{text}");
        screen.press(KeyCode::PageUp);
        let text = screen.text();
        assert!(text.contains("fresh") && text.contains("m200") && before.contains("m200"), "{text}");
        for _ in 0..100 {
            screen.client.receive("chat", "bob", "more");
        }
        screen.press(KeyCode::End);
        screen.enter("/clear");
        for _ in 0..100 {
            screen.client.receive("chat", "bob", "since");
        }
        screen.draw();
        screen.press(KeyCode::PageUp);
        assert!(screen.text().contains("newer"), "the screen scrolls within its own messages");
        for _ in 0..100 {
            screen.press(KeyCode::PageUp);
            if screen.client.model.pane().timeline.first_not_cleared() == 0 {
                break;
            }
            let shown = screen.text().lines().filter(|line| line.contains("since")).count();
            let height = usize::from(size.1);
            assert!(shown + 6 > height, "no empty rows above the first message: {}", screen.text());
        }
        assert!(screen.text().contains("more"), "the older messages are visible again");
    }
}

#[test]
fn a_search_can_be_drawn_in_every_size() {
    draw_in_sizes(searching("e"), 4);
    draw_in_sizes(searching("nothing of that kind"), 4);
    let mut cleared = lively();
    cleared.ctrl('u');
    cleared.enter("/clear");
    draw_in_sizes(cleared, 4);
}
