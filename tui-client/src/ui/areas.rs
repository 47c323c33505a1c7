//! Areas of the screen that was drawn last, for the mouse, and the selection.

use std::ops::Range;

use ratatui::layout::{Position, Rect};

use super::layout::ComposerArea;
use super::rows::SaidIn;

/// Where things are.
#[derive(Debug, Clone, Default)]
pub(super) struct Areas {
    /// A row for each room, and the index of the first one.
    pub(super) rooms: (Rect, usize),
    /// The columns of the timeline in which there is text.
    pub(super) text: Rect,
    /// The timeline's first column.
    pub(super) left: u16,
    /// For each row of the timeline what is said there; none where the row is the program's own.
    pub(super) said: Vec<Option<SaidIn>>,
    pub(super) composer: ComposerArea,
    /// The rows of what can be chosen over the screen, and the index of the first one. Empty where nothing can.
    pub(super) choices: (Rect, usize),
    /// Something lies over the screen.
    pub(super) is_covered: bool,
}

/// Selected cells: where it began, and where it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) from: Position,
    pub(super) to: Position,
}

impl Selection {
    /// The cells of a row, from and to, in `area`.
    pub(super) fn columns(self, area: Rect, row: u16) -> Option<Range<u16>> {
        let place = |at: Position| (at.y, at.x);
        let (first, last) = (place(self.from).min(place(self.to)), place(self.from).max(place(self.to)));
        let from = if row == first.0 { first.1 } else { area.left() };
        let to = if row == last.0 { last.1 + 1 } else { area.right() };
        (first.0..=last.0).contains(&row).then_some(from..to.min(area.right()))
    }
}
