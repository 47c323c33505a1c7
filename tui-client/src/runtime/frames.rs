//! Frames: the bytes that turn the screen of the terminal into the next one.
//!
//! ratatui draws into a buffer; its own comparison of buffers is not used, because it trusts the terminal's widths. A row
//! of certain graphemes is written cell by cell where it changed. A row in which a grapheme of uncertain width is or was
//! is written whole: the cells of such graphemes are blanked first, and the cursor is placed anew after each of them. So
//! the row is the same as after a fresh redraw, whatever widths the terminal has.

use std::cell::Cell as StdCell;
use std::io;
use std::rc::Rc;

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::{Position, Size};
use ratatui::{Frame, Terminal};

use super::frame_writer::FrameWriter;
use crate::ui::hyperlink::text_of;
use crate::width;

/// Erases the screen.
const ERASE: &[u8] = b"\x1b[2J";

/// Encodes frames as the difference to the frame before.
pub(super) struct Frames {
    terminal: Terminal<Canvas>,
    canvas: Rc<CanvasState>,
    /// The content of the terminal.
    shown: Buffer,
    /// The cursor of the last frame; `None` if it is hidden.
    cursor: Option<Position>,
    frame: Vec<u8>,
}

impl Frames {
    /// Frames for a terminal of the size that `size` returns, read before each frame.
    pub(super) fn new(size: fn() -> io::Result<(u16, u16)>) -> io::Result<Self> {
        let canvas = Rc::new(CanvasState::default());
        let terminal = Terminal::new(Canvas { size, state: Rc::clone(&canvas) })?;
        Ok(Self { terminal, canvas, shown: Buffer::default(), cursor: None, frame: Vec::new() })
    }

    /// The next frame; `None` if the terminal shows it already.
    pub(super) fn next(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<Option<&[u8]>> {
        let drawn = self.terminal.draw(draw)?.buffer;
        self.frame.clear();
        if self.canvas.is_erased.take() || self.shown.area != drawn.area {
            self.frame.extend_from_slice(ERASE);
            self.shown.resize(drawn.area);
            self.shown.reset();
        }
        let cells = usize::from(drawn.area.width).max(1);
        let mut writer = FrameWriter::new(&mut self.frame);
        let rows = self.shown.content.chunks_mut(cells).zip(drawn.content.chunks(cells));
        for (y, (old, new)) in (0..).zip(rows) {
            if old != new {
                write_row(&mut writer, y, old, new)?;
                old.clone_from_slice(new);
            }
        }
        writer.end()?;
        let cursor = self.canvas.cursor.get();
        if self.frame.is_empty() && cursor == self.cursor {
            return Ok(None);
        }
        self.cursor = cursor;
        match cursor {
            Some(Position { x, y }) => queue!(self.frame, Show, crossterm::cursor::MoveTo(x, y))?,
            None => queue!(self.frame, Hide)?,
        }
        Ok(Some(&self.frame))
    }

    /// Draws the next frame completely, because the terminal's content is unknown.
    pub(super) fn forget(&mut self) {
        self.canvas.is_erased.set(true);
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

/// Requests of ratatui's terminal beside the cells.
#[derive(Debug, Default)]
struct CanvasState {
    /// Place of the cursor; `None` if it is hidden.
    cursor: StdCell<Option<Position>>,
    is_erased: StdCell<bool>,
}

/// Backend of ratatui. It keeps what it is requested to do for [`Frames`], and writes nothing.
#[derive(Debug)]
struct Canvas {
    size: fn() -> io::Result<(u16, u16)>,
    state: Rc<CanvasState>,
}

impl Backend for Canvas {
    type Error = io::Error;

    /// [`Frames`] compares the buffers.
    fn draw<'a, I>(&mut self, _: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.state.cursor.set(None);
        Ok(())
    }

    /// The place follows.
    fn show_cursor(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.state.cursor.get().unwrap_or_default())
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.state.cursor.set(Some(position.into()));
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.state.is_erased.set(true);
        Ok(())
    }

    fn size(&self) -> io::Result<Size> {
        (self.size)().map(|(width, height)| Size { width, height })
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size()?, pixels: Size::default() })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
