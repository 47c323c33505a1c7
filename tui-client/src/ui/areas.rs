//! Areas of the last drawn screen, for the mouse and the selection.

use ratatui::layout::Rect;

use super::layout::ComposerArea;
use super::screen_row::ScreenRow;
use crate::app::timeline::ItemKey;

/// Positions of the parts of the screen.
#[derive(Debug, Clone, Default)]
pub(super) struct Areas {
    /// Rows of the rooms, and the index of the first one.
    pub(super) rooms: (Rect, usize),
    /// The timeline, with the rows above its first item.
    pub(super) pane: Rect,
    /// Rows of the timeline that show an item.
    pub(super) timeline: Rect,
    /// These rows, from the top.
    pub(super) rows: Vec<DrawnRow>,
    pub(super) composer: ComposerArea,
    /// Rows of the choices over the screen, and the index of the first one. Empty if there are none.
    pub(super) choices: (Rect, usize),
    /// An overlay covers the screen.
    pub(super) is_covered: bool,
}

/// A row of the timeline as it was drawn.
#[derive(Debug, Clone)]
pub(super) struct DrawnRow {
    pub(super) key: ItemKey,
    pub(super) row: ScreenRow,
}
