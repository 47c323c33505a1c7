//! Mouse input: the part of the last drawn screen under the pointer.
//!
//! A release ends the selection of text, and so does a key that does not scroll. A click into a text selects nothing; on a
//! link it opens the link, and on a fold the rest of the message.

use crate::terminal_input::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::layout::{offset_at, row_target};
use super::state::{Move, ViewState};
use crate::app::timeline::ItemKey;
use crate::app::{Action, Hit, Input, Model};
use crate::markup::Target;

impl ViewState {
    /// Handles a mouse event. Returns the input for the app, if any.
    pub fn mouse(&mut self, model: &Model, event: MouseEvent) -> Option<Input> {
        let at = Position { x: event.column, y: event.row };
        match event.kind {
            MouseEventKind::ScrollUp => Some(Input::Wheel { up: true }),
            MouseEventKind::ScrollDown => Some(Input::Wheel { up: false }),
            MouseEventKind::Down(MouseButton::Left) => {
                self.deselect();
                if !self.areas.is_covered && self.areas.pane.contains(at) {
                    self.pressed_link = self.link_at(at);
                    self.press_text(model, at);
                }
                self.hit(model, at).map(Input::Click)
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                self.pressed_link = None;
                self.drag_text(model, at).then_some(Input::Dragged)
            }
            MouseEventKind::Up(MouseButton::Left) => {
                if let Some(target) = self.pressed_link.take() {
                    self.deselect();
                    return Some(Input::Click(Hit::Link(target)));
                }
                if let Some(fold) = self.fold_at(at).filter(|_| !self.is_dragged()) {
                    self.deselect();
                    self.moves.push((model.pane().id, Move::Fold(fold)));
                    return Some(Input::Click(Hit::Timeline));
                }
                let selected = self.take_selected(model);
                (!selected.is_empty()).then_some(Input::Selected(selected))
            }
            _ => None,
        }
    }

    /// The message whose fold is at the pointer.
    fn fold_at(&self, at: Position) -> Option<ItemKey> {
        let drawn = self.areas.rows.get(usize::from(at.y.checked_sub(self.areas.timeline.y)?))?;
        drawn.row.is_fold().then_some(drawn.key)
    }

    /// Target of the link at the pointer.
    fn link_at(&self, at: Position) -> Option<Target> {
        let area = self.areas.timeline;
        let drawn = self.areas.rows.get(usize::from(at.y.checked_sub(area.y)?))?;
        drawn.row.link(usize::from(at.x.checked_sub(area.x)?)).cloned()
    }

    /// Handles a key. `Up` and `Down` move the cursor between the rows of the draft, which only the view knows.
    pub fn key(&mut self, model: &Model, key: KeyEvent) -> Input {
        let action = model.keymap.action(key);
        if !matches!(action, Some(Action::PageUp | Action::PageDown)) {
            self.deselect();
        }
        let is_up = match action {
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

    fn hit(&self, model: &Model, at: Position) -> Option<Hit> {
        let row_of =
            |(area, first): (Rect, usize)| area.contains(at).then(|| first + usize::from(at.y - area.y));
        if self.areas.is_covered {
            return row_of(self.areas.choices).map(Hit::Choice);
        }
        let room = row_of(self.areas.rooms).map(Hit::Room);
        room.or_else(|| offset_at(model, self.areas.composer, at).map(Hit::Cursor))
    }
}
