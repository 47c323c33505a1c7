//! Where one writes. What is typed is kept as it was typed, and cleaned here for the screen.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use unicode_segmentation::UnicodeSegmentation;

use super::text::{Pen, width};
use super::{ViewState, search};
use crate::app::{Action, Editor, Model};
use crate::sanitize;

/// Rows that the composer grows to.
const ROWS: usize = 8;

/// Where a draft is on the screen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Shown {
    /// The cells of its text.
    area: Rect,
    /// Its first row that is visible.
    first: usize,
}

/// Draws the composer, or the line of a search, at the bottom of `area` and puts the cursor there; what is left above it.
pub(super) fn view(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let look = state.look;
    if let Some(search) = &model.pane().search {
        return search::line(model, search, look, frame, area);
    }
    let sign = look.glyph().prompt;
    let is_small = area.width < 60;
    let prompt = if is_small {
        format!("{sign} ")
    } else {
        format!(" {} {sign} ", look.cut(model.pane().title.as_str(), usize::from(area.width / 3)))
    };
    let prompt_width = width(&prompt).min(usize::from(area.width).saturating_sub(1));
    let editor = &model.pane().composer.editor;
    let layout = lay_out(editor, usize::from(area.width) - prompt_width);
    let most = ROWS.min(usize::from(area.height / 3).max(1));
    let height = layout.rows.len().clamp(1, most);
    let first = (layout.row + 1).saturating_sub(height);

    let top = area.height - u16::try_from(height).unwrap_or(1).min(area.height);
    let place = Rect { y: area.y + top, height: area.height - top, ..area };
    let beside = u16::try_from(prompt_width).unwrap_or(0).min(place.width);
    let text = Rect { x: place.x + beside, width: place.width - beside, ..place };
    state.areas.composer = Shown { area: text, first };
    let mut pen = Pen::new(frame.buffer_mut(), place);
    pen.write(0, 0, &prompt, look.strong());
    for (row, text) in layout.rows.iter().skip(first).take(height).enumerate() {
        pen.write(prompt_width, row, text, look.plain());
    }
    if editor.is_empty() {
        let help = model.keymap.key(Action::Help).filter(|_| !is_small);
        let hint = help
            .map_or_else(|| "message".to_owned(), |key| format!("message {} {key} help", look.glyph().dot));
        pen.write(prompt_width, 0, &hint, look.faint());
    }
    let column = (prompt_width + layout.column).min(usize::from(area.width) - 1);
    frame.set_cursor_position(Position {
        x: place.x + u16::try_from(column).unwrap_or(0),
        y: place.y + u16::try_from(layout.row - first).unwrap_or(0),
    });
    Rect { height: top, ..area }
}

/// The place in the draft that is shown at `at`, in bytes: the end of the row, where it is beyond that.
pub(super) fn offset_at(model: &Model, shown: Shown, at: Position) -> Option<usize> {
    if !shown.area.contains(at) {
        return None;
    }
    let (row, column) = (shown.first + usize::from(at.y - shown.area.y), usize::from(at.x - shown.area.x));
    let editor = &model.pane().composer.editor;
    let places = lay_out(editor, shown.area.width.into()).places;
    let in_row = places.iter().rev().find(|place| place.row == row && place.column <= column);
    Some(in_row.map_or(editor.text().len(), |place| place.offset))
}

/// Where a place in the draft is shown, in rows and columns.
#[derive(Debug, Clone, Copy)]
struct Spot {
    offset: usize,
    row: usize,
    column: usize,
}

pub(super) struct Layout {
    pub(super) rows: Vec<String>,
    /// Where each grapheme is, and the end.
    places: Vec<Spot>,
    /// Where the cursor is.
    pub(super) row: usize,
    pub(super) column: usize,
}

/// Breaks a draft into rows of cells, at cells: what is being written does not jump.
pub(super) fn lay_out(editor: &Editor, cells: usize) -> Layout {
    let cells = cells.max(1);
    let mut layout = Layout { rows: vec![String::new()], places: Vec::new(), row: 0, column: 0 };
    let mut used = 0;
    for (at, grapheme) in editor.text().grapheme_indices(true) {
        let shown = sanitize::block(grapheme);
        let wide = if grapheme == "\n" { 0 } else { width(shown.as_str()) };
        // The cursor stands on the next grapheme: there has to be a cell for it.
        if grapheme != "\n" && used + wide.max(1) > cells {
            layout.rows.push(String::new());
            used = 0;
        }
        layout.places.push(Spot { offset: at, row: layout.rows.len() - 1, column: used });
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
    layout.places.push(Spot { offset: editor.text().len(), row: layout.rows.len() - 1, column: used });
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
    fn what_is_pasted_cannot_drive_the_terminal() {
        let (rows, _) = rows("a\u{202e}b\u{200b}\tc", 20);
        assert_eq!(rows, ["ab    c"]);
    }
}
