//! Chords: a key with its modifiers, from a terminal event, or from text such as `Ctrl-K`.

use std::fmt;
use std::str::FromStr;

use crate::terminal_input::{KeyCode, KeyEvent, KeyModifiers};

/// Names of keys that are not characters.
const NAMES: &[(&str, KeyCode)] = &[
    ("Enter", KeyCode::Enter),
    ("Esc", KeyCode::Esc),
    ("Tab", KeyCode::Tab),
    ("Space", KeyCode::Char(' ')),
    ("Backspace", KeyCode::Backspace),
    ("Delete", KeyCode::Delete),
    ("Insert", KeyCode::Insert),
    ("Up", KeyCode::Up),
    ("Down", KeyCode::Down),
    ("Left", KeyCode::Left),
    ("Right", KeyCode::Right),
    ("Home", KeyCode::Home),
    ("End", KeyCode::End),
    ("PgUp", KeyCode::PageUp),
    ("PgDn", KeyCode::PageDown),
];
/// Other spellings of these names.
const ALIASES: &[(&str, &str)] =
    &[("escape", "Esc"), ("return", "Enter"), ("pageup", "PgUp"), ("pagedown", "PgDn"), ("del", "Delete")];
const MODIFIERS: [(&str, KeyModifiers); 3] =
    [("Ctrl", KeyModifiers::CONTROL), ("Alt", KeyModifiers::ALT), ("Shift", KeyModifiers::SHIFT)];
/// Chords for which terminals send another key.
const TAKEN: [(&str, &str); 3] = [("Ctrl-I", "Tab"), ("Ctrl-M", "Enter"), ("Ctrl-[", "Esc")];

/// A key with its modifiers. With Ctrl or Alt, letters are lower case and Shift is ignored: few terminals report it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// The Tab key, which writes a tab if it is not bound.
    pub(super) const TAB: Self = Self { code: KeyCode::Tab, modifiers: KeyModifiers::NONE };

    fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(if modifiers.is_empty() { c } else { c.to_ascii_lowercase() })
            }
            code => code,
        };
        Self { code, modifiers }
    }

    /// Returns the character that the chord writes.
    pub(super) fn character(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }

    pub(super) fn without_shift(self) -> Self {
        Self { modifiers: self.modifiers - KeyModifiers::SHIFT, ..self }
    }

    /// Returns the event that a terminal reports for the chord.
    #[must_use]
    pub const fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }
}

impl Chord {
    /// Chords of an event, the preferred one first. With Shift, a key may be bound by the character that Shift gives. In
    /// a layout without Latin letters, Ctrl and Alt are with the key at the same place of a US keyboard.
    pub(super) fn of(event: KeyEvent) -> impl Iterator<Item = Self> {
        let is_latin = matches!(event.code, KeyCode::Char(c) if c.is_ascii());
        let is_chord = event.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        let is_used = !event.modifiers.intersects(KeyModifiers::UNUSED);
        let shifted = event.shifted.filter(|_| is_chord).map(KeyCode::Char);
        let base = event.base.filter(|_| is_chord && !is_latin).map(KeyCode::Char);
        let codes = [shifted, Some(event.code), base].into_iter().flatten().filter(move |_| is_used);
        codes.map(move |code| Self::new(code, event.modifiers))
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, modifier) in MODIFIERS {
            if self.modifiers.contains(modifier) {
                write!(f, "{name}-")?;
            }
        }
        match (NAMES.iter().find(|(_, code)| *code == self.code), self.code) {
            (Some((name, _)), _) => f.write_str(name),
            (None, KeyCode::F(number)) => write!(f, "F{number}"),
            (None, KeyCode::Char(c)) => write!(f, "{}", c.to_ascii_uppercase()),
            // No other code is constructed.
            (None, _) => f.write_str("?"),
        }
    }
}

impl FromStr for Chord {
    type Err = String;

    /// Reads `Ctrl-K`, `alt-enter`, `F12`. An error is a sentence for the user.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut rest = text.trim();
        let mut modifiers = KeyModifiers::NONE;
        while let Some((name, after)) = rest.split_once('-').filter(|(_, after)| !after.is_empty()) {
            let known = MODIFIERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            let Some((_, modifier)) = known else {
                return Err(format!("`{text}`: Ctrl, Alt or Shift must stand before the dash"));
            };
            modifiers |= *modifier;
            rest = after;
        }
        let code = code(rest).ok_or_else(|| {
            format!("`{text}` is not a key: use a character, F1 to F12, or one of {}", names())
        })?;
        let chord = Self::new(code, modifiers);
        if chord.character().is_some() {
            return Err(format!("`{text}` is text: add Ctrl or Alt"));
        }
        let shown = chord.to_string();
        match TAKEN.iter().find(|(taken, _)| *taken == shown) {
            Some((_, same)) => Err(format!("terminals send {same} for `{text}`")),
            None => Ok(chord),
        }
    }
}

fn code(name: &str) -> Option<KeyCode> {
    let name =
        ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name)).map_or(name, |(_, name)| name);
    if let Some((_, code)) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Some(*code);
    }
    let mut letters = name.chars();
    match (letters.next()?, letters.as_str()) {
        (c, "") if !c.is_control() => Some(KeyCode::Char(c)),
        ('f' | 'F', number) => number.parse().ok().filter(|number| (1..=12).contains(number)).map(KeyCode::F),
        _ => None,
    }
}

fn names() -> String {
    NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chords(event: KeyEvent) -> Vec<String> {
        Chord::of(event).map(|chord| chord.to_string()).collect()
    }

    fn read(text: &str) -> Result<String, String> {
        text.parse::<Chord>().map(|chord| chord.to_string())
    }

    #[test]
    fn chords_are_parsed_from_their_text() {
        for (text, shown) in [
            ("ctrl-k", "Ctrl-K"),
            ("CTRL-ALT-x", "Ctrl-Alt-X"),
            ("Shift-Enter", "Shift-Enter"),
            ("f12", "F12"),
            ("alt--", "Alt--"),
            ("Ctrl-/", "Ctrl-/"),
            ("escape", "Esc"),
            ("shift-tab", "Shift-Tab"),
            ("ctrl-shift-k", "Ctrl-K"),
            ("alt-ä", "Alt-ä"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(shown), "{text}");
            assert_eq!(read(shown).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn an_invalid_chord_is_explained() {
        for (text, part) in [
            ("k", "is text"),
            ("Shift-k", "is text"),
            ("super-k", "before the dash"),
            ("ctrl-", "not a key"),
            ("f13", "not a key"),
            ("", "not a key"),
            ("ctrl-i", "Tab"),
            ("Ctrl-m", "Enter"),
            ("ctrl-[", "Esc"),
            ("ctrl-\u{7f}", "not a key"),
            ("ctrl-foo", "Enter, "),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn events_of_one_key_give_one_chord() {
        let shifted = KeyEvent::new(KeyCode::Char('K'), KeyModifiers::CONTROL | KeyModifiers::SHIFT);
        assert_eq!(chords(shifted), ["Ctrl-K"]);
        let back = KeyEvent::new(KeyCode::Tab, KeyModifiers::SHIFT);
        assert_eq!(chords(back), ["Shift-Tab"]);
        let capital = KeyEvent::new(KeyCode::Char('Ä'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(capital).next().and_then(Chord::character), Some('Ä'));
    }

    #[test]
    fn a_key_of_another_layout_has_the_chord_of_its_place() {
        let key = |c, modifiers, base| KeyEvent { base, ..KeyEvent::new(KeyCode::Char(c), modifiers) };
        let (control, alt) = (KeyModifiers::CONTROL, KeyModifiers::ALT);
        assert_eq!(chords(key('л', control, Some('k'))), ["Ctrl-л", "Ctrl-K"]);
        assert_eq!(chords(key('ф', alt, Some('a'))), ["Alt-ф", "Alt-A"]);
        // A Latin layout is used as it is: `Ctrl-A` of a French keyboard is not `Ctrl-Q`.
        assert_eq!(chords(key('a', control, Some('q'))), ["Ctrl-A"]);
        // A letter without Ctrl and Alt is text.
        assert_eq!(chords(key('ф', KeyModifiers::NONE, Some('a'))), ["ф"]);
    }

    #[test]
    fn a_shifted_key_is_also_bound_by_its_character() {
        let event = KeyEvent::new(KeyCode::Char('7'), KeyModifiers::CONTROL | KeyModifiers::SHIFT);
        assert_eq!(chords(KeyEvent { shifted: Some('/'), ..event }), ["Ctrl-/", "Ctrl-7"]);
    }

    #[test]
    fn a_key_with_an_unused_modifier_has_no_chord() {
        for modifier in [KeyModifiers::SUPER, KeyModifiers::HYPER, KeyModifiers::META] {
            let event = KeyEvent::new(KeyCode::Char('k'), KeyModifiers::CONTROL | modifier);
            assert_eq!(chords(event), Vec::<String>::new());
        }
    }
}
