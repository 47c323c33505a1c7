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
    let places = lay_out(editor, shown.area.width.into()).places;
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

/// Breaks a draft into rows of cells, at cells rather than words: text that is being typed does not jump.
pub(super) fn lay_out(editor: &Editor, cells: usize) -> DraftLayout {
    let cells = cells.max(1);
    let mut layout = DraftLayout { rows: vec![String::new()], places: Vec::new(), row: 0, column: 0 };
    let mut used = 0;
    for (at, grapheme) in editor.text().grapheme_indices(true) {
        let shown = sanitize::block(grapheme);
        let wide = if grapheme == "\n" { 0 } else { width(shown.as_str()) };
        // The cursor needs a cell for the next grapheme.
        if grapheme != "\n" && used + wide.max(1) > cells {
            layout.rows.push(String::new());
            used = 0;
        }
        layout.places.push(DraftPosition { offset: at, row: layout.rows.len() - 1, column: used });
        if at == editor.cursor() {
            (layout.row, layout.column) = (layout.rows.len() - 1, used.min(cells - 1));
        }
        if grapheme == "\n" {
            layout.rows.push(String::new());
            used = 0;
        } else if let Some(row) = layout.rows.last_mut() {
            row.push_str(shown.as_str());
            used += wide;
        }
    }
    layout.places.push(DraftPosition {
        offset: editor.text().len(),
        row: layout.rows.len() - 1,
        column: used,
    });
    if editor.cursor() == editor.text().len() {
        if used >= cells {
            layout.rows.push(String::new());
            used = 0;
        }
        (layout.row, layout.column) = (layout.rows.len() - 1, used);
    }
    layout
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, cells: usize) -> (Vec<String>, (usize, usize)) {
        let mut editor = Editor::default();
        editor.insert(text).expect("short");
        let layout = lay_out(&editor, cells);
        (layout.rows, (layout.row, layout.column))
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
    fn pasted_escape_sequences_are_sanitized() {
        let (rows, _) = rows("a\u{202e}b\u{200b}\tc", 20);
        assert_eq!(rows, ["ab    c"]);
    }
}
