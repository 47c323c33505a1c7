//! Areas of the last drawn screen, for the mouse and the selection.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

use super::layout::ComposerArea;
use super::rows::CopyableText;

/// Positions of the parts of the screen.
#[derive(Debug, Clone, Default)]
pub(super) struct Areas {
    /// Rows of the rooms, and the index of the first one.
    pub(super) rooms: (Rect, usize),
    /// Columns of the timeline that contain text.
    pub(super) text: Rect,
    /// First column of the timeline.
    pub(super) left: u16,
    /// For each row of the timeline the text of a user in it; `None` if the row is the program's own.
    pub(super) copyable: Vec<Option<CopyableText>>,
    pub(super) composer: ComposerArea,
    /// Rows of the choices over the screen, and the index of the first one. Empty if there are none.
    pub(super) choices: (Rect, usize),
    /// An overlay covers the screen.
    pub(super) is_covered: bool,
}

/// Selected cells: the first and the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) from: Position,
    pub(super) to: Position,
}

impl Selection {
    /// Columns of the selected cells of a row in `area`.
    pub(super) fn columns(self, area: Rect, row: u16) -> Option<Range<u16>> {
        let place = |at: Position| (at.y, at.x);
        let (first, last) = (place(self.from).min(place(self.to)), place(self.from).max(place(self.to)));
        let from = if row == first.0 { first.1 } else { area.left() };
        let to = if row == last.0 { last.1 + 1 } else { area.right() };
        (first.0..=last.0).contains(&row).then_some(from..to.min(area.right()))
    }
}
