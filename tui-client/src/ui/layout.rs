//! Sizes of the screen, lines of overlays, and the layout of a draft in rows.

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::text::width;
use crate::app::{Editor, Model};
use crate::sanitize;

/// Least width at which the members are beside the timeline.
pub(super) const WIDE: u16 = 110;
/// Width and height below which there is a single pane.
pub(super) const MEDIUM: (u16, u16) = (60, 14);
/// Width from which the name of the default room and its counts fit into the list of rooms.
const ROOMY: u16 = 80;
/// Rows per notch of the wheel.
pub(super) const WHEEL: usize = 3;

/// Line of an overlay: texts with their columns.
pub(super) type OverlayLine = Vec<(usize, String, Style)>;

/// Position of a draft on the screen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ComposerArea {
    /// Cells of the draft's text.
    pub(super) area: Rect,
    /// Index of the first visible row.
    pub(super) first: usize,
}

/// Columns of the list of rooms on a screen of this width.
pub(super) const fn rooms_width(width: u16) -> u16 {
    if width >= ROOMY { 18 } else { 15 }
}

/// Offset in the draft, in bytes, of the cell `at`. Behind a row's end it is that end.
pub(super) fn offset_at(model: &Model, shown: ComposerArea, at: Position) -> Option<usize> {
    if !shown.area.contains(at) {
        return None;
    }
    let (row, column) = (shown.first + usize::from(at.y - shown.area.y), usize::from(at.x - shown.area.x));
    let editor = &model.pane().composer.editor;
    let places = lay_out(editor, shown.area.width.into(), Breaks::Words).places;
    let in_row = places.iter().rev().find(|place| place.row == row && place.column <= column);
    Some(in_row.map_or(editor.text().len(), |place| place.offset))
}

/// Screen position of an offset in the draft.
#[derive(Debug, Clone, Copy)]
struct DraftPosition {
    offset: usize,
    row: usize,
    column: usize,
}

pub(super) struct DraftLayout {
    pub(super) rows: Vec<String>,
    /// Position of each grapheme, and of the end.
    places: Vec<DraftPosition>,
    /// Row of the cursor.
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Places at which a row may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaks {
    /// After a space and beside wide characters; within a word only if it is longer than a row.
    Words,
    /// Wherever a row is full: a line that scrolls.
    Cells,
}

/// A grapheme of a draft as it is shown.
struct ShownGrapheme<'a> {
    offset: usize,
    text: &'a str,
    shown: sanitize::Block,
    wide: usize,
}

impl ShownGrapheme<'_> {
    fn is_newline(&self) -> bool {
        self.text == "\n"
    }

    fn is_space(&self) -> bool {
        self.text == " "
    }
}

/// Breaks a draft into rows of cells. The first space that does not fit stays at the end of its row, beyond the edge.
pub(super) fn lay_out(editor: &Editor, cells: usize, breaks: Breaks) -> DraftLayout {
    let cells = cells.max(1);
    let graphemes: Vec<_> = editor
        .text()
        .grapheme_indices(true)
        .map(|(offset, text)| {
            let shown = sanitize::block(text);
            let wide = if text == "\n" { 0 } else { width(shown.as_str()) };
            ShownGrapheme { offset, text, shown, wide }
        })
        .collect();
    let mut starts = row_starts(&graphemes, cells, breaks).into_iter().peekable();
    let mut layout = DraftLayout { rows: vec![String::new()], places: Vec::new(), row: 0, column: 0 };
    let mut used = 0;
    for (index, grapheme) in graphemes.iter().enumerate() {
        if starts.next_if_eq(&index).is_some() {
            layout.rows.push(String::new());
            used = 0;
        }
        let row = layout.rows.len() - 1;
        layout.places.push(DraftPosition { offset: grapheme.offset, row, column: used });
        if grapheme.offset == editor.cursor() {
            (layout.row, layout.column) = (row, used.min(cells - 1));
        }
        if !grapheme.is_newline() && used < cells {
            layout.rows[row].push_str(grapheme.shown.as_str());
        }
        used += grapheme.wide;
    }
    if graphemes.last().is_some_and(ShownGrapheme::is_newline) {
        layout.rows.push(String::new());
        used = 0;
    }
    let end = editor.text().len();
    layout.places.push(DraftPosition { offset: end, row: layout.rows.len() - 1, column: used });
    if editor.cursor() == end {
        // The cursor needs a cell.
        if used >= cells {
            layout.rows.push(String::new());
            used = 0;
        }
        (layout.row, layout.column) = (layout.rows.len() - 1, used);
    }
    layout
}

/// The indexes of the graphemes that begin a row, except the first row.
fn row_starts(graphemes: &[ShownGrapheme<'_>], cells: usize, breaks: Breaks) -> Vec<usize> {
    let by_words = breaks == Breaks::Words;
    let mut starts = Vec::new();
    let (mut start, mut used) = (0, 0);
    // The last place in the row at which the next one may begin.
    let mut candidate = None;
    for (index, grapheme) in graphemes.iter().enumerate() {
        if index > 0 && graphemes[index - 1].is_newline() {
            starts.push(index);
            (start, used, candidate) = (index, 0, None);
        }
        if grapheme.is_newline() {
            continue;
        }
        if by_words && grapheme.wide > 1 {
            candidate = Some(index);
        }
        let is_hanging = by_words && grapheme.is_space() && used == cells;
        if used + grapheme.wide.max(1) > cells && index > start && !is_hanging {
            start = candidate.filter(|at| *at > start).unwrap_or(index);
            starts.push(start);
            used = graphemes[start..index].iter().map(|grapheme| grapheme.wide).sum();
            candidate = None;
        }
        used += grapheme.wide;
        if by_words && (grapheme.is_space() || grapheme.wide > 1) {
            candidate = Some(index + 1);
        }
    }
    starts
}

/// The offset in the draft one row above or below the cursor, and the column that the cursor keeps on its way. `goal`
/// is the column from which an earlier step came. `None` if there is no such row.
pub(super) fn row_target(
    model: &Model,
    shown: ComposerArea,
    is_up: bool,
    goal: Option<usize>,
) -> Option<(usize, usize)> {
    if shown.area.width == 0 {
        return None;
    }
    let layout = lay_out(&model.pane().composer.editor, shown.area.width.into(), Breaks::Words);
    let row = if is_up { layout.row.checked_sub(1)? } else { layout.row + 1 };
    let column = goal.unwrap_or(layout.column);
    let places = || layout.places.iter().filter(|place| place.row == row);
    let place = places().rfind(|place| place.column <= column).or_else(|| places().next())?;
    Some((place.offset, column))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rows_by(breaks: Breaks, text: &str, cells: usize) -> (Vec<String>, (usize, usize)) {
        let mut editor = Editor::default();
        editor.insert(text).expect("short");
        let layout = lay_out(&editor, cells, breaks);
        (layout.rows, (layout.row, layout.column))
    }

    fn rows(text: &str, cells: usize) -> (Vec<String>, (usize, usize)) {
        rows_by(Breaks::Words, text, cells)
    }

    #[test]
    fn the_cursor_always_has_a_cell() {
        assert_eq!(rows("", 4), (vec![String::new()], (0, 0)));
        assert_eq!(rows("abc", 4).1, (0, 3));
        assert_eq!(rows("abcd", 4).1, (1, 0));
        assert_eq!(rows("日本", 4).1, (1, 0));
        assert_eq!(rows("a\nb\n", 4), (vec!["a".into(), "b".into(), String::new()], (2, 0)));
    }

    #[test]
    fn rows_end_between_words() {
        assert_eq!(rows("one two three", 8).0, ["one two ", "three"]);
        assert_eq!(rows("one two three", 7).0, ["one two", "three"], "the space hangs beyond the edge");
        assert_eq!(rows("one two", 6).0, ["one ", "two"]);
        assert_eq!(rows("a abcdefgh ij", 4).0, ["a ", "abcd", "efgh", "ij"]);
        assert_eq!(rows("ab 日本語", 6).0, ["ab 日", "本語"]);
        assert_eq!(rows("abcd   e", 4).0, ["abcd", "  e"]);
        assert_eq!(rows_by(Breaks::Cells, "one two three", 8).0, ["one two ", "three"]);
        assert_eq!(rows_by(Breaks::Cells, "one two", 6).0, ["one tw", "o"]);
    }

    #[test]
    fn pasted_escape_sequences_are_sanitized() {
        let (rows, _) = rows("a\u{202e}b\u{200b}\tc", 20);
        assert_eq!(rows, ["ab    c"]);
    }

    proptest! {
        #[test]
        fn rows_fit_and_have_the_whole_text(text in "[a-z 日👩é\n]{0,60}", cells in 2_usize..20) {
            for breaks in [Breaks::Words, Breaks::Cells] {
                let (rows, (row, column)) = rows_by(breaks, &text, cells);
                prop_assert!(rows.iter().all(|row| width(row) <= cells), "{rows:?}");
                prop_assert!(row < rows.len() && column < cells);
                let bare = |text: &str| text.replace([' ', '\n'], "");
                prop_assert_eq!(bare(&rows.concat()), bare(&text));
            }
        }
    }
}
