//! Positions in a timeline, and the steps between them: scrolling, jumps to a match or the ruler, folding.
//!
//! The position of a view is its last visible row; `None` means the end, where the view follows new messages. A step looks
//! at the rows of some screens, never at the whole history.

use super::layout::WHEEL;
use super::rows::TimelineLayout;
use super::screen_row::ScreenRow;
use super::state::{Anchor, Move, Opening, ViewState};
use crate::app::timeline::ItemKey;
use crate::app::{Scroll, ViewJump};

/// Rows above the ruler when a room opens at it.
const ABOVE_RULER: usize = 2;

/// A row of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowPosition {
    pub(super) index: usize,
    pub(super) row: usize,
}

impl RowPosition {
    /// The last row of all.
    pub(super) fn end(layout: &TimelineLayout<'_>) -> Self {
        Self { index: layout.timeline.len().saturating_sub(1), row: usize::MAX }
    }

    pub(super) fn anchor(self, layout: &TimelineLayout<'_>) -> Anchor {
        let key = layout.timeline.get(self.index).map(|item| item.key()).unwrap_or_default();
        Anchor { key, row: self.row }
    }
}

/// Last visible row of a pane after its pending moves; `None` at the end.
pub(super) fn moved(
    layout: &mut TimelineLayout<'_>,
    state: &mut ViewState,
    pane: u32,
    height: usize,
) -> Option<RowPosition> {
    let mut end = place(layout, state.anchors.get(&pane).copied(), height);
    end = opened(layout, state, pane, end, height);
    for (_, step) in state.moves.extract_if(.., |(id, _)| *id == pane) {
        if let Some(opening) = state.openings.get_mut(&pane) {
            opening.is_over = true;
        }
        end = match step {
            Move::Scroll(scroll) => scrolled(layout, end, scroll, height),
            Move::Fold(key) => fold(layout, end, Some(key), height),
            Move::See(ViewJump::Fold) => fold(layout, end, None, height),
            Move::See(ViewJump::Ruler) => match below_ruler(layout) {
                Some(index) => to_ruler(layout, index, height),
                None => end,
            },
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
    let key = layout.timeline.present_key(anchor.key);
    let at = RowPosition { index: layout.timeline.index_of(key), row: anchor.row };
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

/// Last visible row so that a match is visible: unchanged if it is, or else with the match in the middle. A folded message
/// with a match below the fold is opened.
fn to_hit(
    layout: &mut TimelineLayout<'_>,
    at: Option<RowPosition>,
    hit: ItemKey,
    height: usize,
) -> Option<RowPosition> {
    let index = layout.timeline.index_of(hit);
    if let Some(fold) = layout.rows(index).iter().position(ScreenRow::is_fold) {
        layout.unfolded.insert(hit);
        if !layout.rows(index).iter().skip(fold).any(ScreenRow::is_hit) {
            layout.unfolded.remove(&hit);
        }
    }
    let hit = RowPosition { index, row: layout.rows(index).iter().position(ScreenRow::is_hit).unwrap_or(0) };
    let end = at.unwrap_or_else(|| RowPosition::end(layout));
    if above(layout, end, height).iter().any(|(place, _)| *place == hit) {
        return at;
    }
    let middle = below(layout, hit, height / 2)?;
    not_the_end(layout, at_least_a_screen(layout, middle, height)?)
}

/// Last visible row after a room was shown or its ruler has changed: with the ruler in sight. Until the user moves the
/// view, messages that are loaded or replayed between the ruler and the others count as well. A view that was scrolled back
/// before stays, unless the room was not shown.
fn opened(
    layout: &TimelineLayout<'_>,
    state: &mut ViewState,
    pane: u32,
    end: Option<RowPosition>,
    height: usize,
) -> Option<RowPosition> {
    let is_shown_anew = state.shown.replace(pane) != Some(pane);
    let Some((ruler, index)) = layout.ruler.zip(below_ruler(layout)) else {
        state.openings.remove(&pane);
        return end;
    };
    let first = layout.timeline.get(index).map(|item| item.key()).unwrap_or_default();
    let known = state.openings.get(&pane).copied();
    let same = known.filter(|known| !is_shown_anew && known.ruler.after == ruler.after);
    let is_over = match same {
        // The view of a search stays at its match.
        _ if layout.is_searching => true,
        Some(known) => known.is_over || (ruler.count <= known.ruler.count && first >= known.first),
        None => end.is_some() && !is_shown_anew,
    };
    let is_over_for_good = same.map_or(is_over, |known| known.is_over);
    state.openings.insert(pane, Opening { ruler, first, is_over: is_over_for_good });
    if is_over { end } else { to_ruler(layout, index, height) }
}

/// Index of the item below the ruler.
fn below_ruler(layout: &TimelineLayout<'_>) -> Option<usize> {
    let index = layout.timeline.index_after(layout.ruler?.after);
    (index < layout.timeline.len()).then_some(index)
}

/// Last visible row so that the ruler is in sight: the end if that is enough, otherwise with the ruler near the top.
fn to_ruler(layout: &TimelineLayout<'_>, index: usize, height: usize) -> Option<RowPosition> {
    let ruler = layout.rows(index).iter().position(ScreenRow::is_ruler).unwrap_or(0);
    let ruler = RowPosition { index, row: ruler };
    if above(layout, RowPosition::end(layout), height).iter().any(|(place, _)| *place == ruler) {
        return None;
    }
    let rest = height.saturating_sub(1 + ABOVE_RULER.min(height / 4));
    not_the_end(layout, at_least_a_screen(layout, below(layout, ruler, rest)?, height)?)
}

/// Opens a folded message, or folds an opened one; without a key, the last one on the screen. The first visible row stays
/// in its place, or becomes the row of the fold.
fn fold(
    layout: &mut TimelineLayout<'_>,
    at: Option<RowPosition>,
    key: Option<ItemKey>,
    height: usize,
) -> Option<RowPosition> {
    let visible = above(layout, at.unwrap_or_else(|| RowPosition::end(layout)), height);
    let key_of = |(place, _): &(RowPosition, ScreenRow)| Some(layout.timeline.get(place.index)?.key());
    let is_folded = |(_, row): &&(RowPosition, ScreenRow)| row.is_fold();
    let folded = || visible.iter().rev().find(is_folded).and_then(key_of);
    let opened = || visible.iter().rev().filter_map(key_of).find(|key| layout.unfolded.contains(key));
    let key = key.or_else(folded).or_else(opened);
    let (Some(key), Some((top, _))) = (key, visible.first()) else { return at };
    let mut top = *top;
    if !layout.unfolded.remove(&key) {
        layout.unfolded.insert(key);
    }
    let rows = layout.rows(top.index);
    top.row = top.row.min(rows.len().saturating_sub(1));
    not_the_end(layout, at_least_a_screen(layout, below(layout, top, height.saturating_sub(1))?, height)?)
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
pub(super) fn not_the_end(layout: &TimelineLayout<'_>, at: RowPosition) -> Option<RowPosition> {
    let is_last =
        at.index + 1 >= layout.timeline.len() && at.row.saturating_add(1) >= layout.rows(at.index).len();
    (!is_last).then_some(at)
}

/// Up to `count` rows that end with `end`, from the top. Cleared items are not among them.
pub(super) fn above(
    layout: &TimelineLayout<'_>,
    end: RowPosition,
    count: usize,
) -> Vec<(RowPosition, ScreenRow)> {
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
pub(super) fn below(layout: &TimelineLayout<'_>, from: RowPosition, count: usize) -> Option<RowPosition> {
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
