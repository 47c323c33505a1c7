//! A key with what is held down: read from a terminal's event, written and parsed as `Ctrl-K`.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Names of keys that are no character.
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
/// The same, as others write them.
const ALIASES: &[(&str, &str)] =
    &[("escape", "Esc"), ("return", "Enter"), ("pageup", "PgUp"), ("pagedown", "PgDn"), ("del", "Delete")];
const MODIFIERS: [(&str, KeyModifiers); 3] =
    [("Ctrl", KeyModifiers::CONTROL), ("Alt", KeyModifiers::ALT), ("Shift", KeyModifiers::SHIFT)];
/// What terminals send for these is another key.
const TAKEN: [(&str, &str); 3] = [("Ctrl-I", "Tab"), ("Ctrl-M", "Enter"), ("Ctrl-[", "Esc")];

/// A key with the modifiers that count. Letters with Ctrl or Alt are small, and Shift is not told apart there: few
/// terminals tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

impl Chord {
    /// A tab, which is text where it is not bound.
    pub(super) const TAB: Self = Self { code: KeyCode::Tab, modifiers: KeyModifiers::NONE };

    fn new(code: KeyCode, modifiers: KeyModifiers) -> Self {
        let mut modifiers = modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT);
        let code = match code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            KeyCode::Char(c) => {
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(if modifiers.is_empty() { c } else { c.to_ascii_lowercase() })
            }
            code => code,
        };
        Self { code, modifiers }
    }

    /// The character that is written, where the chord is one.
    pub(super) fn character(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if self.modifiers.is_empty() => Some(c),
            _ => None,
        }
    }

    pub(super) fn without_shift(self) -> Self {
        Self { modifiers: self.modifiers - KeyModifiers::SHIFT, ..self }
    }

    /// The event that a terminal tells when it is pressed.
    #[must_use]
    pub const fn event(self) -> KeyEvent {
        KeyEvent::new(self.code, self.modifiers)
    }
}

impl From<KeyEvent> for Chord {
    fn from(event: KeyEvent) -> Self {
        Self::new(event.code, event.modifiers)
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
            // Nothing else is made.
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
                return Err(format!("`{text}`: before the dash stands Ctrl, Alt or Shift"));
            };
            modifiers |= *modifier;
            rest = after;
        }
        let code = code(rest)
            .ok_or_else(|| format!("`{text}` is no key: a character, F1 to F12, or one of {}", names()))?;
        let chord = Self::new(code, modifiers);
        if chord.character().is_some() {
            return Err(format!("`{text}` is text: a key needs Ctrl or Alt with it"));
        }
        let shown = chord.to_string();
        match TAKEN.iter().find(|(taken, _)| *taken == shown) {
            Some((_, same)) => Err(format!("terminals tell {same} for `{text}`")),
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

    fn read(text: &str) -> Result<String, String> {
        text.parse::<Chord>().map(|chord| chord.to_string())
    }

    #[test]
    fn chords_are_read_as_they_are_written() {
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
    fn what_is_no_key_is_said() {
        for (text, part) in [
            ("k", "is text"),
            ("Shift-k", "is text"),
            ("super-k", "before the dash"),
            ("ctrl-", "no key"),
            ("f13", "no key"),
            ("", "no key"),
            ("ctrl-i", "Tab"),
            ("Ctrl-m", "Enter"),
            ("ctrl-[", "Esc"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn events_of_one_key_are_one_chord() {
        let shifted = KeyEvent::new(KeyCode::Char('K'), KeyModifiers::CONTROL | KeyModifiers::SHIFT);
        assert_eq!(Chord::from(shifted).to_string(), "Ctrl-K");
        let back = KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT);
        assert_eq!(Chord::from(back).to_string(), "Shift-Tab");
        let capital = KeyEvent::new(KeyCode::Char('Ä'), KeyModifiers::SHIFT);
        assert_eq!(Chord::from(capital).character(), Some('Ä'));
    }
}
