//! The timeline: laid out from the last visible row upwards, as far as the screen reaches.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::areas::DrawnRow;
use super::look::Look;
use super::pen::Pen;
use super::row_position::{RowPosition, above, moved};
use super::rows::{TimelineLayout, not_loaded};
use super::screen_row::ScreenRow;
use super::state::ViewState;
use crate::app::timeline::Top;
use crate::app::{Action, Model, Room, Viewed};

/// State of the timeline for the line below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TimelineState {
    /// Number of items below the visible ones, if there are rows below.
    pub(super) newer: Option<usize>,
    pub(super) long: Option<LongText>,
}

/// A long text on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LongText {
    Folded,
    /// The user opened it.
    Open,
}

/// Draws the timeline.
pub(super) fn view(
    model: &Model,
    state: &mut ViewState,
    buffer: &mut Buffer,
    area: Rect,
    is_narrow: bool,
) -> TimelineState {
    let pane = model.pane();
    let unfolded = state.unfolded.remove(&pane.id).unwrap_or_default();
    let mut layout = TimelineLayout {
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
        is_searching: pane.search.is_some(),
        hit: pane.timeline.selected_hit(),
        first: if pane.timeline.selected_hit().is_none() { pane.timeline.first_not_cleared() } else { 0 },
        unfolded: unfolded.into_iter().map(|key| pane.timeline.present_key(key)).collect(),
    };
    let look = state.look;
    let height = usize::from(area.height);
    if height == 0 || area.width == 0 {
        return TimelineState::default();
    }
    let end = moved(&mut layout, state, pane.id, height);
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
    let is_open = |(place, _): &(RowPosition, ScreenRow)| {
        layout.timeline.get(place.index).is_some_and(|item| layout.unfolded.contains(&item.key()))
    };
    let long = if visible.iter().any(|(_, row)| row.is_fold()) {
        Some(LongText::Folded)
    } else {
        visible.iter().any(is_open).then_some(LongText::Open)
    };
    state.viewed = ends.map(|(first, last)| Viewed {
        pane: pane.id,
        first,
        last,
        is_full: empty == 0,
        has_long: long.is_some(),
        follows: !state.anchors.contains_key(&pane.id),
    });
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
    let newer = has_more_below.then(|| layout.timeline.len().saturating_sub(end.index + 1));
    if !layout.unfolded.is_empty() {
        state.unfolded.insert(pane.id, layout.unfolded);
    }
    TimelineState { newer, long }
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
