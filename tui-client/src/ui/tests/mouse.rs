//! Mouse input on the screen.

use crate::terminal_input::MouseButton;

use super::super::text::width;
use super::*;

pub(super) const PRESS: MouseEventKind = MouseEventKind::Down(MouseButton::Left);
pub(super) const DRAG: MouseEventKind = MouseEventKind::Drag(MouseButton::Left);
pub(super) const RELEASE: MouseEventKind = MouseEventKind::Up(MouseButton::Left);

/// Screen position of a text.
pub(super) fn place_of(screen: &mut TestScreen, wanted: &str) -> (u16, u16) {
    let text = screen.text();
    let (row, line) = text.lines().enumerate().find(|(_, line)| line.contains(wanted)).expect(wanted);
    let column = width(line.split(wanted).next().expect("its start"));
    (u16::try_from(column).expect("narrow"), u16::try_from(row).expect("low"))
}

fn screen() -> TestScreen {
    let mut client = Client::online(&["chat-general", "dev"]);
    for number in 0..60 {
        client.receive("chat-general", "alice", &format!("message {number}"));
    }
    client.receive("chat-general", "bob", "see https://example.org and 日本 too");
    TestScreen::new(client, (120, 40))
}

#[test]
fn a_click_goes_to_a_room() {
    let mut screen = screen();
    let at = place_of(&mut screen, "dev");
    screen.mouse(PRESS, at);
    assert_eq!(screen.client.model.pane().title.as_str(), "dev");
}

#[test]
fn a_click_into_the_draft_moves_the_cursor() {
    let mut screen = screen();
    screen.client.write("a draft with 漢字 in it");
    let (column, row) = place_of(&mut screen, "字");
    for (column, before) in
        [(column, "a draft with 漢"), (column + 1, "a draft with 漢"), (90, "a draft with 漢字 in it")]
    {
        screen.mouse(PRESS, (column, row));
        let editor = &screen.client.model.pane().composer.editor;
        assert_eq!(&editor.text()[..editor.cursor()], before);
    }
}

#[test]
fn the_wheel_scrolls_and_loads() {
    let mut screen = screen();
    screen.draw();
    screen.mouse(MouseEventKind::ScrollUp, (40, 10));
    assert!(screen.text().contains("3 newer"), "{}", screen.text());
    screen.mouse(MouseEventKind::ScrollDown, (40, 10));
    assert!(!screen.text().contains("newer"));
}

#[test]
fn a_selection_is_copied_without_stamps_and_nicks() {
    let mut screen = screen();
    let from = place_of(&mut screen, "59");
    let to = place_of(&mut screen, "too");
    screen.mouse(PRESS, from);
    screen.mouse(DRAG, (to.0 + 2, to.1));
    let effects = screen.mouse(RELEASE, to);
    assert_eq!(effects, [Effect::Copy("59\nsee https://example.org and 日本 too".to_owned())]);
    // Backwards, and limited to the text.
    screen.mouse(PRESS, (from.0 + 1, from.1));
    screen.mouse(DRAG, (0, from.1));
    assert_eq!(screen.mouse(RELEASE, (0, 0)), [Effect::Copy("message 59".to_owned())]);
    // A click selects nothing.
    screen.mouse(PRESS, from);
    assert_eq!(screen.mouse(RELEASE, from), []);
}

#[test]
fn a_copied_text_has_no_breaks_of_rows() {
    let said = "a sentence that is wrapped at one of its spaces, and https://example.org/with/an/address/that/is/broken/where/the/row/is/full";
    let code =
        "fn main() {\n    println!(\"a line of code that is broken as well, where the row is full\");\n}";
    for size in [SIZES[0], SIZES[1], (40, 30)] {
        let mut client = Client::online(&["chat"]);
        client.receive("chat", "bob", &format!("first: {said}\n```\n{code}\n```\n> quoted"));
        client.receive("chat", "you", "the last");
        let mut screen = TestScreen::new(client, size);
        let from = place_of(&mut screen, "first:");
        screen.mouse(PRESS, (from.0 + 7, from.1));
        // The sign behind a message is not part of its text.
        let (column, row) = place_of(&mut screen, "the last");
        screen.mouse(DRAG, (column + 9, row));
        let copied = format!("{said}\n{code}\nquoted\nthe last");
        assert_eq!(screen.mouse(RELEASE, (0, 0)), [Effect::Copy(copied)]);
        screen.mouse(PRESS, (column + 8, row));
        screen.mouse(DRAG, (column + 9, row));
        assert_eq!(screen.mouse(RELEASE, (0, 0)), []);
    }
}

#[test]
fn an_overlay_takes_the_mouse() {
    let mut screen = screen();
    screen.press(KeyCode::F(2));
    let at = place_of(&mut screen, "dev");
    screen.mouse(PRESS, at);
    assert_eq!(screen.client.model.pane().title.as_str(), "dev");
    assert_eq!(screen.client.model.overlay, None);
    screen.press(KeyCode::F(1));
    let before = screen.text();
    assert_eq!(screen.mouse(PRESS, (2, 2)), []);
    screen.mouse(MouseEventKind::ScrollDown, (2, 2));
    assert_ne!(screen.text(), before, "the help scrolls");
}

#[test]
fn the_mouse_can_be_left_to_the_terminal() {
    let mut screen = screen();
    assert_eq!(screen.client.alt('m'), [Effect::Mouse(false)]);
    assert_eq!(screen.client.alt('m'), [Effect::Mouse(true)]);
}
