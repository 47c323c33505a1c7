//! Screens of messages with markup.

use ratatui::style::Modifier;
use realtime_shared::Timestamp;

use super::*;
use crate::markup::tests::typed;

const CHAT: &str = "chat-general";

fn talk() -> Client {
    let mut client = Client::online(&[CHAT]);
    client.receive(CHAT, "alice", "**deploy** at _noon_, see `ops/run.sh --now` and snake_case");
    client.receive(
        CHAT,
        "bob",
        "> deploy at noon\nwhat You said, https://example.org/a/rather/long/address (really)",
    );
    client.receive(CHAT, "carol", "```rust\nfn main() {\n    println!(\"a line of code that is longer than narrow panes are wide\");\n}\n```\nthat's **all**");
    client.receive(CHAT, "bob", "*waves at you*");
    client.receive(CHAT, "alice", "not **closed, 2*3*4 and `so on");
    let id = client.send("*leaves* for **lunch**");
    client.deliver_copy(CHAT, &id, "*leaves* for **lunch**");
    client.send("*is back*");
    client
}

#[test]
fn messages_with_markup() {
    snapshots("markup", talk);
}

/// Modifiers of the first cell of `wanted`.
fn look_of(screen: &TestScreen, wanted: &str) -> Modifier {
    let buffer = screen.terminal.backend().buffer();
    for y in 0..buffer.area.height {
        for x in 0..buffer.area.width {
            let end = buffer.area.width.min(x + u16::try_from(wanted.len()).expect("short"));
            let text: String = (x..end).map(|x| buffer[(x, y)].symbol()).collect();
            if text == wanted {
                return buffer[(x, y)].modifier;
            }
        }
    }
    panic!("no {wanted}: {}", text(buffer))
}

#[test]
fn markup_has_its_styles() {
    for theme in [Theme::Auto, Theme::None] {
        let mut screen = TestScreen::new(talk(), SIZES[0]);
        screen.client.model.theme = theme;
        screen.draw();
        for (text, look) in [
            ("deploy at", Modifier::BOLD),
            ("snake_case", Modifier::empty()),
            ("You said", Modifier::BOLD | Modifier::REVERSED),
            ("https://", Modifier::UNDERLINED),
            ("not **closed", Modifier::empty()),
            ("waves at", Modifier::empty()),
        ] {
            assert_eq!(look_of(&screen, text), look, "{text}");
        }
        let code = look_of(&screen, "ops/run.sh");
        let is_plain = theme == Theme::None;
        assert_eq!(code, if is_plain { Modifier::REVERSED } else { Modifier::empty() });
        let italic = look_of(&screen, "noon,");
        assert_eq!(italic, if is_plain { Modifier::UNDERLINED } else { Modifier::ITALIC });
    }
}

#[test]
fn links_are_hyperlinks_if_the_terminal_supports_them() {
    let address = "https://example.org/a/rather/long/address";
    for (has_links, expected) in [(true, address.len()), (false, 0)] {
        let mut screen = TestScreen::new(talk(), SIZES[1]);
        screen.state = ViewState::new(TERMINAL).with_links(has_links);
        screen.draw();
        let cells = &screen.terminal.backend().buffer().content;
        let open = format!("\x1b]8;id=link;{address}\x1b\\");
        assert_eq!(cells.iter().filter(|cell| cell.symbol().starts_with(&open)).count(), expected);
        assert_eq!(cells.iter().filter(|cell| cell.symbol().contains('\x1b')).count(), expected);
    }
}

#[test]
fn links_over_the_screen() {
    snapshots("links", || {
        let mut client = talk();
        client.receive(CHAT, "bob", "https://example.org/here and mailto:bob@example.org");
        let viewed = client.viewed(0, 7);
        client.input(viewed);
        client.alt('o');
        client.press(KeyCode::Down);
        client
    });
}

/// Several days of history, then a day of joins and leaves.
fn days() -> Client {
    let mut client = Client::online(&[CHAT]);
    client.input(Input::Focus(true));
    client.pass(60 * DAY);
    client.joined(CHAT, None, None);
    let mut page = Vec::new();
    for (seq, (days_ago, minutes, text)) in [
        (45, 0, "last year"),
        (2, 0, "two days ago"),
        (2, 0, "in the same minute"),
        (2, 1, "a minute later"),
        (1, 0, "yesterday"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut message = client.message(CHAT, "alice", text, seq as u64 + 1);
        message.ts = Timestamp::from_millis(message.ts.millis() - days_ago * DAY + minutes * 60_000);
        page.push(message);
    }
    client.skip(CHAT, 5);
    client.history(CHAT, &page, false);
    for who in ["dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj"] {
        client.member_joins(CHAT, who);
    }
    client.member_leaves(CHAT, "carol");
    client.member_leaves(CHAT, "erin");
    client.receive(CHAT, "bob", "so many");
    client.member_leaves(CHAT, "bob");
    client.member_joins(CHAT, "bob");
    client.member_leaves(CHAT, "alice");
    client.pass(DAY);
    client.member_leaves(CHAT, "dave");
    client
}

/// A day, in milliseconds.
const DAY: u64 = 86_400_000;

#[test]
fn days_and_presence() {
    snapshots("days", days);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(48))]

    /// Debug builds of the view panic on a write outside its area.
    #[test]
    fn any_text_can_be_drawn(text in typed(), width in 1u16..=200, height in 1u16..=40) {
        let mut client = Client::online(&[CHAT]);
        if let Ok(text) = realtime_shared::Text::new(&text) {
            client.receive(CHAT, "bob", text.as_str());
        }
        let mut screen = TestScreen::new(client, (width, height));
        screen.state = ViewState::new(TERMINAL).with_links(true);
        screen.draw();
        for cell in &screen.terminal.backend().buffer().content {
            let symbol = cell.symbol();
            let shown = symbol.strip_suffix("\x1b]8;;\x1b\\").map_or(symbol, |open| {
                open.strip_prefix("\x1b]8;id=link;").and_then(|open| open.split_once("\x1b\\")).map_or(open, |(_, shown)| shown)
            });
            proptest::prop_assert!(!shown.contains(char::is_control), "{symbol:?}");
        }
    }
}
