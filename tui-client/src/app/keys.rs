//! What keys mean, and the list of them that people read.
//!
//! A new key: a variant of [`Action`], an arm in [`action`], a row in [`KEYS`] and in the README; tests hold the
//! three together.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::editor::Motion;

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Write a character.
    Insert(char),
    /// Begin a new line.
    Newline,
    /// Send what is written, or follow it where it is a command.
    Submit,
    /// Move the cursor.
    Move(Motion),
    /// To the start of the line; there already, to the oldest message.
    Home,
    /// To the end of the line; there already, to the newest message.
    End,
    /// A line up, or what was sent before.
    Up,
    /// A line down, or what was sent after.
    Down,
    /// Delete a grapheme.
    Delete(Motion),
    /// Cut.
    Cut(Motion),
    /// Write what was cut.
    PasteCut,
    /// A page back.
    PageUp,
    /// A page on.
    PageDown,
    /// The room of that number, from 0.
    Room(usize),
    /// The room above.
    PreviousRoom,
    /// The room below.
    NextRoom,
    /// The next room with something unread.
    NextUnread,
    /// Connect now, or send a refused message again.
    Retry,
    /// Take an unsent message back into the composer.
    TakeBack,
    /// Show or hide the keys and commands.
    Help,
    /// Show or hide the list of rooms.
    Rooms,
    /// Show or hide who is here.
    Members,
    /// Close what lies over the screen.
    Close,
    /// Draw the screen anew.
    Redraw,
    /// Stop, as a job of the shell.
    Suspend,
    /// Leave the program.
    Quit,
}

/// Keys and what they do, as `/help`, the overlay and the README have them.
pub const KEYS: &[(&str, &str)] = &[
    ("Enter", "send"),
    ("Alt-Enter, Shift-Enter, Ctrl-J", "new line"),
    ("Up, Down", "line up or down; at the first or last one, what you sent before"),
    ("Ctrl-Left, Ctrl-Right", "word left or right (also Alt-B, Alt-F)"),
    ("Ctrl-A, Ctrl-E", "start or end of the line"),
    ("Ctrl-W, Ctrl-U", "cut the word or the line before the cursor"),
    ("Ctrl-Y", "put back what was cut"),
    ("PgUp, PgDn", "a page back or on; loads older messages"),
    ("Home, End", "start or end of the line; there already, oldest or newest message"),
    ("Alt-1 … Alt-9", "that room"),
    ("Alt-Up, Alt-Down", "room above or below"),
    ("Alt-A", "next room with something unread"),
    ("Ctrl-R", "connect now; connected, send a refused message again"),
    ("Ctrl-X", "take an unsent message back, to edit or drop it"),
    ("F1", "this help"),
    ("F2", "rooms"),
    ("F3", "who is here"),
    ("Esc", "close what lies over the screen"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-Z", "suspend"),
    ("Ctrl-C, Ctrl-Q", "quit; asks again where text would be lost"),
];

/// What `key` asks for, where it asks for something.
#[must_use]
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    let modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
    if modifiers.contains(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return None;
    }
    if modifiers.contains(KeyModifiers::CONTROL) {
        return with_control(key.code);
    }
    if modifiers.contains(KeyModifiers::ALT) {
        return with_alt(key.code);
    }
    Some(match key.code {
        KeyCode::Char(c) => Action::Insert(c),
        KeyCode::Tab => Action::Insert('\t'),
        KeyCode::Enter if modifiers.contains(KeyModifiers::SHIFT) => Action::Newline,
        KeyCode::Enter => Action::Submit,
        KeyCode::Left => Action::Move(Motion::Left),
        KeyCode::Right => Action::Move(Motion::Right),
        KeyCode::Up => Action::Up,
        KeyCode::Down => Action::Down,
        KeyCode::Home => Action::Home,
        KeyCode::End => Action::End,
        KeyCode::PageUp => Action::PageUp,
        KeyCode::PageDown => Action::PageDown,
        KeyCode::Backspace => Action::Delete(Motion::Left),
        KeyCode::Delete => Action::Delete(Motion::Right),
        KeyCode::Esc => Action::Close,
        KeyCode::F(1) => Action::Help,
        KeyCode::F(2) => Action::Rooms,
        KeyCode::F(3) => Action::Members,
        _ => return None,
    })
}

fn with_control(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Left => Action::Move(Motion::WordLeft),
        KeyCode::Right => Action::Move(Motion::WordRight),
        KeyCode::Char(c) => match c.to_ascii_lowercase() {
            'j' => Action::Newline,
            'a' => Action::Move(Motion::LineStart),
            'e' => Action::Move(Motion::LineEnd),
            'h' => Action::Delete(Motion::Left),
            'w' => Action::Cut(Motion::WordLeft),
            'u' => Action::Cut(Motion::LineStart),
            'y' => Action::PasteCut,
            'r' => Action::Retry,
            'x' => Action::TakeBack,
            'l' => Action::Redraw,
            'z' => Action::Suspend,
            'c' | 'q' => Action::Quit,
            _ => return None,
        },
        _ => return None,
    })
}

fn with_alt(code: KeyCode) -> Option<Action> {
    Some(match code {
        KeyCode::Enter => Action::Newline,
        KeyCode::Up => Action::PreviousRoom,
        KeyCode::Down => Action::NextRoom,
        KeyCode::Left => Action::Move(Motion::WordLeft),
        KeyCode::Right => Action::Move(Motion::WordRight),
        KeyCode::Backspace => Action::Cut(Motion::WordLeft),
        KeyCode::Char(c) => match c.to_ascii_lowercase() {
            digit @ '1'..='9' => Action::Room(digit as usize - '1' as usize),
            'a' => Action::NextUnread,
            'b' => Action::Move(Motion::WordLeft),
            'f' => Action::Move(Motion::WordRight),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(label: &str) -> KeyEvent {
        let (modifiers, name) = match label.split_once('-') {
            Some(("Ctrl", name)) => (KeyModifiers::CONTROL, name),
            Some(("Alt", name)) => (KeyModifiers::ALT, name),
            Some(("Shift", name)) => (KeyModifiers::SHIFT, name),
            _ => (KeyModifiers::NONE, label),
        };
        let code = match name {
            "Enter" => KeyCode::Enter,
            "Up" => KeyCode::Up,
            "Down" => KeyCode::Down,
            "Left" => KeyCode::Left,
            "Right" => KeyCode::Right,
            "PgUp" => KeyCode::PageUp,
            "PgDn" => KeyCode::PageDown,
            "Home" => KeyCode::Home,
            "End" => KeyCode::End,
            "Esc" => KeyCode::Esc,
            "F1" => KeyCode::F(1),
            "F2" => KeyCode::F(2),
            "F3" => KeyCode::F(3),
            one if one.len() == 1 => KeyCode::Char(one.to_ascii_lowercase().chars().next().expect("one")),
            other => panic!("{other}"),
        };
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn every_key_in_the_list_does_something() {
        for (labels, _) in KEYS {
            for label in labels.split(", ").flat_map(|label| label.split(" … ")) {
                assert!(
                    !matches!(action(parse(label)), None | Some(Action::Insert(_))),
                    "{label} does nothing"
                );
            }
        }
        assert_eq!(action(parse("Ctrl-R")), Some(Action::Retry));
        assert_eq!(action(parse("Alt-9")), Some(Action::Room(8)));
    }

    #[test]
    fn capitals_are_text() {
        let key = KeyEvent::new(KeyCode::Char('Ä'), KeyModifiers::SHIFT);
        assert_eq!(action(key), Some(Action::Insert('Ä')));
    }
}
