//! Message texts as rows of pieces: wrapped, in the styles of [`markup`](crate::markup).
//!
//! Speech and quotes are wrapped at words. Code is broken where a row is full, so that its spaces are kept; a continued
//! row has a different rule. In very narrow panes quotes and code have no rule.

use std::ops::Range;
use std::rc::Rc;

use ratatui::style::{Modifier, Style};

use super::look::Look;
use super::marks::{Marker, Marks, Piece};
use super::text::{broken, width, wrapped};
use crate::markup::{Markup, Part, Span, SpanKind, Target, end, graphemes};

/// A row of a message's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct WrappedRow {
    /// Decoration before the text: a rule or an indent.
    pub(super) before: Vec<Piece>,
    pub(super) text: Vec<Piece>,
    /// Offset of the row in the text; `None` if it is not part of what is copied.
    pub(super) at: Option<usize>,
}

#[cfg(test)]
impl WrappedRow {
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.before.iter().chain(&self.text)
    }
}

/// Cells of the rule before quotes and code.
const RULE: usize = 2;
/// Fewest cells beside a rule.
const BESIDE_RULE: usize = 6;

/// Rows of a text, each at most `room` wide unless a single grapheme is wider.
pub(super) fn rows(
    markup: &Markup<'_>,
    room: usize,
    look: Look,
    marker: Option<&Marker<'_>>,
) -> Vec<WrappedRow> {
    let glyph = look.glyph();
    let has_rule = room >= RULE + BESIDE_RULE;
    let inner = if has_rule { room - RULE } else { room };
    let ruled = |sign: &str, style: Style, mut row: WrappedRow| {
        if has_rule {
            row.before.push(Piece::new(format!("{sign} "), style));
        }
        row
    };
    let mut rows = Vec::new();
    for (part, &start) in markup.parts.iter().zip(&markup.starts) {
        match part {
            Part::Line(spans) => rows.extend(speech(spans, start, room, look.plain(), look, marker)),
            Part::Quote(spans) => {
                let quoted = speech(spans, start, inner, look.quote(), look, marker);
                rows.extend(quoted.into_iter().map(|row| ruled(glyph.quote, look.quote(), row)));
            }
            Part::Title(title) => {
                let broken = exact(title, None, inner, look.faint(), marker);
                rows.extend(broken.into_iter().map(|row| ruled(glyph.bar, look.faint(), row)));
            }
            Part::Code(code) => {
                let broken = exact(code, Some(start), inner, look.code_block(), marker);
                for (index, row) in broken.into_iter().enumerate() {
                    let sign = if index == 0 { glyph.bar } else { glyph.goes_on };
                    rows.push(ruled(sign, look.faint(), row));
                }
            }
        }
    }
    if rows.is_empty() {
        rows.push(WrappedRow { at: Some(0), ..WrappedRow::default() });
    }
    rows
}

/// Rows of an action: the nick and then the text, in the style of speech.
pub(super) fn action(
    nick: Piece,
    spans: &[Span<'_>],
    room: usize,
    look: Look,
    marker: Option<&Marker<'_>>,
) -> Vec<WrappedRow> {
    let indent = width(&nick.text) + 1;
    let beside = room > indent + BESIDE_RULE;
    let spans: Vec<Span<'_>> = spans.iter().map(|span| Span { italic: false, ..*span }).collect();
    let room = if beside { room - indent } else { room };
    let mut rows = speech(&spans, 0, room, look.plain(), look, marker);
    if beside && let Some((first, others)) = rows.split_first_mut() {
        first.text.splice(0..0, [nick, Piece::new(" ", look.plain())]);
        for row in others {
            row.before.push(Piece::new(" ".repeat(indent), look.plain()));
        }
    }
    rows
}

/// Breaks a line where a row is full. The line is at the offset `at` of the text, if it is part of what is copied.
fn exact(
    line: &str,
    at: Option<usize>,
    room: usize,
    style: Style,
    marker: Option<&Marker<'_>>,
) -> Vec<WrappedRow> {
    let marks = marker.map(|marker| marker.line(line)).unwrap_or_default();
    let mut end = 0;
    let row = |row: &str| {
        let start = end;
        end += row.len();
        let piece = |range: Range<usize>| Piece {
            at: at.map(|at| at + range.start),
            ..Piece::new(&line[range], style)
        };
        let text = marks.cut(start..end, piece);
        WrappedRow { before: Vec::new(), text, at: at.map(|at| at + start) }
    };
    broken(line, room).into_iter().map(row).collect()
}

/// Wraps spans of the line at the offset `start` of the text at words.
fn speech(
    spans: &[Span<'_>],
    start: usize,
    room: usize,
    base: Style,
    look: Look,
    marker: Option<&Marker<'_>>,
) -> Vec<WrappedRow> {
    let marks: Marks = marker.map(|marker| marker.spans(spans)).unwrap_or_default();
    let ranges = wrapped(graphemes(spans), end(spans), room);
    let row_at = |range: &Range<usize>| WrappedRow { at: Some(start + range.start), ..WrappedRow::default() };
    let mut rows: Vec<_> = ranges.iter().map(row_at).collect();
    let mut row = 0;
    for span in spans {
        let style = style(*span, base, look);
        let link = (span.kind == SpanKind::Link).then(|| Target::new(span.text).map(Rc::new)).flatten();
        let span_end = span.at + span.text.len();
        while ranges.get(row).is_some_and(|range| range.end <= span.at) && row + 1 < ranges.len() {
            row += 1;
        }
        for (range, WrappedRow { text: pieces, .. }) in ranges[row..].iter().zip(&mut rows[row..]) {
            let (from, to) = (range.start.max(span.at), range.end.min(span_end));
            if from < to {
                let text = |range: Range<usize>| &span.text[range.start - span.at..range.end - span.at];
                let piece = |range: Range<usize>| Piece {
                    link: link.clone(),
                    at: Some(start + range.start),
                    ..Piece::new(text(range), style)
                };
                pieces.extend(marks.cut(from..to, piece));
            }
            if range.end >= span_end {
                break;
            }
        }
    }
    rows
}

fn style(span: Span<'_>, base: Style, look: Look) -> Style {
    let mut style = match span.kind {
        SpanKind::Text => base,
        SpanKind::Code => look.code(),
        SpanKind::Link => look.link(),
        SpanKind::Mention => look.mention(),
    };
    if span.bold {
        style = style.add_modifier(Modifier::BOLD);
    }
    if span.italic {
        style = style.add_modifier(look.italic());
    }
    style
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::sync::LazyLock;

    use unicode_segmentation::UnicodeSegmentation;

    use super::*;
    use crate::app::Theme;
    use crate::markup::tests::{mark_mentions_of_you, typed};
    use crate::sanitize::{Block, block};
    use crate::ui::tests::TERMINAL;

    static LOOK: LazyLock<Look> = LazyLock::new(|| Look::new(Theme::Auto, TERMINAL));

    fn lines(text: &str, room: usize) -> Vec<String> {
        let text = block(text);
        let rows = rows(&Markup::parse(&text), room, *LOOK, None);
        rows.iter().map(|row| row.pieces().map(|piece| piece.text.as_str()).collect()).collect()
    }

    #[test]
    fn removed_marks_take_no_cells() {
        assert_eq!(lines("**one** *two* three", 7), ["one two", "three"]);
        assert_eq!(lines("a **b c** d", 3), ["a b", "c d"]);
        assert_eq!(lines("**日本**語", 4), ["日本", "語"]);
        assert_eq!(lines("a*b* `c d`", 20), ["a*b* c d"]);
        assert_eq!(lines("", 5), [""]);
    }

    #[test]
    fn code_keeps_its_spaces_and_marks_continued_rows() {
        assert_eq!(
            lines("```sh\n  a    b    c\n\nd\n```", 10),
            ["│ sh", "│   a    b", "┆     c", "│ ", "│ d"]
        );
        assert_eq!(lines("```\nabcdef\n```", 4), ["abcd", "ef"], "no room for a rule");
    }

    #[test]
    fn quotes_have_a_rule_at_each_row() {
        assert_eq!(lines("> one two\nthree", 8), ["▌ one", "▌ two", "three"]);
    }

    #[test]
    fn rows_of_a_link_have_the_same_target() {
        let text = block("see **https://example.org/some/where** now");
        let rows = rows(&Markup::parse(&text), 12, *LOOK, None);
        let links: Vec<_> =
            rows.iter().flat_map(WrappedRow::pieces).filter_map(|piece| piece.link.clone()).collect();
        assert!(
            links.len() > 2 && links.iter().all(|link| link.as_str() == "https://example.org/some/where")
        );
    }

    #[test]
    fn an_action_begins_with_the_nick() {
        let text = block("*waves to everybody here*");
        let markup = Markup::parse(&text);
        let spans = markup.action().expect("an action");
        let lines = |room| -> Vec<String> {
            let rows = action(Piece::new("bob", LOOK.plain()), spans, room, *LOOK, None);
            rows.iter().map(|row| row.pieces().map(|piece| piece.text.as_str()).collect()).collect()
        };
        assert_eq!(lines(20), ["bob waves to", "    everybody here"]);
        assert_eq!(lines(8), ["waves to", "everybod", "y here"]);
    }

    fn read(text: &Block) -> Markup<'_> {
        let mut markup = Markup::parse(text);
        mark_mentions_of_you(&mut markup);
        markup
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_nothing_is_lost(text in typed(), room in 1usize..=200) {
            let text = block(&text);
            let markup = read(&text);
            let rows = rows(&markup, room, *LOOK, None);
            for row in &rows {
                let used: usize = row.pieces().map(|piece| width(&piece.text)).sum();
                let graphemes = row.pieces().flat_map(|piece| piece.text.graphemes(true)).count();
                prop_assert!(used <= room || graphemes == 1, "{row:?}");
            }
            let pieces = rows.iter().flat_map(|row| &row.text).filter_map(|piece| Some((piece.at?, &piece.text)));
            let mut shown = String::new();
            let mut end = 0;
            for (at, piece) in pieces {
                prop_assert!(at >= end, "in order");
                end = at + piece.len();
                prop_assert_eq!(&text.as_str()[at..end], piece, "at its place");
                shown.push_str(piece);
            }
            let whole: String = markup.lines().flat_map(|(_, line)| line).map(|(_, text)| text).collect();
            // A row is broken in place of a space.
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&shown), bare(&whole));
            let starts: Vec<usize> = rows.iter().filter_map(|row| row.at).collect();
            prop_assert!(starts.is_sorted(), "{starts:?}");
            let whole: Vec<&str> = text.as_str().graphemes(true).collect();
            let shown = rows.iter().flat_map(|row| &row.text);
            let mut split = shown.flat_map(|piece| piece.text.graphemes(true)).filter(|g| !whole.contains(g));
            prop_assert_eq!(split.next(), None, "a piece of a grapheme");
        }
    }
}
