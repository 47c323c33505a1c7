//! Overlay of the themes, with a sample of the chosen one.

use ratatui::style::{Modifier, Style};

use super::layout::OverlayLine;
use super::look::Look;
use super::text::width;
use crate::app::Theme;

/// Column of the descriptions.
const COLUMN: usize = 9;

/// A line for each theme, and the sample below.
pub(super) fn lines(chosen: Theme, look: Look, cells: usize) -> Vec<OverlayLine> {
    let line = |(theme, does): (Theme, &str)| {
        let style = if theme == chosen { look.selected() } else { look.plain() };
        let text = format!("{:COLUMN$}{does}", theme.name());
        vec![(1, look.cut(&text, cells.saturating_sub(2)), style)]
    };
    Theme::ALL.into_iter().map(line).chain([Vec::new()]).chain(sample(look)).collect()
}

/// A sample of each style, in three lines.
fn sample(look: Look) -> [OverlayLine; 3] {
    let glyph = look.glyph();
    let nick = |name: &str| (name.to_owned(), look.nick(name).add_modifier(Modifier::BOLD));
    let plain = |text: &str| (text.to_owned(), look.plain());
    [
        vec![
            ("20:18 ".to_owned(), look.faint()),
            nick("alice"),
            plain(" see "),
            ("https://example.org".to_owned(), look.link()),
            plain(" and "),
            ("code".to_owned(), look.code()),
        ],
        vec![
            ("20:19 ".to_owned(), look.faint()),
            nick("bob"),
            plain(" thank you, "),
            ("@you".to_owned(), look.mention()),
            (format!(" {} quoted", glyph.quote), look.quote()),
        ],
        vec![
            (format!("{} 23 ms  ", glyph.online), look.good()),
            (format!("{} connecting  ", glyph.connecting), look.busy()),
            (format!("{} not sent  ", glyph.failed), look.bad()),
            (format!("{} stored", glyph.stored), look.faint()),
        ],
    ]
    .map(|parts| {
        let mut column = 1;
        let place = |(text, style): (String, Style)| {
            let at = column;
            column += width(&text);
            (at, text, style)
        };
        parts.into_iter().map(place).collect()
    })
}
