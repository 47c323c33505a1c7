//! The timeline: laid out from the last visible row upwards, as far as the screen reaches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::areas::DrawnRow;
use super::layout::WHEEL;
use super::look::Look;
use super::pen::Pen;
use super::rows::{TimelineLayout, not_loaded};
use super::screen_row::ScreenRow;
use super::state::{Anchor, Move, ViewState};
use crate::app::timeline::{ItemKey, Top};
use crate::app::{Action, Model, Room, Scroll, ViewJump, Viewed};

/// Draws the timeline. Returns the number of items below the visible ones.
pub(super) fn view(
    model: &Model,
    state: &mut ViewState,
    buffer: &mut Buffer,
    area: Rect,
    is_narrow: bool,
) -> usize {
    let pane = model.pane();
    let layout = TimelineLayout {
        room: model.room(),
        zone: model.zone(),
        timeline: &pane.timeline,
        keymap: &model.keymap,
        me: model.me(),
        ruler: model.room().and_then(|room| room.reading.ruler),
        above: above_all(model, state.look),
        filled_gap: model.room().and_then(Room::filled_gap),
        year: model.today().year(),
        look: state.look,
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
    let end = moved(&layout, state, pane.id, height);
    // New messages do not move the view of a search, nor text that is being selected.
    let is_pinned = pane.search.is_some() || (end.is_none() && state.is_pinned_by_selection(pane.id));
    match end.or_else(|| is_pinned.then(|| RowPosition::end(&layout))) {
        Some(end) => state.anchors.insert(pane.id, end.anchor(&layout)),
        None => state.anchors.remove(&pane.id),
    };
    let has_more_below = end.is_some();
    let end = end.unwrap_or_else(|| RowPosition::end(&layout));
    let mut visible = above(&layout, end, height);
    // The first row of the screen that is not a rule has a time, also if the item begins above the screen.
    if let Some((place, row)) = visible.iter_mut().find(|(_, row)| !row.is_rule())
        && let Some(time) = layout.time(place.index)
    {
        *row = std::mem::take(row).with_time(time);
    }

    let key = |place: Option<&(RowPosition, ScreenRow)>| Some(layout.timeline.get(place?.0.index)?.key());
    let empty = height - visible.len();
    // Without items there is nothing to see, but the history may have some: a key that scrolls up loads them.
    let without_items = layout.timeline.is_empty().then(Default::default);
    let ends = key(visible.first()).zip(key(visible.last())).or(without_items);
    state.viewed = ends.map(|(first, last)| Viewed { pane: pane.id, first, last, is_full: empty == 0 });
    let is_first = |place: &RowPosition| place.index == layout.first && place.row == 0;
    state.can_scroll = (visible.first().is_some_and(|(place, _)| !is_first(place)), has_more_below);
    let mut pen = Pen::new(buffer, area);
    if let Some(text) = &layout.above
        && layout.timeline.is_empty()
    {
        pen.titled_rule(height - 1, text, look.faint(), look);
    }
    if let Some(row) = empty.checked_sub(1)
        && layout.first > 0
    {
        let key = model.keymap.key(Action::PageUp);
        let text = key.map_or_else(|| "cleared".to_owned(), |key| format!("{key} restores the old messages"));
        pen.titled_rule(row, &text, look.faint(), look);
    }
    for (row, (_, drawn)) in visible.iter().enumerate() {
        drawn.draw(&mut pen, empty + row, look, state.has_links);
    }
    let rows = |count: usize| u16::try_from(count).unwrap_or(area.height);
    state.areas.pane = area;
    state.areas.timeline = Rect { y: area.y + rows(empty), height: rows(visible.len()), ..area };
    let drawn = |(place, row): (RowPosition, ScreenRow)| {
        Some(DrawnRow { key: layout.timeline.get(place.index)?.key(), row })
    };
    state.areas.rows = visible.into_iter().filter_map(drawn).collect();
    layout.timeline.len().saturating_sub(end.index + 1)
}

/// Note above the first item.
fn above_all(model: &Model, look: Look) -> Option<String> {
    let Some(room) = model.room() else {
        return Some(format!("no room: /join one, or /rooms{} for a list", model.keymap.hint(Action::Rooms)));
    };
    let timeline = &room.pane.timeline;
    if let Some((reason, None)) = room.failed_page() {
        return Some(not_loaded(reason, &model.keymap));
    }
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
struct RowPosition {
    index: usize,
    row: usize,
}

impl RowPosition {
    /// The last row of all.
    fn end(layout: &TimelineLayout<'_>) -> Self {
        Self { index: layout.timeline.len().saturating_sub(1), row: usize::MAX }
    }

    fn anchor(self, layout: &TimelineLayout<'_>) -> Anchor {
        let key = layout.timeline.get(self.index).map(|item| item.key()).unwrap_or_default();
        Anchor { key, row: self.row }
    }
}

/// Last visible row of a pane after its pending moves; `None` at the end.
fn moved(
    layout: &TimelineLayout<'_>,
    state: &mut ViewState,
    pane: u32,
    height: usize,
) -> Option<RowPosition> {
    let mut end = place(layout, state.anchors.get(&pane).copied(), height);
    for (_, step) in state.moves.extract_if(.., |(id, _)| *id == pane) {
        end = match step {
            Move::Scroll(scroll) => scrolled(layout, end, scroll, height),
            Move::See(ViewJump::Hit(hit)) => to_hit(layout, end, hit, height),
            Move::See(ViewJump::Restore) => place(layout, state.marks.get(&pane).copied().flatten(), height),
            Move::See(ViewJump::Save) => {
                state.marks.insert(pane, end.map(|end| end.anchor(layout)));
                end
            }
        };
    }
    end
}

/// Last visible row; `None` at the end.
fn place(layout: &TimelineLayout<'_>, anchor: Option<Anchor>, height: usize) -> Option<RowPosition> {
    let anchor = anchor?;
    let at = RowPosition { index: layout.timeline.index_of(anchor.key), row: anchor.row };
    not_the_end(layout, at_least_a_screen(layout, at, height)?)
}

/// Last visible row after scrolling; `None` at the end.
fn scrolled(
    layout: &TimelineLayout<'_>,
    at: Option<RowPosition>,
    scroll: Scroll,
    height: usize,
) -> Option<RowPosition> {
    let page = height.saturating_sub(2).max(1);
    let down = |lines| not_the_end(layout, below(layout, at?, lines)?);
    match scroll {
        Scroll::Bottom => None,
        Scroll::Top => not_the_end(layout, below(layout, RowPosition { index: 0, row: 0 }, height - 1)?),
        Scroll::PageUp => up(layout, at, page, height),
        Scroll::LineUp => up(layout, at, 1, height),
        Scroll::WheelUp => up(layout, at, WHEEL, height),
        Scroll::PageDown => down(page),
        Scroll::LineDown => down(1),
        Scroll::WheelDown => down(WHEEL),
    }
}

/// Last visible row so that a match is visible: unchanged if it is, or else with the match in the middle.
fn to_hit(
    layout: &TimelineLayout<'_>,
    at: Option<RowPosition>,
    hit: ItemKey,
    height: usize,
) -> Option<RowPosition> {
    let index = layout.timeline.index_of(hit);
    let hit = RowPosition { index, row: layout.rows(index).iter().position(ScreenRow::is_hit).unwrap_or(0) };
    let end = at.unwrap_or_else(|| RowPosition::end(layout));
    if above(layout, end, height).iter().any(|(place, _)| *place == hit) {
        return at;
    }
    let middle = below(layout, hit, height / 2)?;
    not_the_end(layout, at_least_a_screen(layout, middle, height)?)
}

fn up(
    layout: &TimelineLayout<'_>,
    at: Option<RowPosition>,
    lines: usize,
    height: usize,
) -> Option<RowPosition> {
    let rows = above(layout, at.unwrap_or_else(|| RowPosition::end(layout)), lines + height);
    // If fewer rows are above, the first row is at the top.
    let place = rows.get(height.min(rows.len()).checked_sub(1)?)?.0;
    not_the_end(layout, place)
}

/// The position itself, or a lower one so that a full screen of rows is above it; `None` at the end.
fn at_least_a_screen(layout: &TimelineLayout<'_>, at: RowPosition, height: usize) -> Option<RowPosition> {
    if at.index >= layout.timeline.len() {
        return None;
    }
    let rows = above(layout, at, height).len();
    if rows < height { below(layout, at, height - rows) } else { Some(at) }
}

/// `None` if the position is the last row: the view follows new messages.
fn not_the_end(layout: &TimelineLayout<'_>, at: RowPosition) -> Option<RowPosition> {
    let is_last =
        at.index + 1 >= layout.timeline.len() && at.row.saturating_add(1) >= layout.rows(at.index).len();
    (!is_last).then_some(at)
}

/// Up to `count` rows that end with `end`, from the top. Cleared items are not among them.
fn above(layout: &TimelineLayout<'_>, end: RowPosition, count: usize) -> Vec<(RowPosition, ScreenRow)> {
    let mut found: Vec<(RowPosition, ScreenRow)> = Vec::with_capacity(count);
    let mut last = end.row;
    for index in (layout.first..layout.timeline.len().min(end.index + 1)).rev() {
        let rows = layout.rows(index);
        let last_row = last.min(rows.len().saturating_sub(1));
        for (row, drawn) in rows.into_iter().enumerate().take(last_row + 1).rev() {
            found.push((RowPosition { index, row }, drawn));
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

/// The position `count` rows below `from`; `None` beyond the end.
fn below(layout: &TimelineLayout<'_>, from: RowPosition, count: usize) -> Option<RowPosition> {
    let mut index = from.index;
    let mut row = from.row.min(layout.rows(index).len().saturating_sub(1)) + count;
    while index < layout.timeline.len() {
        let rows = layout.rows(index).len();
        if row < rows {
            return Some(RowPosition { index, row });
        }
        row -= rows;
        index += 1;
    }
    None
}
