//! Frames: the bytes that turn the screen of the terminal into the next one.
//!
//! ratatui's terminal is not used: its comparison of buffers trusts the terminal's widths. A row of certain graphemes is
//! written cell by cell where it changed. A row in which a grapheme of uncertain width is or was is written whole: the
//! cells of such graphemes are blanked first, and the cursor is placed anew after each of them. So the row is the same as
//! after a fresh redraw, whatever widths the terminal has.

use std::{io, mem};

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Rect};

use super::frame_writer::FrameWriter;
use crate::ui::Frame;
use crate::ui::hyperlink::text_of;
use crate::width;

/// Erases the screen.
const ERASE: &[u8] = b"\x1b[2J";

/// Encodes frames as the difference to the frame before.
pub(super) struct Frames {
    size: fn() -> io::Result<(u16, u16)>,
    /// The content of the terminal.
    shown: Buffer,
    /// Cells for the next frame. Their content is old.
    spare: Buffer,
    /// The cursor of the last frame; `None` if it is hidden.
    cursor: Option<Position>,
    /// The content of the terminal is unknown.
    is_forgotten: bool,
    bytes: Vec<u8>,
}

impl Frames {
    /// Frames for a terminal of the size that `size` returns, read before each frame.
    pub(super) fn new(size: fn() -> io::Result<(u16, u16)>) -> Self {
        let (shown, spare) = (Buffer::default(), Buffer::default());
        Self { size, shown, spare, cursor: None, is_forgotten: false, bytes: Vec::new() }
    }

    /// The next frame; `None` if the terminal shows it already.
    pub(super) fn next(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<Option<&[u8]>> {
        let (width, height) = (self.size)()?;
        let area = Rect { x: 0, y: 0, width, height };
        self.spare.resize(area);
        self.spare.reset();
        let mut frame = Frame::new(&mut self.spare);
        draw(&mut frame);
        let cursor = frame.cursor();
        self.bytes.clear();
        if mem::take(&mut self.is_forgotten) || self.shown.area != area {
            self.bytes.extend_from_slice(ERASE);
            self.shown.resize(area);
            self.shown.reset();
        }
        let cells = usize::from(width).max(1);
        let mut writer = FrameWriter::new(&mut self.bytes);
        let rows = self.shown.content.chunks(cells).zip(self.spare.content.chunks(cells));
        for (y, (old, new)) in (0..).zip(rows) {
            if old != new {
                write_row(&mut writer, y, old, new)?;
            }
        }
        writer.end()?;
        mem::swap(&mut self.shown, &mut self.spare);
        if self.bytes.is_empty() && cursor == self.cursor {
            return Ok(None);
        }
        self.cursor = cursor;
        match cursor {
            Some(Position { x, y }) => queue!(self.bytes, Show, crossterm::cursor::MoveTo(x, y))?,
            None => queue!(self.bytes, Hide)?,
        }
        Ok(Some(&self.bytes))
    }

    /// Draws the next frame completely, because the terminal's content is unknown.
    pub(super) const fn forget(&mut self) {
        self.is_forgotten = true;
    }
}

fn write_row(writer: &mut FrameWriter<'_>, y: u16, old: &[Cell], new: &[Cell]) -> io::Result<()> {
    if old.iter().chain(new).all(is_certain) {
        for (x, (old, cell)) in (0..).zip(old.iter().zip(new)) {
            if old == cell {
                continue;
            }
            writer.write(x, y, cell)?;
        }
        return Ok(());
    }
    let mut at = 0;
    while at < new.len() {
        let end = uncertain_run(new, at);
        for x in at..end {
            writer.blank(column(x), y, &new[at])?;
        }
        while at < end {
            writer.write(column(at), y, &new[at])?;
            // The terminal's cursor is anywhere now.
            writer.lose_place();
            at += uncertain(new, at).unwrap_or(1);
        }
        let Some(cell) = new.get(at) else { break };
        if is_certain(cell) {
            writer.write(column(at), y, cell)?;
            at += 1;
        } else if uncertain(new, at).is_none() {
            writer.blank(column(at), y, cell)?;
            at += 1;
        }
    }
    Ok(())
}

/// True if every terminal shows the cell's text in one cell. A symbol of one byte is a letter, a digit, a sign or a space:
/// it has no link, and no control character reaches a cell.
fn is_certain(cell: &Cell) -> bool {
    cell.symbol().len() == 1 || width::is_certain(text_of(cell))
}

/// End of the run of uncertain graphemes of the same style that begins at `start`. It is `start` if none begins there.
fn uncertain_run(row: &[Cell], start: usize) -> usize {
    let mut end = start;
    while let Some(cells) = uncertain(row, end)
        && row[end].style() == row[start].style()
    {
        end += cells;
    }
    end
}

/// Cells of an uncertain grapheme. `None` if there is none, or if something is drawn over its end, as an overlay does.
fn uncertain(row: &[Cell], at: usize) -> Option<usize> {
    let text = text_of(row.get(at)?);
    if width::is_certain(text) {
        return None;
    }
    let cells = width::of_grapheme(text).max(1);
    let rest = row.get(at + 1..at + cells)?;
    rest.iter().all(|cell| cell.symbol() == " ").then_some(cells)
}

fn column(at: usize) -> u16 {
    u16::try_from(at).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
