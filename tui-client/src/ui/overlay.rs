//! Help, rooms, members and links over the screen.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Clear, Widget};

use super::help::lists;
use super::text::{Pen, cut, width, wrap};
use super::{Look, ViewState, WHEEL};
use crate::app::{Keymap, Model, Overlay, Scroll};
use crate::markup::Target;

/// A line of an overlay: text at columns.
type Line = Vec<(usize, String, Style)>;

pub(super) fn view(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let Some(overlay) = &model.overlay else { return };
    let width = usize::from(area.width);
    let (title, lines, selected) = match overlay {
        Overlay::Help => ("HELP".to_owned(), help(&model.keymap, width), None),
        Overlay::Rooms { selected, listed, .. } => (
            "ROOMS".to_owned(),
            rooms(model, *selected, listed.as_ref().map(|(_, more)| *more), width),
            Some(*selected),
        ),
        Overlay::Members { title, members, .. } => {
            (format!("HERE · {title}"), people(members.as_ref(), state.look), None)
        }
        Overlay::Links { targets, selected } => {
            ("LINKS".to_owned(), links(targets, *selected, width), Some(*selected))
        }
    };
    let height = usize::from(area.height);
    let visible = height.saturating_sub(2).max(1);
    scroll(state, lines.len(), visible, selected);

    state.areas.is_covered = true;
    if selected.is_some() {
        let shown = lines.len().saturating_sub(state.overlay_row).min(visible);
        let rows = Rect { y: area.y + 1, height: u16::try_from(shown).unwrap_or(0), ..area };
        state.areas.choices = (rows.intersection(area), state.overlay_row);
    }
    Clear.render(area, frame.buffer_mut());
    let mut pen = Pen::new(frame.buffer_mut(), area);
    let below = lines.len().saturating_sub(state.overlay_row + visible);
    pen.titled_rule(0, &title, Look::strong());
    for (row, line) in lines.iter().skip(state.overlay_row).take(visible).enumerate() {
        for (column, text, style) in line {
            pen.write(*column, row + 1, text, *style);
        }
    }
    let keys = match (selected, below) {
        (Some(_), _) => "Up Down choose · Enter goes there · Esc closes".to_owned(),
        (None, 0) => "Esc closes".to_owned(),
        (None, below) => format!("PgDn {below} more · Esc closes"),
    };
    if height > 1 {
        pen.titled_rule(height - 1, &keys, Look::faint());
    }
    frame.set_cursor_position((area.x, area.y + area.height - 1));
}

/// Moves the first visible line, and keeps the chosen one in sight.
fn scroll(state: &mut ViewState, lines: usize, visible: usize, selected: Option<usize>) {
    let page = visible.saturating_sub(1).max(1);
    let row = state.overlay_row;
    state.overlay_row = match (selected, state.overlay_scroll.take()) {
        (Some(selected), _) => row.clamp((selected + 1).saturating_sub(visible), selected),
        (None, None) => row,
        (None, Some(Scroll::LineUp)) => row.saturating_sub(1),
        (None, Some(Scroll::WheelUp)) => row.saturating_sub(WHEEL),
        (None, Some(Scroll::WheelDown)) => row + WHEEL,
        (None, Some(Scroll::LineDown)) => row + 1,
        (None, Some(Scroll::PageUp)) => row.saturating_sub(page),
        (None, Some(Scroll::PageDown)) => row + page,
        (None, Some(Scroll::Top)) => 0,
        (None, Some(Scroll::Bottom)) => lines,
    }
    .min(lines.saturating_sub(visible));
}

fn help(keymap: &Keymap, cells: usize) -> Vec<Line> {
    /// Where the explanations begin, where there is room beside the keys.
    const COLUMN: usize = 35;
    let mut lines = Vec::new();
    for (title, list) in lists(keymap) {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(vec![(1, title.to_owned(), Look::faint())]);
        for (what, does) in list {
            if cells >= 2 * COLUMN {
                let mut explained = wrap(&does, cells - COLUMN - 1).into_iter();
                let first = explained.next().unwrap_or_default().to_owned();
                lines.push(vec![(1, what, Look::strong()), (COLUMN, first, Look::plain())]);
                lines.extend(explained.map(|more| vec![(COLUMN, more.to_owned(), Look::plain())]));
            } else {
                lines.push(vec![(1, what, Look::strong())]);
                let explained = wrap(&does, cells.saturating_sub(4));
                lines.extend(explained.into_iter().map(|line| vec![(3, line.to_owned(), Look::plain())]));
            }
        }
    }
    lines
}

/// The user's rooms and those that the server told; `more` is `None` until it did.
fn rooms(model: &Model, selected: usize, more: Option<bool>, cells: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (index, choice) in model.choices().iter().enumerate() {
        let style = if index == selected { Look::chosen() } else { Look::plain() };
        let sign = if choice.is_ours { "▸ " } else { "  " };
        let count = format!("{:>6} here ", choice.member_count);
        let room = cells.saturating_sub(width(&count) + 4);
        let title = cut(choice.title.as_str(), room);
        let padding = " ".repeat(room - width(&title));
        lines.push(vec![(1, format!("{sign}{title}{padding}{count}"), style)]);
    }
    match more {
        None => lines.push(vec![(3, "asking the server…".to_owned(), Look::faint())]),
        Some(true) => lines.push(vec![(3, "there are more: /rooms PREFIX".to_owned(), Look::faint())]),
        Some(false) if lines.is_empty() => lines.push(vec![(3, "none".to_owned(), Look::faint())]),
        Some(false) => {}
    }
    lines
}

fn links(targets: &[Target], selected: usize, cells: usize) -> Vec<Line> {
    let line = |(index, target): (usize, &Target)| {
        let style = if index == selected { Look::chosen() } else { Look::plain() };
        vec![(1, cut(&format!("{:>2} {target}", index + 1), cells.saturating_sub(2)), style)]
    };
    targets.iter().enumerate().map(line).collect()
}

fn people(members: Option<&(Vec<crate::sanitize::Line>, u64)>, look: Look) -> Vec<Line> {
    let Some((names, count)) = members else {
        return vec![vec![(1, "asking the server…".to_owned(), Look::faint())]];
    };
    let mut lines: Vec<Line> = names
        .iter()
        .map(|nick| vec![(1, "●".to_owned(), look.nick(nick.as_str())), (3, nick.to_string(), Look::plain())])
        .collect();
    let more = count.saturating_sub(names.len() as u64);
    if more > 0 {
        lines.push(vec![(3, format!("… and {more} more"), Look::faint())]);
    }
    lines
}
