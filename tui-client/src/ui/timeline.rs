//! The timeline: laid out from the last visible row upwards, as far as the screen goes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::layout::WHEEL;
use super::look::Look;
use super::pen::Pen;
use super::rows::{Row, Sheet};
use super::state::{Anchor, Move, ViewState};
use crate::app::timeline::{ItemKey, Top};
use crate::app::{Action, Model, Room, Scroll, ViewJump, Viewed};

/// Draws the timeline; how many items are below what is visible.
pub(super) fn view(
    model: &Model,
    state: &mut ViewState,
    buffer: &mut Buffer,
    area: Rect,
    is_narrow: bool,
) -> usize {
    let pane = model.pane();
    let sheet = Sheet {
        timeline: &pane.timeline,
        keymap: &model.keymap,
        me: model.me(),
        ruler: model.room().and_then(|room| room.reading.ruler),
        above: above_all(model, state.look),
        filled_gap: model.room().and_then(Room::filled_gap),
        year: model.today().year(),
        look: state.look,
        has_links: state.has_links,
        width: area.width.into(),
        is_narrow,
        hit: pane.timeline.selected_hit(),
        first: if pane.timeline.selected_hit().is_none() { pane.timeline.first_not_cleared() } else { 0 },
    };
    let look = state.look;
    let height = usize::from(area.height);
    if height == 0 || area.width == 0 {
        return 0;
    }
    let end = moved(&sheet, state, pane.id, height);
    // Who looks for something is not moved by what comes.
    match end.or_else(|| pane.search.as_ref().map(|_| Place::end(&sheet))) {
        Some(end) => state.anchors.insert(pane.id, end.anchor(&sheet)),
        None => state.anchors.remove(&pane.id),
    };
    let end = end.unwrap_or_else(|| Place::end(&sheet));
    let visible = above(&sheet, end, height);

    let key = |place: Option<&(Place, Row)>| Some(sheet.timeline.get(place?.0.index)?.key());
    let empty = height - visible.len();
    let ends = key(visible.first()).zip(key(visible.last()));
    state.viewed = ends.map(|(first, last)| Viewed { pane: pane.id, first, last, is_full: empty == 0 });
    state.areas.text = sheet.text_area(area);
    state.areas.left = area.x;
    state.areas.said = vec![None; empty];
    state.areas.said.extend(visible.iter().map(|(_, row)| row.said().cloned()));
    let mut pen = Pen::new(buffer, area);
    if let Some(text) = &sheet.above
        && sheet.timeline.is_empty()
    {
        pen.titled_rule(height - 1, text, look.faint(), look);
    }
    if let Some(row) = empty.checked_sub(1)
        && sheet.first > 0
    {
        let key = model.keymap.key(Action::PageUp);
        let text = key.map_or_else(|| "cleared".to_owned(), |key| format!("{key} brings back what was here"));
        pen.titled_rule(row, &text, look.faint(), look);
    }
    for (row, (_, drawn)) in visible.iter().enumerate() {
        drawn.draw(&mut pen, empty + row, look);
    }
    sheet.timeline.len().saturating_sub(end.index + 1)
}

/// What is said above the first item.
fn above_all(model: &Model, look: Look) -> Option<String> {
    let Some(room) = model.room() else {
        return Some(format!("no room: /join one, or /rooms{} for a list", model.keymap.hint(Action::Rooms)));
    };
    let timeline = &room.pane.timeline;
    Some(match timeline.top() {
        _ if room.is_loading() && room.filled_gap().is_none() => look.own("loading…").into_owned(),
        Top::Unknown => return None,
        Top::Older if timeline.is_full() => "older messages are not held".to_owned(),
        Top::Older => match model.keymap.key(Action::PageUp) {
            Some(key) => format!("{key} loads older messages"),
            None => "there are older messages".to_owned(),
        },
        Top::Gone => "older messages are gone".to_owned(),
        Top::Beginning => format!("beginning of #{}", room.pane.title),
    })
}

/// A row of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    index: usize,
    row: usize,
}

impl Place {
    /// The last row of all.
    fn end(sheet: &Sheet<'_>) -> Self {
        Self { index: sheet.timeline.len().saturating_sub(1), row: usize::MAX }
    }

    fn anchor(self, sheet: &Sheet<'_>) -> Anchor {
        let key = sheet.timeline.get(self.index).map(|item| item.key()).unwrap_or_default();
        Anchor { key, row: self.row }
    }
}

/// Where the last visible row of a pane is after all that it was to do; `None` at the end.
fn moved(sheet: &Sheet<'_>, state: &mut ViewState, pane: u32, height: usize) -> Option<Place> {
    let mut end = place(sheet, state.anchors.get(&pane).copied(), height);
    for (_, step) in state.moves.extract_if(.., |(id, _)| *id == pane) {
        end = match step {
            Move::Scroll(scroll) => scrolled(sheet, end, scroll, height),
            Move::See(ViewJump::Hit(hit)) => to_hit(sheet, end, hit, height),
            Move::See(ViewJump::Restore) => place(sheet, state.marks.get(&pane).copied().flatten(), height),
            Move::See(ViewJump::Save) => {
                state.marks.insert(pane, end.map(|end| end.anchor(sheet)));
                end
            }
        };
    }
    end
}

/// Where the last visible row is; `None` at the end.
fn place(sheet: &Sheet<'_>, anchor: Option<Anchor>, height: usize) -> Option<Place> {
    let anchor = anchor?;
    let at = Place { index: sheet.timeline.index_of(anchor.key), row: anchor.row };
    not_the_end(sheet, at_least_a_screen(sheet, at, height)?)
}

/// Where the last visible row is after scrolling; `None` at the end.
fn scrolled(sheet: &Sheet<'_>, at: Option<Place>, scroll: Scroll, height: usize) -> Option<Place> {
    let page = height.saturating_sub(2).max(1);
    let down = |lines| not_the_end(sheet, below(sheet, at?, lines)?);
    match scroll {
        Scroll::Bottom => None,
        Scroll::Top => not_the_end(sheet, below(sheet, Place { index: 0, row: 0 }, height - 1)?),
        Scroll::PageUp => up(sheet, at, page, height),
        Scroll::LineUp => up(sheet, at, 1, height),
        Scroll::WheelUp => up(sheet, at, WHEEL, height),
        Scroll::PageDown => down(page),
        Scroll::LineDown => down(1),
        Scroll::WheelDown => down(WHEEL),
    }
}

/// Where what was found in an item can be seen: the same place where it is visible, else with it in the middle.
fn to_hit(sheet: &Sheet<'_>, at: Option<Place>, hit: ItemKey, height: usize) -> Option<Place> {
    let index = sheet.timeline.index_of(hit);
    let hit = Place { index, row: sheet.rows(index).iter().position(Row::is_hit).unwrap_or(0) };
    let end = at.unwrap_or_else(|| Place::end(sheet));
    if above(sheet, end, height).iter().any(|(place, _)| *place == hit) {
        return at;
    }
    let middle = below(sheet, hit, height / 2)?;
    not_the_end(sheet, at_least_a_screen(sheet, middle, height)?)
}

fn up(sheet: &Sheet<'_>, at: Option<Place>, lines: usize, height: usize) -> Option<Place> {
    let rows = above(sheet, at.unwrap_or_else(|| Place::end(sheet)), lines + height);
    // Where there are fewer rows above, the first one is at the top.
    let place = rows.get(height.min(rows.len()).checked_sub(1)?)?.0;
    not_the_end(sheet, place)
}

/// Where fewer rows than a screen's are above a place, the place that has them; `None` at the end.
fn at_least_a_screen(sheet: &Sheet<'_>, at: Place, height: usize) -> Option<Place> {
    if at.index >= sheet.timeline.len() {
        return None;
    }
    let rows = above(sheet, at, height).len();
    if rows < height { below(sheet, at, height - rows) } else { Some(at) }
}

/// `None` where the place is the last row: the view follows what comes.
fn not_the_end(sheet: &Sheet<'_>, at: Place) -> Option<Place> {
    let is_last =
        at.index + 1 >= sheet.timeline.len() && at.row.saturating_add(1) >= sheet.rows(at.index).len();
    (!is_last).then_some(at)
}

/// Up to `count` rows that end with `end`, from the top; what was cleared away is not among them.
fn above(sheet: &Sheet<'_>, end: Place, count: usize) -> Vec<(Place, Row)> {
    let mut found: Vec<(Place, Row)> = Vec::with_capacity(count);
    let mut last = end.row;
    for index in (sheet.first..sheet.timeline.len().min(end.index + 1)).rev() {
        let rows = sheet.rows(index);
        let last_row = last.min(rows.len().saturating_sub(1));
        for (row, drawn) in rows.into_iter().enumerate().take(last_row + 1).rev() {
            found.push((Place { index, row }, drawn));
        }
        last = usize::MAX;
        if found.len() >= count {
            break;
        }
    }
    found.truncate(count);
    found.reverse();
    found
}

/// The place `count` rows below `from`, or `None` where it is beyond the end.
fn below(sheet: &Sheet<'_>, from: Place, count: usize) -> Option<Place> {
    let mut index = from.index;
    let mut row = from.row.min(sheet.rows(index).len().saturating_sub(1)) + count;
    while index < sheet.timeline.len() {
        let rows = sheet.rows(index).len();
        if row < rows {
            return Some(Place { index, row });
        }
        row -= rows;
        index += 1;
    }
    None
}
