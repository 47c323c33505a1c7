//! Mouse input: the part of the last drawn screen under the pointer, and the selection of text.
//!
//! A selection consists of cells of the timeline's text, row by row from the press to the pointer. Stamps, nicks, rules,
//! signs and breaks of rows are not copied. A release, a key or scrolling ends the selection.

use std::ops::Range;

use crate::terminal_input::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Modifier;

use super::areas::Selection;
use super::hyperlink::text_of;
use super::layout::{offset_at, row_target};
use super::rows::CopyableText;
use super::state::ViewState;
use super::text::width;
use crate::app::{Action, Hit, Input, Model};

impl ViewState {
    /// Handles a mouse event. Returns the input for the app, if any.
    pub fn mouse(&mut self, model: &Model, event: MouseEvent) -> Option<Input> {
        let at = Position { x: event.column, y: event.row };
        match event.kind {
            MouseEventKind::ScrollUp => Some(Input::Wheel { up: true }),
            MouseEventKind::ScrollDown => Some(Input::Wheel { up: false }),
            MouseEventKind::Down(MouseButton::Left) => {
                let text = self.areas.text;
                let is_text = !self.areas.is_covered && text.contains(at);
                self.selection = is_text.then_some(Selection { from: at, to: at });
                self.hit(model, at).map(Input::Click)
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                let text = self.areas.text;
                let selection = self.selection.as_mut().filter(|_| !text.is_empty())?;
                selection.to = Position {
                    x: at.x.clamp(text.left(), text.right() - 1),
                    y: at.y.clamp(text.top(), text.bottom() - 1),
                };
                Some(Input::Dragged)
            }
            MouseEventKind::Up(MouseButton::Left) => {
                let selection = self.selection.take().filter(|selection| selection.from != selection.to);
                let selected = selection.map(|_| std::mem::take(&mut self.selected));
                selected.filter(|selected| !selected.is_empty()).map(Input::Selected)
            }
            _ => None,
        }
    }

    /// Handles a key. `Up` and `Down` move the cursor between the rows of the draft, which only the view knows.
    pub fn key(&mut self, model: &Model, key: KeyEvent) -> Input {
        self.selection = None;
        let is_up = match model.keymap.action(key) {
            Some(Action::Up) => true,
            Some(Action::Down) => false,
            _ => return Input::Key(key),
        };
        let pane = model.pane();
        if model.overlay.is_some() || pane.search.is_some() {
            return Input::Key(key);
        }
        let cursor = pane.composer.editor.cursor();
        let goal = self.row_step.filter(|(at, _)| *at == cursor).map(|(_, column)| column);
        self.row_step = row_target(model, self.areas.composer, is_up, goal);
        self.row_step.map_or(Input::Key(key), |(at, _)| Input::Row(at))
    }

    /// Ends the selection.
    pub fn deselect(&mut self) {
        self.selection = None;
    }

    fn hit(&self, model: &Model, at: Position) -> Option<Hit> {
        let row_of =
            |(area, first): (Rect, usize)| area.contains(at).then(|| first + usize::from(at.y - area.y));
        if self.areas.is_covered {
            return row_of(self.areas.choices).map(Hit::Choice);
        }
        let room = row_of(self.areas.rooms).map(Hit::Room);
        room.or_else(|| offset_at(model, self.areas.composer, at).map(Hit::Cursor))
    }

    /// Marks the selected cells and keeps their text.
    pub(super) fn select(&mut self, buffer: &mut Buffer) {
        let Some(selection) = self.selection else { return };
        let area = self.areas.text.intersection(buffer.area);
        let mut selected = String::new();
        let mut is_first = true;
        for y in area.top()..area.bottom() {
            let Some(mut columns) = selection.columns(area, y) else { continue };
            let copyable = self.areas.copyable.get(usize::from(y - area.top())).and_then(Option::as_ref);
            if let Some(CopyableText { columns: text, .. }) = copyable {
                // Columns of the timeline count from its left edge.
                let column =
                    |at: usize| self.areas.left.saturating_add(u16::try_from(at).unwrap_or(u16::MAX));
                columns = columns.start.max(column(text.start))..columns.end.min(column(text.end));
            }
            if !std::mem::take(&mut is_first) {
                selected.push_str(copyable.map_or("\n", |copyable| copyable.separator));
            }
            let row = reversed(buffer, columns, y);
            selected.push_str(if copyable.is_some() { &row } else { row.trim_end() });
        }
        self.selected = selected;
    }
}

/// Reverses cells of a row and returns their text.
fn reversed(buffer: &mut Buffer, columns: Range<u16>, y: u16) -> String {
    let mut text = String::new();
    let mut x = columns.start;
    while x < columns.end {
        let cell = &mut buffer[(x, y)];
        let symbol = text_of(cell);
        text.push_str(symbol);
        let cells = u16::try_from(width(symbol)).unwrap_or(1).max(1);
        for x in x..x + cells {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.modifier.toggle(Modifier::REVERSED);
            }
        }
        x += cells;
    }
    text
}
