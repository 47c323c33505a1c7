//! Property: any text, from any user and at any size, leaves the screen intact.

use proptest::prelude::*;
use realtime_shared::{Text, UserId};
use unicode_segmentation::UnicodeSegmentation;

use super::*;
use crate::app::Input;

const CHAT: &str = "chat-general";

/// Text that may break a screen: wide and joined characters, marks, controls, directions, markup, long words.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,12}",
        Just("\n".to_owned()),
        Just("日本語の長い文".to_owned()),
        Just("👩\u{200d}👩\u{200d}👧\u{200d}👦".to_owned()),
        Just("🇩🇪🏴\u{e0067}\u{e007f}☁\u{fe0f}".to_owned()),
        Just("e\u{301}\u{302}\u{303}\u{304}\u{305}".to_owned()),
        Just("\u{202e}\u{2067}\u{200b}\u{feff}\u{ad}".to_owned()),
        Just("\t\u{1b}[2J\u{9b}31m\u{7}\u{0}".to_owned()),
        Just("https://example.org/a(b)?c=d&e=ü#f".to_owned()),
        Just("```\nlet x = \"日本\";\n```".to_owned()),
        Just("> **a** _b_ `c` @you ".to_owned()),
        "[^\u{0}]{0,6}",
        "x{0,90}",
    ]
}

fn text_of_pieces(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 1..most).prop_map(|pieces| pieces.concat())
}

/// A screen with these messages, a draft in the composer, and an overlay.
fn screen(said: &[(String, String)], draft: &str, over: u8, size: (u16, u16)) -> TestScreen {
    let mut client = Client::online(&[CHAT, "dev"]);
    for (nick, text) in said {
        if UserId::new(nick).is_ok() && Text::new(text).is_ok() {
            client.receive(CHAT, nick, text);
            client.member_joins(CHAT, nick);
            client.member_types(CHAT, nick, true);
        }
    }
    client.input(Input::Paste(draft.to_owned()));
    let mut screen = TestScreen::new(client, size);
    screen.draw();
    match over {
        0 => screen.press(KeyCode::F(1)),
        1 => screen.press(KeyCode::F(2)),
        2 => screen.press(KeyCode::F(3)),
        3 => screen.press(KeyCode::PageUp),
        4 => _ = screen.client.ctrl('p'),
        5 => screen.press(KeyCode::Tab),
        6 => {
            let effects = [screen.client.ctrl('f'), screen.client.write("a")].concat();
            screen.run(effects);
        }
        _ => {}
    }
    screen.draw();
    screen
}

/// Checks that each cell holds one visible grapheme, or is the second half of a wide one. Nothing crosses the screen's
/// edge.
pub(super) fn check_cells(buffer: &Buffer) -> Result<(), TestCaseError> {
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            let cells = cells(symbol);
            prop_assert!(symbol.graphemes(true).count() <= 1, "{x},{y}: {symbol:?}");
            prop_assert!(!symbol.chars().any(char::is_control), "{x},{y}: {symbol:?}");
            prop_assert!(
                !symbol.contains(['\u{202e}', '\u{2067}', '\u{200b}', '\u{feff}', '\u{ad}', '\u{fe0f}']),
                "{x},{y}: {symbol:?}"
            );
            prop_assert!(x + cells <= buffer.area.width, "{x},{y}: {symbol:?} is cut");
            x += cells;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_text_breaks_the_screen(
        said in prop::collection::vec(("[a-zé日👩]{1,20}", text_of_pieces(20)), 0..8),
        draft in text_of_pieces(8),
        over in 0..9_u8,
        width in 1..200_u16,
        height in 1..60_u16,
    ) {
        let screen = screen(&said, &draft, over, (width, height));
        let buffer = screen.terminal.backend().buffer();
        check_cells(buffer)?;
        let is_covered = screen.client.model.overlay.is_some();
        if width >= MEDIUM.0 && height >= MEDIUM.1 && !is_covered {
            let mut rules = vec![rooms_width(width)];
            rules.extend((width >= WIDE).then(|| width - 21));
            for (rule, y) in rules.into_iter().flat_map(|rule| (0..height).map(move |y| (rule, y))) {
                prop_assert_eq!(buffer[(rule, y)].symbol(), "│", "column {} of row {}", rule, y);
            }
        }
    }
}

#[test]
fn hints_name_the_configured_keys() {
    let mut client = Client::online(&[CHAT]);
    let refused = client.send("hello");
    client.state(&refused, SendState::Refused("too many rooms".to_owned()));
    client.model.keymap.remap("retry", &["Ctrl-G"]).expect("an action");
    client.model.keymap.remap("help", &["F9"]).expect("an action");
    let shown = TestScreen::new(client, SIZES[0]).text();
    assert!(shown.contains("(Ctrl-G)") && shown.contains("F9 help") && !shown.contains("Ctrl-R"), "{shown}");
}
