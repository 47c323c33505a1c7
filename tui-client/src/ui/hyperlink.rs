//! Hyperlinks of the terminal (OSC 8).
//!
//! ```text
//!  ESC ] 8 ; id=… ; ADDRESS ESC \   text   ESC ] 8 ; ; ESC \
//! ```
//!
//! Each cell of a link opens and closes it, so that any subset of cells can be written without a wrong or open link.
//! On output [`merged`] removes a close that an open of the same link follows.
//!
//! The address is a [`Target`], which consists of visible ASCII only; no other remote text is written here. The `id`
//! marks rows with the same address as one link.

use std::borrow::Cow;
use std::num::NonZeroU16;

use ratatui::buffer::{Cell, CellDiffOption};

use crate::markup::Target;
use crate::width;

/// Longest address that is written, in bytes: each cell of a link holds it.
const ADDRESS_BYTES: usize = 512;
const CLOSE: &str = "\x1b]8;;\x1b\\";
const BEGIN: &[u8] = b"\x1b]8;";
const END: &[u8] = b"\x1b\\";

/// Makes a cell with content link to `target`.
pub(super) fn lead(cell: &mut Cell, target: &Target) {
    let cells = u16::try_from(width::of_grapheme(cell.symbol())).ok();
    let width = cells.and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
    if target.as_str().len() <= ADDRESS_BYTES {
        let symbol = format!("\x1b]8;id=link;{target}\x1b\\{}{CLOSE}", cell.symbol());
        cell.set_symbol(&symbol).set_diff_option(CellDiffOption::ForcedWidth(width));
    }
}

/// Content of a cell without its link.
#[must_use]
pub fn text_of(cell: &Cell) -> &str {
    let symbol = cell.symbol();
    let shown = symbol.strip_suffix(CLOSE).and_then(|link| link.split_once("\x1b\\"));
    shown.map_or(symbol, |(_, text)| text)
}

/// Bytes of a frame without the ends of links that continue.
#[must_use]
pub fn merged(frame: &[u8]) -> Cow<'_, [u8]> {
    if find(frame, BEGIN).is_none() {
        return Cow::Borrowed(frame);
    }
    let mut merged = Vec::with_capacity(frame.len());
    let mut open: &[u8] = &[];
    let mut rest = frame;
    while let Some(at) = find(rest, BEGIN) {
        let length = find(&rest[at..], END).map_or(rest.len() - at, |end| end + END.len());
        let (before, sequence, after) = (&rest[..at], &rest[at..at + length], &rest[at + length..]);
        merged.extend_from_slice(before);
        if sequence != CLOSE.as_bytes() {
            open = sequence;
        } else if !open.is_empty() && after.starts_with(open) {
            rest = &after[open.len()..];
            continue;
        }
        merged.extend_from_slice(sequence);
        rest = after;
    }
    merged.extend_from_slice(rest);
    Cow::Owned(merged)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == wanted[0]) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use ratatui::backend::CrosstermBackend;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::prelude::Backend;
    use ratatui::style::Style;

    use super::super::pen::Pen;
    use super::*;

    const AREA: Rect = Rect { x: 0, y: 0, width: 12, height: 1 };

    fn target(path: &str) -> Target {
        Target::new(&format!("https://example.org/{path}")).expect("an address")
    }

    fn screen(text: &str, link: &str, path: &str) -> Buffer {
        let mut buffer = Buffer::empty(AREA);
        let mut pen = Pen::new(&mut buffer, AREA);
        let column = pen.write(0, 0, text, Style::new());
        pen.write_link(column, 0, link, Style::new(), &target(path));
        buffer
    }

    /// Output that turns `before` into `after`.
    fn written(before: &Buffer, after: &Buffer) -> String {
        let mut bytes = Vec::new();
        let diff = before.diff(after);
        CrosstermBackend::new(&mut bytes).draw(diff.into_iter()).expect("written");
        String::from_utf8(merged(&bytes).into_owned()).expect("text")
    }

    #[test]
    fn a_link_is_opened_and_closed_once() {
        let written = written(&Buffer::empty(AREA), &screen("a ", "b日c", "x"));
        let link = "\x1b]8;id=link;https://example.org/x\x1b\\b日";
        assert!(written.contains(link), "{written:?}");
        assert!(written.contains("c\x1b]8;;\x1b\\"), "{written:?}");
        assert!(
            written.matches("\x1b]8;id").count() <= 2,
            "after a wide letter the cursor moves: {written:?}"
        );
        assert_eq!(written.matches("\x1b]8;id").count(), written.matches(CLOSE).count());
    }

    #[test]
    fn changed_cells_are_written_with_their_link() {
        let before = screen("", "link", "x");
        assert!(!written(&before, &before).contains("link"));
        let other = written(&before, &screen("", "link", "y"));
        assert!(other.contains("example.org/y\x1b\\link\x1b]8;;"), "{other:?}");
        let part = written(&before, &screen("", "lint", "x"));
        assert!(part.contains("example.org/x\x1b\\t\x1b]8;;"), "{part:?}");
        let plain = written(&before, &screen("link", "", "x"));
        assert!(plain.contains("link") && !plain.contains("\x1b]8"), "{plain:?}");
    }

    #[test]
    fn a_too_long_address_is_no_link() {
        let written = written(&Buffer::empty(AREA), &screen("", "link", &"x".repeat(ADDRESS_BYTES)));
        assert!(written.contains("link") && !written.contains("\x1b]8"), "{written:?}");
    }

    #[test]
    fn text_without_links_is_unchanged() {
        for frame in ["", "\x1b[1;1Habc", "a\x1b]8;;\x1b\\b", "\x1b]8;id=link;https://x"] {
            assert_eq!(merged(frame.as_bytes()), frame.as_bytes(), "{frame:?}");
        }
    }
}
