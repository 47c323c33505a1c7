//! Colours for terminals that have sixteen.
//!
//! crossterm writes every colour as one of 256 (`ESC [ 38 ; 5 ; 1 m`). A terminal with sixteen colours reads the `5` and
//! the `1` as blinking and bold. For these terminals the first sixteen are written as 30 to 37 and 90 to 97.

use std::borrow::Cow;

const INDEXED: &[u8] = b"\x1b[38;5;";

/// Rewrites the sixteen colours of a frame to their own codes. Other colours are unchanged.
#[must_use]
pub fn with_sixteen(frame: &[u8]) -> Cow<'_, [u8]> {
    let mut parts = Vec::new();
    let mut rest = frame;
    while let Some(at) = rest.windows(INDEXED.len()).position(|window| window == INDEXED) {
        let after = &rest[at + INDEXED.len()..];
        let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let index = std::str::from_utf8(&after[..digits]).ok().and_then(|digits| digits.parse::<u8>().ok());
        parts.extend_from_slice(&rest[..at]);
        match index {
            Some(index @ 0..8) => parts.extend_from_slice(format!("\x1b[{}", 30 + index).as_bytes()),
            Some(index @ 8..16) => parts.extend_from_slice(format!("\x1b[{}", 90 + index - 8).as_bytes()),
            _ => parts.extend_from_slice(&rest[at..at + INDEXED.len() + digits]),
        }
        rest = &after[digits..];
    }
    if parts.is_empty() && rest.len() == frame.len() {
        return Cow::Borrowed(frame);
    }
    parts.extend_from_slice(rest);
    Cow::Owned(parts)
}

#[cfg(test)]
mod tests {
    use ratatui::backend::{Backend, CrosstermBackend};
    use ratatui::buffer::Cell;
    use ratatui::style::Color;

    use super::*;

    /// Output for a cell of this colour.
    fn written(index: u8) -> Vec<u8> {
        let mut cell = Cell::new("x");
        cell.set_fg(Color::Indexed(index));
        let mut frame = Vec::new();
        CrosstermBackend::new(&mut frame).draw([(0, 0, &cell)].into_iter()).expect("drawn");
        frame
    }

    #[test]
    fn the_sixteen_colours_are_written_by_their_own_codes() {
        for (index, number) in [(0, 30), (7, 37), (8, 90), (15, 97)] {
            let frame = written(index);
            let text = String::from_utf8(with_sixteen(&frame).into_owned()).expect("UTF-8");
            assert!(text.contains(&format!("\x1b[{number};")) && !text.contains("38;5"), "{text:?}");
            assert!(text.contains('x'), "{text:?}");
        }
    }

    #[test]
    fn other_colours_are_unchanged() {
        let frame = written(130);
        assert_eq!(with_sixteen(&frame), frame);
        assert_eq!(with_sixteen(b"38;5;1"), &b"38;5;1"[..]);
        assert_eq!(with_sixteen(b"\x1b[38;5;"), &b"\x1b[38;5;"[..]);
        assert_eq!(with_sixteen(b"\x1b[38;5;9m\x1b[38;5;12;49mx"), &b"\x1b[91m\x1b[94;49mx"[..]);
    }
}
