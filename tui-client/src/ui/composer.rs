//! The composer. The draft is stored as typed, and sanitized here for the screen.

use ratatui::layout::{Position, Rect};

use super::frame::Frame;
use super::layout::{Breaks, ComposerArea, lay_out};
use super::pen::Pen;
use super::search;
use super::state::ViewState;
use super::text::width;
use super::token::masked;
use crate::app::{Action, Model};

/// Most rows of the composer.
const ROWS: usize = 8;

/// Draws the composer or the search line at the bottom of `area` and sets the cursor. Returns the remaining area.
pub(super) fn view(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) -> Rect {
    let look = state.look;
    if let Some(search) = &model.pane().search {
        return search::line(model, search, look, frame, area);
    }
    let sign = look.glyph().prompt;
    let is_small = area.width < 60;
    let margin = if is_small { "" } else { " " };
    let prompt = match model.nick() {
        Some(nick) => format!("{margin}{} {sign} ", look.cut(nick.as_str(), usize::from(area.width / 5))),
        None => format!("{margin}{sign} "),
    };
    let prompt_width = width(&prompt).min(usize::from(area.width).saturating_sub(1));
    let draft = &model.pane().composer.editor;
    let masked = masked(draft);
    let editor = masked.as_ref().unwrap_or(draft);
    let counter = counter(model, usize::from(area.width) - prompt_width);
    let counter_width = counter.as_ref().map_or(0, |(counter, _)| width(counter));
    let layout = lay_out(editor, usize::from(area.width) - prompt_width - counter_width, Breaks::Words);
    let most = ROWS.min(usize::from(area.height / 3).max(1));
    let height = layout.rows.len().clamp(1, most);
    let first = (layout.row + 1).saturating_sub(height);

    let top = area.height - u16::try_from(height).unwrap_or(1).min(area.height);
    let place = Rect { y: area.y + top, height: area.height - top, ..area };
    let beside = u16::try_from(prompt_width).unwrap_or(0).min(place.width);
    let behind = u16::try_from(counter_width).unwrap_or(0).min(place.width - beside);
    let text = Rect { x: place.x + beside, width: place.width - beside - behind, ..place };
    state.areas.composer = ComposerArea { area: text, first };
    let mut pen = Pen::new(frame.buffer_mut(), place);
    pen.write(0, 0, &prompt, look.strong());
    for (row, text) in layout.rows.iter().skip(first).take(height).enumerate() {
        pen.write(prompt_width, row, text, look.plain());
    }
    if let Some((counter, is_over)) = counter {
        let style = if is_over { look.bad() } else { look.faint() };
        pen.write(usize::from(area.width) - counter_width, height - 1, &counter, style);
    }
    if editor.is_empty() {
        let help = model.keymap.key(Action::Help).filter(|_| !is_small);
        let hint = help
            .map_or_else(|| "message".to_owned(), |key| format!("message {} {key} help", look.glyph().dot));
        pen.write(prompt_width, 0, &hint, look.faint());
    }
    let column = (prompt_width + layout.column).min(usize::from(area.width) - 1);
    frame.set_cursor_position(Position {
        x: place.x + u16::try_from(column).unwrap_or(0),
        y: place.y + u16::try_from(layout.row - first).unwrap_or(0),
    });
    Rect { height: top, ..area }
}

/// The length of a draft that is nearly too long or longer, and true if it is longer. `None` if there is no space.
fn counter(model: &Model, cells: usize) -> Option<(String, bool)> {
    let (length, most) = model.draft_length()?;
    let counter = format!(" {length}/{most}");
    (cells >= 2 * width(&counter)).then_some((counter, length > most))
}
