//! Selection of text with the mouse.
//!
//! Invariant: a selection consists of places in texts, never of cells. So it stays the same when messages arrive, when
//! the timeline scrolls, and when the window is resized. Items that were dropped meanwhile are left out.
//!
//! The text is copied as it was written, without the marks of emphasis and code: tabs are tabs, and a row that was broken
//! at the edge is one line. Stamps, nicks, rules, signs, joins and leaves are not copied. The last drawn rows translate the
//! pointer into a place.

use std::borrow::Cow;
use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Modifier;

use super::areas::DrawnRow;
use super::look::Look;
use super::rows::shown_note;
use super::state::ViewState;
use crate::app::timeline::{Body, Item, ItemKey, LogRow, Timeline};
use crate::app::{COPIED_BYTES, Input, Model};
use crate::markup::Markup;
use crate::sanitize::Block;

/// A grapheme of a text, or the empty place between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextPlace {
    key: ItemKey,
    offsets: Range<usize>,
}

/// A place in the text of an item.
type Bound = (ItemKey, usize);

/// Text between a press of the button and the pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pane: u32,
    rekeyed: u32,
    from: TextPlace,
    to: TextPlace,
    pointer: Position,
    /// The pointer has moved since the press.
    pub(super) is_dragged: bool,
    /// The user scrolled, so that the pointer is above another place.
    pub(super) is_moved: bool,
    /// The timeline follows new messages, and does so again after the selection.
    pub(super) is_pinned: bool,
}

impl Selection {
    /// The selected part of a timeline; `None` if nothing is selected, or if the timeline is another one.
    fn bounds(&self, model: &Model) -> Option<Range<Bound>> {
        let pane = model.pane();
        let timeline = &pane.timeline;
        if pane.id != self.pane || timeline.rekeyed() != self.rekeyed || self.from == self.to {
            return None;
        }
        let bound = |place: &TextPlace, at: usize| (timeline.present_key(place.key), at);
        let (from, to) = (&self.from, &self.to);
        let start = bound(from, from.offsets.start).min(bound(to, to.offsets.start));
        let end = bound(from, from.offsets.end).max(bound(to, to.offsets.end));
        (start < end).then_some(start..end)
    }
}

/// The part of an item's text within the bounds; `None` if it has none.
fn part_of(bounds: &Range<Bound>, key: ItemKey) -> Option<Range<usize>> {
    if key < bounds.start.0 || key > bounds.end.0 {
        return None;
    }
    let start = if key == bounds.start.0 { bounds.start.1 } else { 0 };
    let end = if key == bounds.end.0 { bounds.end.1 } else { usize::MAX };
    Some(start..end)
}

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

fn text_of(item: Item<'_>) -> Option<&Block> {
    match item {
        Item::Outgoing(outgoing) => Some(&outgoing.text),
        Item::Row(LogRow { body: Body::Message(message), .. }) => Some(&message.text),
        Item::Row(LogRow { body: Body::Note { text, .. }, .. }) => Some(text),
        Item::Row(LogRow { body: Body::Presence(_) | Body::Gap, .. }) => None,
    }
}

/// The text within the bounds, up to the first item beyond [`COPIED_BYTES`].
fn text_in(timeline: &Timeline, bounds: &Range<Bound>, look: Look) -> String {
    let mut copied = String::new();
    let items = (timeline.index_of(bounds.start.0)..timeline.len()).map_while(|index| timeline.get(index));
    for item in items {
        let Some(part) = part_of(bounds, item.key()) else { break };
        let text = copied_part(item, &part, look);
        if !copied.is_empty() && !text.is_empty() {
            copied.push('\n');
        }
        copied.push_str(&text);
        if copied.len() > COPIED_BYTES {
            break;
        }
    }
    copied
}

/// A part of the text of an item, as it was written.
fn copied_part(item: Item<'_>, part: &Range<usize>, look: Look) -> String {
    let Some(text) = text_of(item) else { return String::new() };
    let tabs: Vec<Range<usize>> = text.tabs().collect();
    match item {
        Item::Row(LogRow { body: Body::Note { tone, text }, .. }) => {
            let shown = shown_note(*tone, text.as_str(), look);
            let tabs = if matches!(shown, Cow::Borrowed(_)) { tabs } else { Vec::new() };
            let mut start = 0;
            let lines = shown.split('\n').map(|line| {
                let at = start;
                start += line.len() + 1;
                (at, vec![(at, line)])
            });
            join(lines, &tabs, part)
        }
        Item::Row(_) | Item::Outgoing(_) => join(Markup::parse(text).lines(), &tabs, part),
    }
}

/// The part of the lines, each given with its offset and its pieces. An empty line at the start or the end of the part is
/// left out.
fn join<'a>(
    lines: impl Iterator<Item = (usize, Vec<(usize, &'a str)>)>,
    tabs: &[Range<usize>],
    part: &Range<usize>,
) -> String {
    let mut joined = String::new();
    let mut newlines = 0;
    for (start, pieces) in lines {
        if start >= part.end {
            break;
        }
        let before = joined.len();
        let mut line = String::new();
        for (at, piece) in pieces {
            let from = part.start.clamp(at, at + piece.len());
            let to = part.end.clamp(from, at + piece.len());
            push_with_tabs(&mut line, &piece[from - at..to - at], from, tabs);
        }
        if !line.is_empty() {
            joined.extend(std::iter::repeat_n('\n', if before == 0 { 0 } else { newlines }));
            joined.push_str(&line);
            newlines = 0;
        }
        newlines += 1;
    }
    joined
}

/// Appends a text at the offset `at` with its tabs.
fn push_with_tabs(line: &mut String, text: &str, at: usize, tabs: &[Range<usize>]) {
    let first = tabs.partition_point(|tab| tab.start < at);
    let mut from = 0;
    for tab in tabs[first..].iter().take_while(|tab| tab.end <= at + text.len()) {
        line.push_str(&text[from..tab.start - at]);
        line.push('\t');
        from = tab.end - at;
    }
    line.push_str(&text[from..]);
}
