//! Drags of the mouse over the text of the timeline, which select it.
//!
//! The last drawn rows translate the pointer into a place in a text.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Modifier;

use super::areas::DrawnRow;
use super::selection::{Selection, TextPlace, part_of, text_in, text_of};
use super::state::ViewState;
use crate::app::timeline::ItemKey;
use crate::app::{Input, Model};

impl ViewState {
    /// Begins a selection at a press of the button. Nothing is selected yet.
    pub(super) fn press_text(&mut self, model: &Model, pointer: Position) {
        self.selection = self.place_at(model, pointer).map(|place| Selection {
            pane: model.pane().id,
            rekeyed: model.pane().timeline.rekeyed(),
            from: place.clone(),
            to: place,
            pointer,
            is_dragged: false,
            is_moved: false,
            is_pinned: false,
        });
    }

    /// Extends the selection to the pointer. Returns false if there is none.
    pub(super) fn drag_text(&mut self, model: &Model, pointer: Position) -> bool {
        let place = self.place_at(model, pointer);
        let Some(selection) = &mut self.selection else { return false };
        (selection.pointer, selection.is_dragged) = (pointer, true);
        if let Some(place) = place {
            selection.to = place;
        }
        true
    }

    /// True if the timeline of this pane stays in its place, although it is at its end, because text is being selected.
    pub(super) fn is_pinned_by_selection(&mut self, pane: u32) -> bool {
        let selection =
            self.selection.as_mut().filter(|selection| selection.pane == pane && selection.is_dragged);
        selection.map(|selection| selection.is_pinned = true).is_some()
    }

    /// True while the pointer selects text.
    pub(super) fn is_dragged(&self) -> bool {
        self.selection.as_ref().is_some_and(|selection| selection.is_dragged)
    }

    /// Handles a scroll of the timeline while text may be selected.
    pub(super) fn scroll_under_pointer(&mut self) {
        if let Some(selection) = &mut self.selection {
            (selection.is_moved, selection.is_pinned) = (selection.is_dragged, false);
        }
    }

    /// Ends the selection.
    pub fn deselect(&mut self) {
        self.take_selection();
        self.pressed_link = None;
    }

    fn take_selection(&mut self) -> Option<Selection> {
        let selection = self.selection.take()?;
        if selection.is_pinned {
            self.anchors.remove(&selection.pane);
        }
        Some(selection)
    }

    /// The wheel turned for a pointer that is held beyond an edge of the timeline, if the timeline can scroll there.
    #[must_use]
    pub fn edge_scroll(&self) -> Option<Input> {
        let selection = self.selection.as_ref().filter(|selection| selection.is_dragged)?;
        let area = self.areas.timeline;
        let (can_go_up, can_go_down) = self.can_scroll;
        let up = selection.pointer.y < area.top() && can_go_up;
        let down = selection.pointer.y >= area.bottom() && can_go_down;
        (up || down).then_some(Input::Wheel { up })
    }

    /// The text at the pointer. Above and below the timeline, and beside a text, it is the nearest end of a row.
    fn place_at(&self, model: &Model, pointer: Position) -> Option<TextPlace> {
        let area = self.areas.timeline;
        let rows = &self.areas.rows;
        let index = usize::from(pointer.y.saturating_sub(area.y)).min(rows.len().checked_sub(1)?);
        let DrawnRow { key, row } = &rows[index];
        let column = usize::from(pointer.x.saturating_sub(area.x));
        let place = |key: ItemKey, at: usize| TextPlace { key, offsets: at..at };
        if let (Some(start), Some(end)) = (row.start(), row.end()) {
            if pointer.y < area.top() {
                return Some(place(*key, start));
            }
            if pointer.y >= area.bottom() {
                return Some(place(*key, end));
            }
            let offsets = row.offsets(column)?;
            return Some(TextPlace { key: *key, offsets: whole_tab(model, *key, offsets) });
        }
        // A row of the program's own: the text of its item below it, otherwise the next text above, otherwise below.
        let start = |row: &DrawnRow| Some(place(row.key, row.row.start()?));
        let mut below = rows[index..].iter().take_while(|row| row.key == *key);
        let mut above = rows[..index].iter().rev();
        (below.find_map(start))
            .or_else(|| above.find_map(|row| Some(place(row.key, row.row.end()?))))
            .or_else(|| rows[index..].iter().find_map(start))
    }

    /// Moves the end of the selection to the pointer after the user scrolled, and marks the selected cells.
    pub(super) fn select(&mut self, model: &Model, buffer: &mut Buffer) {
        let Some(selection) = &self.selection else { return };
        if selection.is_moved {
            let place = self.place_at(model, selection.pointer);
            if let Some(selection) = &mut self.selection {
                selection.is_moved = false;
                selection.to = place.unwrap_or_else(|| selection.to.clone());
            }
        }
        let Some(bounds) = self.selection.as_ref().and_then(|selection| selection.bounds(model)) else {
            return;
        };
        let area = self.areas.timeline.intersection(buffer.area);
        for (y, DrawnRow { key, row }) in (area.top()..area.bottom()).zip(&self.areas.rows) {
            let Some(part) = part_of(&bounds, *key) else { continue };
            for column in row.columns(&part).flatten() {
                let x = u16::try_from(column).unwrap_or(u16::MAX).saturating_add(area.x);
                if x < area.right()
                    && let Some(cell) = buffer.cell_mut((x, y))
                {
                    cell.modifier.toggle(Modifier::REVERSED);
                }
            }
        }
    }

    /// Ends the selection and returns its text, as far as it can be copied. It is empty if nothing is selected.
    pub(super) fn take_selected(&mut self, model: &Model) -> String {
        let bounds = self.take_selection().and_then(|selection| selection.bounds(model));
        bounds.map(|bounds| text_in(&model.pane().timeline, &bounds, self.look)).unwrap_or_default()
    }
}

/// The offsets of a grapheme. A tab is selected as a whole.
fn whole_tab(model: &Model, key: ItemKey, offsets: Range<usize>) -> Range<usize> {
    let timeline = &model.pane().timeline;
    let item = timeline.get(timeline.index_of(timeline.present_key(key)));
    let tab = item.and_then(text_of).and_then(|text| {
        let mut tabs = text.tabs();
        tabs.find(|tab| tab.contains(&offsets.start) && !offsets.is_empty())
    });
    tab.unwrap_or(offsets)
}
