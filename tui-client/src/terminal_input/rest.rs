//! Rest of a paste that was ended by its wait.
//!
//! The line may pause for longer than the wait, so the closing mark may still come. Until then a read that begins with a
//! character or a line end is the rest of the paste if anything follows in it, as a typed key arrives alone. A line end
//! alone is text too: the rest of a paste must not send. A key that no paste contains shows that the rest will not come.

use std::time::Duration;

use super::event::{KeyCode, KeyModifiers, TerminalEvent};

/// Time for which the rest is expected.
pub(super) const WAIT: Duration = Duration::from_secs(10);

/// Meaning of bytes while the rest of a paste is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// Text of the paste.
    Text,
    /// A single line end of the paste.
    LineEnd,
    Key,
}

impl Rest {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let length = match bytes.first() {
            Some(b'\r' | b'\n') if bytes.len() == 1 => return Self::LineEnd,
            Some(b'\r' | b'\n' | b'\t' | 0x20..0x7f) => 1,
            Some(0xc2..=0xdf) => 2,
            Some(0xe0..=0xef) => 3,
            Some(0xf0..=0xf4) => 4,
            _ => return Self::Key,
        };
        if bytes.len() > length { Self::Text } else { Self::Key }
    }
}

/// True for a key that is not the text of a paste.
pub(super) fn is_certain_key(event: &TerminalEvent) -> bool {
    let TerminalEvent::Key(key) = event else { return false };
    let is_text = matches!(key.code, KeyCode::Char(_) | KeyCode::Enter | KeyCode::Tab);
    !is_text || !key.modifiers.difference(KeyModifiers::SHIFT).is_empty()
}
