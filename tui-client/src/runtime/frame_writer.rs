//! Writer of a frame's cells: places, styles and graphemes.

use std::io;

use crossterm::cursor::MoveTo;
use crossterm::queue;
use crossterm::style::{
    Attribute, Color, Colors, Print, SetAttribute, SetBackgroundColor, SetColors, SetForegroundColor,
};
use ratatui::backend::IntoCrossterm;
use ratatui::buffer::Cell;
use ratatui::style::Modifier;

/// Modifiers, and the attributes that begin them.
const BEGINS: [(Modifier, Attribute); 5] = [
    (Modifier::REVERSED, Attribute::Reverse),
    (Modifier::BOLD, Attribute::Bold),
    (Modifier::ITALIC, Attribute::Italic),
    (Modifier::UNDERLINED, Attribute::Underlined),
    (Modifier::DIM, Attribute::Dim),
];
/// Attributes that end modifiers.
const ENDS: [(Modifier, Attribute); 4] = [
    (Modifier::REVERSED, Attribute::NoReverse),
    (INTENSITY, Attribute::NormalIntensity),
    (Modifier::ITALIC, Attribute::NoItalic),
    (Modifier::UNDERLINED, Attribute::NoUnderline),
];
/// One attribute ends both.
const INTENSITY: Modifier = Modifier::BOLD.union(Modifier::DIM);

/// Appends cells to a frame. It moves the cursor and changes the style where a cell needs that.
pub(super) struct FrameWriter<'a> {
    frame: &'a mut Vec<u8>,
    /// Place of the terminal's cursor, if it is known.
    place: Option<(u16, u16)>,
    colors: Colors,
    modifier: Modifier,
    is_empty: bool,
}

impl<'a> FrameWriter<'a> {
    pub(super) const fn new(frame: &'a mut Vec<u8>) -> Self {
        let colors = Colors { foreground: Some(Color::Reset), background: Some(Color::Reset) };
        Self { frame, place: None, colors, modifier: Modifier::empty(), is_empty: true }
    }

    /// Writes a cell's content.
    pub(super) fn write(&mut self, x: u16, y: u16, cell: &Cell) -> io::Result<()> {
        self.put(x, y, cell, cell.symbol())
    }

    /// Writes a blank in a cell's style.
    pub(super) fn blank(&mut self, x: u16, y: u16, cell: &Cell) -> io::Result<()> {
        self.put(x, y, cell, " ")
    }

    /// Forgets the place of the cursor.
    pub(super) const fn lose_place(&mut self) {
        self.place = None;
    }

    /// Ends the style, if anything was written.
    pub(super) fn end(self) -> io::Result<()> {
        if self.is_empty {
            return Ok(());
        }
        queue!(
            self.frame,
            SetForegroundColor(Color::Reset),
            SetBackgroundColor(Color::Reset),
            SetAttribute(Attribute::Reset)
        )
    }

    fn put(&mut self, x: u16, y: u16, cell: &Cell, symbol: &str) -> io::Result<()> {
        self.is_empty = false;
        if self.place != Some((x, y)) {
            queue!(self.frame, MoveTo(x, y))?;
        }
        self.place = Some((x + 1, y));
        self.modify(cell.modifier)?;
        let colors = Colors::new(cell.fg.into_crossterm(), cell.bg.into_crossterm());
        if colors != self.colors {
            queue!(self.frame, SetColors(colors))?;
            self.colors = colors;
        }
        queue!(self.frame, Print(symbol))
    }

    fn modify(&mut self, modifier: Modifier) -> io::Result<()> {
        let removed = self.modifier - modifier;
        let mut added = modifier - self.modifier;
        for (ended, attribute) in ENDS {
            if removed.intersects(ended) {
                queue!(self.frame, SetAttribute(attribute))?;
                added |= modifier & ended;
            }
        }
        for (begun, attribute) in BEGINS {
            if added.contains(begun) {
                queue!(self.frame, SetAttribute(attribute))?;
            }
        }
        self.modifier = modifier;
        Ok(())
    }
}
