//! The list of rooms with their unread counts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::look::Look;
use super::marks::counts;
use super::pen::Pen;
use super::state::ViewState;
use super::text::width;
use crate::app::{Membership, Model, Room};

pub(super) fn view(model: &Model, state: &mut ViewState, buffer: &mut Buffer, area: Rect) {
    let look = state.look;
    let mut pen = Pen::new(buffer, area);
    pen.write(1, 0, "ROOMS", look.faint());
    let visible = usize::from(area.height).saturating_sub(1);
    let current = model.current().unwrap_or(0);
    let first = (current + 1).saturating_sub(visible);
    let rows = visible.min(model.rooms.len().saturating_sub(first));
    let height = u16::try_from(rows).unwrap_or(0);
    state.areas.rooms = (Rect { y: area.y + 1, height, ..area }, first);
    for (row, (index, room)) in model.rooms.iter().enumerate().skip(first).take(visible).enumerate() {
        let is_current = model.current() == Some(index);
        line(&mut pen, look, row + 1, room, is_current);
    }
}

fn line(pen: &mut Pen<'_>, look: Look, row: usize, room: &Room, is_current: bool) {
    let style = match room {
        _ if is_current => look.strong(),
        room if room.reading.mentions > 0 => look.for_you(),
        room if room.reading.unread > 0 => look.strong(),
        room if room.membership != Membership::Joined => look.faint(),
        _ => look.plain(),
    };
    let counts = counts(room.reading.mentions, room.reading.unread);
    let sign = match (is_current, room.membership) {
        (true, _) => look.glyph().here,
        (false, Membership::Outside) => look.glyph().failed,
        (false, _) => " ",
    };
    pen.write(0, row, sign, style);
    let title = room.pane.title.as_str();
    let left = |counts: &str| pen.width().saturating_sub(1 + usize::from(!counts.is_empty()) + width(counts));
    // A letter of the name takes precedence over the space right of the counts.
    let counts = if width(title) > left(&counts) { counts.trim_end() } else { &counts };
    let title = look.cut(title, left(counts));
    pen.write(1, row, &title, style);
    pen.write_right(row, counts, style);
}
