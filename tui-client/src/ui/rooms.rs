//! The list of rooms with their unread counts.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::look::Look;
use super::marks::{counts, short};
use super::pen::Pen;
use super::state::ViewState;
use super::text::width;
use crate::app::{Membership, Model, Room};

pub(super) fn view(model: &Model, state: &mut ViewState, buffer: &mut Buffer, area: Rect) {
    let look = state.look;
    let mut pen = Pen::new(buffer, area);
    pen.write(1, 0, "ROOMS", look.faint());
    let rows = usize::from(area.height).saturating_sub(1);
    let current = model.current().unwrap_or(0);
    // The last row is for the rooms below.
    let visible = if model.rooms.len() > rows { rows.saturating_sub(1) } else { rows };
    let first = (current + 1).saturating_sub(visible);
    let end = model.rooms.len().min(first + visible);
    let height = u16::try_from(end.saturating_sub(first)).unwrap_or(0);
    state.areas.rooms = (Rect { y: area.y + 1, height, ..area }, first);
    let doubts = model.doubtful_rooms();
    let rooms = model.rooms.iter().zip(doubts).enumerate().skip(first).take(visible);
    for (row, (index, (room, is_doubtful))) in rooms.enumerate() {
        let is_current = model.current() == Some(index);
        line(&mut pen, look, row + 1, room, (is_current, is_doubtful));
    }
    let (above, below) = (&model.rooms[..first.min(end)], &model.rooms[end..]);
    if !above.is_empty() {
        hidden(&mut pen, look, (9, 0), look.glyph().up, above);
    }
    if !below.is_empty() {
        hidden(&mut pen, look, (1, visible + 1), look.glyph().down, below);
    }
}

/// The rooms beyond an edge of the list: their mentions, else their unread messages, else their number.
fn hidden(pen: &mut Pen<'_>, look: Look, (column, row): (usize, usize), arrow: &str, rooms: &[Room]) {
    let sum = |count: fn(&Room) -> u64| rooms.iter().map(count).fold(0, u64::saturating_add);
    let (mentions, unread) = (sum(|room| room.reading.mentions), sum(|room| room.reading.unread));
    let (text, style) = match (mentions, unread) {
        (0, 0) => (format!("{arrow} {} more", short(rooms.len() as u64)), look.faint()),
        (0, unread) => (format!("{arrow} {} new", short(unread)), look.strong()),
        (mentions, _) => (format!("{arrow} @{}", short(mentions)), look.for_you()),
    };
    pen.write(column, row, &text, style);
}

fn line(pen: &mut Pen<'_>, look: Look, row: usize, room: &Room, (is_current, is_doubtful): (bool, bool)) {
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
    let doubt = if is_doubtful { look.glyph().doubt } else { "" };
    let left = |counts: &str| {
        pen.width().saturating_sub(1 + usize::from(!counts.is_empty()) + width(counts) + width(doubt))
    };
    // A letter of the name takes precedence over the space right of the counts, and over the unread count beside the
    // mentions.
    let shorter = [counts.as_str(), counts.trim_end(), counts.split(' ').next().unwrap_or_default()];
    let counts = shorter.into_iter().find(|counts| width(title) <= left(counts)).unwrap_or(shorter[1]);
    let title = look.cut(title, left(counts));
    let end = pen.write(1, row, &title, style);
    pen.write(end, row, doubt, look.bad());
    pen.write_right(row, counts, style);
}
