//! Keys with a number: the kitty keyboard protocol (`CSI code u`) and xterm's modifyOtherKeys (`CSI 27 ; mods ; code ~`).

use super::event::{KeyCode, KeyEvent, KeyModifiers};
use super::parameters::Parameters;

/// The bit of the Caps Lock key in the modifiers.
const CAPS_LOCK: u32 = 64;
/// The event type of a released key.
const RELEASE: u32 = 3;

/// Modifiers of a sequence, in the field with this index. `None` if the key was released.
pub(super) fn modifiers(parameters: Parameters<'_>, index: usize) -> Option<KeyModifiers> {
    if parameters.number(index, 1) == Some(RELEASE) {
        return None;
    }
    Some(KeyModifiers::from_bits_truncate(low_byte(bits(parameters, index))))
}

/// Bits of the modifiers, the lock keys included. The protocols add 1 to them.
fn bits(parameters: Parameters<'_>, index: usize) -> u32 {
    parameters.number(index, 0).unwrap_or(1).saturating_sub(1)
}

fn low_byte(bits: u32) -> u8 {
    bits.to_le_bytes()[0]
}

/// The key of `CSI code : shifted : base ; modifiers : event u`.
pub(super) fn kitty(parameters: Parameters<'_>) -> Option<KeyEvent> {
    let modifiers = modifiers(parameters, 1)?;
    let character = |part| parameters.number(0, part).and_then(char::from_u32).filter(|c| !c.is_control());
    let key = KeyEvent {
        shifted: character(1).filter(|_| modifiers.contains(KeyModifiers::SHIFT)),
        base: character(2),
        ..KeyEvent::new(code(parameters.number(0, 0)?)?, modifiers)
    };
    Some(with_text(key, bits(parameters, 1) & CAPS_LOCK != 0))
}

/// The key of `CSI 27 ; modifiers ; code ~`.
pub(super) fn modify_other_keys(parameters: Parameters<'_>) -> Option<KeyEvent> {
    let key = KeyEvent::new(code(parameters.number(2, 0)?)?, modifiers(parameters, 1)?);
    Some(with_text(key, false))
}

/// The key with the character that it writes, if its modifiers leave it text.
fn with_text(key: KeyEvent, has_caps_lock: bool) -> KeyEvent {
    let KeyCode::Char(c) = key.code else { return key };
    if !KeyModifiers::SHIFT.contains(key.modifiers) {
        return key;
    }
    let has_shift = !key.modifiers.is_empty();
    let written = match key.shifted {
        Some(shifted) if !has_caps_lock => shifted,
        _ if has_shift != has_caps_lock => single(c, c.to_uppercase()),
        _ if has_shift => single(c, c.to_lowercase()),
        _ => c,
    };
    KeyEvent { code: KeyCode::Char(written), shifted: None, ..key }
}

/// The only character of `mapped`, or `c`.
fn single(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => c,
    }
}

/// The key with this number: a character, or one of kitty's numbers for keys without a character.
fn code(number: u32) -> Option<KeyCode> {
    Some(match number {
        9 => KeyCode::Tab,
        13 | 57_414 => KeyCode::Enter,
        27 => KeyCode::Esc,
        8 | 127 => KeyCode::Backspace,
        57_376..=57_398 => KeyCode::F(13 + low_byte(number - 57_376)),
        57_399..=57_408 => KeyCode::Char(char::from(b'0' + low_byte(number - 57_399))),
        57_409 => KeyCode::Char('.'),
        57_410 => KeyCode::Char('/'),
        57_411 => KeyCode::Char('*'),
        57_412 => KeyCode::Char('-'),
        57_413 => KeyCode::Char('+'),
        57_415 => KeyCode::Char('='),
        57_416 => KeyCode::Char(','),
        57_417 => KeyCode::Left,
        57_418 => KeyCode::Right,
        57_419 => KeyCode::Up,
        57_420 => KeyCode::Down,
        57_421 => KeyCode::PageUp,
        57_422 => KeyCode::PageDown,
        57_423 => KeyCode::Home,
        57_424 => KeyCode::End,
        57_425 => KeyCode::Insert,
        57_426 => KeyCode::Delete,
        // The private use area of Unicode: media keys, lock keys, modifiers as keys.
        0xe000..=0xf8ff => return None,
        _ => KeyCode::Char(char::from_u32(number).filter(|c| !c.is_control())?),
    })
}
