//! Pen that writes text into the cells of an area.

use ratatui::buffer::{Buffer, CellDiffOption};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::hyperlink;
use super::look::Look;
use super::text::{cells, width};
use crate::markup::Target;

/// Pen on a buffer. It never writes outside its area.
pub(super) struct Pen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Pen<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    pub(super) const fn width(&self) -> usize {
        self.area.width as usize
    }

    /// Writes `text` and cuts it at the area's end. Returns the next column.
    pub(super) fn write(&mut self, column: usize, row: usize, text: &str, style: Style) -> usize {
        let room = self.width().saturating_sub(column);
        let (Ok(x), Ok(y)) = (u16::try_from(column), u16::try_from(row)) else { return column };
        if room == 0 || y >= self.area.height {
            return column;
        }
        let (left, y) = (self.area.x, self.area.y + y);
        let mut x = left + x;
        for grapheme in text.graphemes(true).filter(|grapheme| !grapheme.contains(char::is_control)) {
            let Ok(next) = u16::try_from(usize::from(x) + cells(grapheme)) else { break };
            if next > self.area.right() {
                break;
            }
            for (at, x) in (x..next).enumerate() {
                let cell = &mut self.buffer[(x, y)];
                if at == 0 {
                    cell.set_symbol(grapheme).set_style(style).set_diff_option(CellDiffOption::None);
                } else {
                    cell.reset();
                }
            }
            x = next;
        }
        usize::from(x - left)
    }

    /// Writes `text` as [`Pen::write`] does, as a link to `target`.
    pub(super) fn write_link(
        &mut self,
        column: usize,
        row: usize,
        text: &str,
        style: Style,
        target: &Target,
    ) -> usize {
        let end = self.write(column, row, text, style);
        let mut at = column;
        while at < end {
            let (Ok(x), Ok(y)) = (u16::try_from(at), u16::try_from(row)) else { break };
            let Some(cell) = self.buffer.cell_mut((self.area.x + x, self.area.y + y)) else { break };
            at += cells(cell.symbol()).max(1);
            hyperlink::lead(cell, target);
        }
        end
    }

    /// Writes `text` at the right end of the area, over the existing content.
    pub(super) fn write_right(&mut self, row: usize, text: &str, style: Style) {
        let column = self.width().saturating_sub(width(text));
        self.write(column, row, text, style);
    }

    /// Fills a row with `symbol`, one cell wide.
    pub(super) fn rule(&mut self, row: usize, symbol: &str, style: Style) {
        let line = symbol.repeat(self.width());
        self.write(0, row, &line, style);
    }

    /// Writes `text` in the middle of a rule.
    pub(super) fn titled_rule(&mut self, row: usize, text: &str, style: Style, look: Look) {
        self.rule(row, look.glyph().rule, style);
        let text = look.cut(&format!(" {text} "), self.width());
        let column = self.width().saturating_sub(width(&text)) / 2;
        self.write(column, row, &text, style);
    }
}
