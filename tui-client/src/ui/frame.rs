//! A frame that is being drawn: its cells, and the place of the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

/// A frame that is being drawn.
#[derive(Debug)]
pub struct Frame<'a> {
    buffer: &'a mut Buffer,
    cursor: Option<Position>,
}

impl<'a> Frame<'a> {
    /// A frame in `buffer`, with a hidden cursor.
    pub const fn new(buffer: &'a mut Buffer) -> Self {
        Self { buffer, cursor: None }
    }

    #[must_use]
    pub const fn area(&self) -> Rect {
        self.buffer.area
    }

    pub const fn buffer_mut(&mut self) -> &mut Buffer {
        self.buffer
    }

    /// Shows the cursor at this place.
    pub fn set_cursor_position(&mut self, place: impl Into<Position>) {
        self.cursor = Some(place.into());
    }

    /// Place of the cursor; `None` if it is hidden.
    #[must_use]
    pub const fn cursor(&self) -> Option<Position> {
        self.cursor
    }
}
