//! A row of the timeline that is ready to be drawn, and the places of its text: from columns to offsets and back.

use std::ops::Range;

use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::look::Look;
use super::marks::Piece;
use super::pen::Pen;
use super::text::cells;
use crate::markup::Target;

/// Column of the time in a row.
pub(super) const STAMP: usize = 1;

/// A row that is ready to be drawn.
#[derive(Debug, Clone, Default)]
pub(super) struct ScreenRow {
    parts: Vec<(usize, Piece)>,
    kind: RowKind,
    /// The row contains a match.
    is_hit: bool,
    /// Offset of the row in the text of its item; `None` if the row is the program's own.
    at: Option<usize>,
}

/// Kinds of rows of the program's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum RowKind {
    #[default]
    Plain,
    Rule,
    /// The ruler above new messages.
    Ruler,
    /// The row below the first rows of a folded message.
    Fold,
}

impl ScreenRow {
    pub(super) fn part(self, column: usize, text: impl Into<String>, style: Style) -> Self {
        self.piece(column, Piece::new(text, style))
    }

    pub(super) fn piece(mut self, column: usize, piece: Piece) -> Self {
        self.is_hit |= piece.is_hit;
        self.parts.push((column, piece));
        self
    }

    pub(super) fn rule(title: &str, style: Style) -> Self {
        Self { parts: vec![(0, Piece::new(title, style))], kind: RowKind::Rule, ..Self::default() }
    }

    /// The ruler above new messages.
    pub(super) fn ruler(title: &str, style: Style) -> Self {
        Self { kind: RowKind::Ruler, ..Self::rule(title, style) }
    }

    /// The row below the first rows of a folded message.
    pub(super) fn fold(column: usize, text: &str, style: Style) -> Self {
        Self { kind: RowKind::Fold, ..Self::default().part(column, text, style) }
    }

    /// The row as one at this offset of the text of its item.
    pub(super) fn at(self, at: Option<usize>) -> Self {
        Self { at, ..self }
    }

    pub(super) const fn is_hit(&self) -> bool {
        self.is_hit
    }

    pub(super) fn is_rule(&self) -> bool {
        matches!(self.kind, RowKind::Rule | RowKind::Ruler)
    }

    pub(super) fn is_ruler(&self) -> bool {
        self.kind == RowKind::Ruler
    }

    pub(super) fn is_fold(&self) -> bool {
        self.kind == RowKind::Fold
    }

    /// The row with a time, if it has none. A rule stays as it is.
    pub(super) fn with_time(mut self, time: (String, Style)) -> Self {
        let has_time = self.parts.first().is_some_and(|(column, _)| *column == STAMP);
        if !self.is_rule() && !has_time {
            self.parts.insert(0, (STAMP, Piece::new(time.0, time.1)));
        }
        self
    }

    pub(super) fn draw(&self, pen: &mut Pen<'_>, row: usize, look: Look, has_links: bool) {
        for (column, Piece { text, style, link, .. }) in &self.parts {
            match link {
                _ if self.is_rule() => pen.titled_rule(row, text, *style, look),
                Some(target) if has_links => _ = pen.write_link(*column, row, text, *style, target),
                Some(_) | None => _ = pen.write(*column, row, text, *style),
            }
        }
    }

    /// Offset of the first grapheme; `None` if the row is the program's own.
    pub(super) const fn start(&self) -> Option<usize> {
        self.at
    }

    /// Offset behind the last grapheme; `None` if the row is the program's own.
    pub(super) fn end(&self) -> Option<usize> {
        let pieces = self.parts.iter().filter_map(|(_, piece)| Some(piece.at? + piece.text.len()));
        pieces.max().or(self.at)
    }

    /// Offsets of the grapheme in a column. Beside the text they are empty: its start or its end.
    pub(super) fn offsets(&self, column: usize) -> Option<Range<usize>> {
        let start = self.at?;
        for (columns, offsets) in self.graphemes() {
            if column < columns.start {
                return Some(start..start);
            }
            if column < columns.end {
                return Some(offsets);
            }
        }
        self.end().map(|end| end..end)
    }

    /// Columns of the graphemes in this part of the text, in order.
    pub(super) fn columns(&self, offsets: &Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let is_in = |grapheme: &Range<usize>| offsets.start <= grapheme.start && grapheme.start < offsets.end;
        self.graphemes().filter(move |(_, grapheme)| is_in(grapheme)).map(|(columns, _)| columns)
    }

    /// Target of the link in a column.
    pub(super) fn link(&self, column: usize) -> Option<&Target> {
        let is_there = |(from, piece): &&(usize, Piece)| {
            (*from..*from + super::text::width(&piece.text)).contains(&column)
        };
        self.parts.iter().find(is_there)?.1.link.as_deref()
    }

    /// Columns and offsets of each grapheme of the text.
    fn graphemes(&self) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        self.parts.iter().filter_map(|(column, piece)| Some((*column, piece, piece.at?))).flat_map(
            |(column, piece, start)| {
                let mut column = column;
                piece.text.grapheme_indices(true).map(move |(at, grapheme)| {
                    let from = column;
                    column += cells(grapheme);
                    (from..column, start + at..start + at + grapheme.len())
                })
            },
        )
    }
}
