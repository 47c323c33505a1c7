//! Sequences of keys without a number of their own: controls, and function keys of xterm, VT220, rxvt, `PuTTY` and the
//! Linux console.

use super::event::{KeyCode, KeyEvent, KeyModifiers};
use super::key_codes;
use super::parameters::Parameters;

/// The key of a control character.
pub(super) fn control(byte: u8) -> KeyEvent {
    let with_control = |c: u8| KeyEvent::new(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    match byte {
        b'\r' => plain(KeyCode::Enter),
        b'\t' => plain(KeyCode::Tab),
        0x7f => plain(KeyCode::Backspace),
        0 => with_control(b' '),
        1..=26 => with_control(byte - 1 + b'a'),
        27 => plain(KeyCode::Esc),
        // The bytes of Ctrl-\, Ctrl-], Ctrl-^ and Ctrl-_, which are also those of Ctrl-4 to Ctrl-7.
        _ => with_control(byte.wrapping_sub(28).wrapping_add(b'4')),
    }
}

/// The key of `CSI … last`, without private marks and intermediate bytes.
pub(super) fn csi(body: &[u8], last: u8) -> Option<KeyEvent> {
    let parameters = Parameters(body);
    if let [b'[', number @ ..] = body {
        return linux_function(number, last);
    }
    if !parameters.is_plain() {
        return None;
    }
    match last {
        b'u' => key_codes::kitty(parameters),
        b'~' if parameters.number(0, 0) == Some(27) => key_codes::modify_other_keys(parameters),
        b'~' => numbered(parameters, KeyModifiers::NONE),
        b'^' => numbered(parameters, KeyModifiers::CONTROL),
        b'$' => numbered(parameters, KeyModifiers::SHIFT),
        b'@' => numbered(parameters, KeyModifiers::CONTROL | KeyModifiers::SHIFT),
        b'a'..=b'd' if body.is_empty() => {
            Some(KeyEvent::new(cursor(last.to_ascii_uppercase())?, KeyModifiers::SHIFT))
        }
        b'Z' => Some(KeyEvent::new(KeyCode::Tab, lettered(parameters)? | KeyModifiers::SHIFT)),
        _ => Some(KeyEvent::new(cursor(last).or_else(|| function(last))?, lettered(parameters)?)),
    }
}

/// The key of `SS3 … last`: cursor keys, function keys and the keypad in their application modes.
pub(super) fn ss3(body: &[u8], last: u8) -> Option<KeyEvent> {
    let modifiers = lettered(Parameters(body))?;
    let code = match last {
        b'a'..=b'd' if body.is_empty() => {
            return Some(KeyEvent::new(cursor(last.to_ascii_uppercase())?, KeyModifiers::CONTROL));
        }
        b'M' => KeyCode::Enter,
        b'I' => KeyCode::Tab,
        b' ' => KeyCode::Char(' '),
        b'X' => KeyCode::Char('='),
        // The keypad has the characters from `*` to `9`, and its letters are in the same order.
        b'j'..=b'y' => KeyCode::Char(char::from(last - b'j' + b'*')),
        _ => cursor(last).or_else(|| function(last))?,
    };
    Some(KeyEvent::new(code, modifiers))
}

/// F1 to F5 of the Linux console: `CSI [ A` to `CSI [ E`.
fn linux_function(number: &[u8], last: u8) -> Option<KeyEvent> {
    let is_function = number.is_empty() && (b'A'..=b'E').contains(&last);
    is_function.then(|| KeyEvent::new(KeyCode::F(last - b'A' + 1), KeyModifiers::NONE))
}

/// Modifiers of a sequence with a letter: `1 ; modifiers`, or only the modifiers in old terminals. Other numbers are
/// those of a report, for example of the cursor's position.
fn lettered(parameters: Parameters<'_>) -> Option<KeyModifiers> {
    match (parameters.count(), parameters.number(0, 0)) {
        (1, _) => key_codes::modifiers(parameters, 0),
        (_, None | Some(1)) => key_codes::modifiers(parameters, 1),
        _ => None,
    }
}

fn cursor(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

fn function(letter: u8) -> Option<KeyCode> {
    (b'P'..=b'S').contains(&letter).then(|| KeyCode::F(letter - b'P' + 1))
}

/// The key of `CSI number ; modifiers ~`, also with the final bytes of rxvt.
fn numbered(parameters: Parameters<'_>, more: KeyModifiers) -> Option<KeyEvent> {
    let code = match u8::try_from(parameters.number(0, 0)?).ok()? {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        number @ 11..=15 => KeyCode::F(number - 10),
        number @ 17..=21 => KeyCode::F(number - 11),
        number @ 23..=26 => KeyCode::F(number - 12),
        number @ (28 | 29) => KeyCode::F(number - 13),
        number @ 31..=34 => KeyCode::F(number - 14),
        _ => return None,
    };
    Some(KeyEvent::new(code, key_codes::modifiers(parameters, 1)? | more))
}
