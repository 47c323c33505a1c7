//! Meaning of a token.

use super::event::{KeyCode, KeyEvent, KeyModifiers, Report, TerminalEvent};
use super::key_table;
use super::mouse;
use super::parameters::Parameters;
use super::tokenizer::{Token, TokenKind};

/// Meaning of a [`Token`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Event(TerminalEvent),
    /// The opening mark of a paste.
    PasteStart,
    /// A sequence that is unknown or not used.
    Nothing,
}

impl Meaning {
    /// The meaning of a token without its ESC, and true if that ESC is the Alt key. Otherwise it is the Esc key.
    pub(super) fn of(kind: &TokenKind) -> (Self, bool) {
        let key = |key| Self::Event(TerminalEvent::Key(key));
        match kind {
            TokenKind::Escape => (key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)), false),
            TokenKind::Control(byte) => (key(key_table::control(*byte)), true),
            TokenKind::Char(c) => (key(KeyEvent::new(KeyCode::Char(*c), KeyModifiers::NONE)), true),
            TokenKind::Csi(body, last) => csi(body, *last),
            TokenKind::Ss3(body, last) => {
                key_table::ss3(body, *last).map_or((Self::Nothing, false), prefixed)
            }
            TokenKind::X10(bytes) => (mouse::x10(*bytes).map_or(Self::Nothing, mouse_event), false),
            TokenKind::Text(b']', text) => (osc(text), false),
            TokenKind::Text(..) | TokenKind::Unknown => (Self::Nothing, false),
        }
    }

    /// Writes the events of a token. Returns true if the token begins a paste.
    pub(super) fn write(token: &Token, events: &mut Vec<TerminalEvent>) -> bool {
        let (mut meaning, is_alt) = Self::of(&token.kind);
        if token.is_escaped {
            match &mut meaning {
                Self::Event(TerminalEvent::Key(key)) if is_alt => key.modifiers |= KeyModifiers::ALT,
                _ => events.push(TerminalEvent::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE))),
            }
        }
        if let Self::Event(TerminalEvent::Key(key)) = &mut meaning {
            key.is_prefixed &= token.is_escaped;
        }
        match meaning {
            Self::Event(event) => {
                events.push(event);
                false
            }
            Self::PasteStart => true,
            Self::Nothing => false,
        }
    }
}

/// A function key, with an ESC before it as Alt.
fn prefixed(key: KeyEvent) -> (Meaning, bool) {
    (Meaning::Event(TerminalEvent::Key(KeyEvent { is_prefixed: true, ..key })), true)
}

fn mouse_event(event: super::event::MouseEvent) -> Meaning {
    Meaning::Event(TerminalEvent::Mouse(event))
}

fn csi(body: &[u8], last: u8) -> (Meaning, bool) {
    let other = match (body, last) {
        ([b'<', rest @ ..], b'M' | b'm') => mouse::sgr(Parameters(rest), last).map(mouse_event),
        (_, b'M') => mouse::urxvt(Parameters(body)).map(mouse_event),
        ([b'?', ..], b'c') => Some(report(Report::DeviceAttributes)),
        ([b'?', flags @ ..], b'u') if flags.iter().all(u8::is_ascii_digit) => {
            Some(report(Report::KeyboardProtocol))
        }
        (b"", b'I') => Some(Meaning::Event(TerminalEvent::Focus(true))),
        (b"", b'O') => Some(Meaning::Event(TerminalEvent::Focus(false))),
        (b"200", b'~') => Some(Meaning::PasteStart),
        _ => None,
    };
    match (other, key_table::csi(body, last)) {
        (Some(other), _) => (other, false),
        // A terminal with this protocol reports Alt in it.
        (None, Some(key)) if last == b'u' => (Meaning::Event(TerminalEvent::Key(key)), false),
        (None, Some(key)) => prefixed(key),
        (None, None) => (Meaning::Nothing, false),
    }
}

fn report(report: Report) -> Meaning {
    Meaning::Event(TerminalEvent::Report(report))
}

fn osc(text: &[u8]) -> Meaning {
    let text = std::str::from_utf8(text).ok().and_then(|text| text.strip_prefix("11;"));
    text.map_or(Meaning::Nothing, |color| report(Report::Background(color.to_owned())))
}
