//! Overlays: help, rooms, the palette, members, links and themes.

use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};
use unicode_segmentation::UnicodeSegmentation;

use super::frame::Frame;
use super::help::{self, FoundRow, lists};
use super::layout::{OverlayLine, WHEEL};
use super::look::Look;
use super::pen::Pen;
use super::state::ViewState;
use super::text::{width, wrap};
use super::{picker, themes, token};
use crate::app::{Editor, ListedMember, Model, Overlay, Scroll, Theme};
use crate::markup::Target;

/// Content of an overlay.
struct Content<'a> {
    title: String,
    lines: Vec<OverlayLine>,
    /// Index of the chosen line, if lines can be chosen.
    selected: Option<usize>,
    /// Description of Enter.
    enter: &'static str,
    /// Enter does something, although no line is chosen.
    is_prompt: bool,
    /// Editor of the query, above the lines.
    query: Option<&'a Editor>,
}

impl Content<'_> {
    fn list(title: &str, lines: Vec<OverlayLine>) -> Self {
        Self {
            title: title.to_owned(),
            lines,
            selected: None,
            enter: "goes there",
            is_prompt: false,
            query: None,
        }
    }
}

pub(super) fn view(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let Some(overlay) = &model.overlay else { return };
    let look = state.look;
    let content = content(model, overlay, look, area.width.into());
    let height = usize::from(area.height);
    let top = 1 + usize::from(content.query.is_some());
    let visible = height.saturating_sub(top + 1).max(1);
    scroll(state, content.lines.len(), visible, content.selected);

    state.areas.is_covered = true;
    if content.selected.is_some() {
        let shown = content.lines.len().saturating_sub(state.overlay_row).min(visible);
        let below_top = u16::try_from(top).unwrap_or(1);
        let rows = Rect { y: area.y + below_top, height: u16::try_from(shown).unwrap_or(0), ..area };
        state.areas.choices = (rows.intersection(area), state.overlay_row);
    }
    Clear.render(area, frame.buffer_mut());
    let mut pen = Pen::new(frame.buffer_mut(), area);
    let below = content.lines.len().saturating_sub(state.overlay_row + visible);
    pen.titled_rule(0, &content.title, look.title(), look);
    for (row, line) in content.lines.iter().skip(state.overlay_row).take(visible).enumerate() {
        for (column, text, style) in line {
            pen.write(*column, row + top, text, *style);
        }
    }
    let dot = look.glyph().dot;
    let is_search = matches!(overlay, Overlay::Help(query) if !query.text().is_empty());
    let esc = if is_search { "shows all" } else { "closes" };
    let keys = match (content.selected, below) {
        (Some(_), _) => format!("Up Down choose {dot} Enter {} {dot} Esc closes", content.enter),
        (None, 0) if content.is_prompt => format!("Enter {} {dot} Esc closes", content.enter),
        (None, 0) => format!("Esc {esc}"),
        (None, below) => format!("PgDn {below} more {dot} Esc {esc}"),
    };
    if height > 1 {
        pen.titled_rule(height - 1, &keys, look.faint(), look);
    }
    match content.query {
        Some(query) if height > 2 => {
            picker::query(query, look, frame, Rect { y: area.y + 1, height: 1, ..area });
        }
        _ => frame.set_cursor_position((area.x, area.y + area.height - 1)),
    }
}

fn content<'a>(model: &Model, overlay: &'a Overlay, look: Look, cells: usize) -> Content<'a> {
    match overlay {
        Overlay::Help(query) => {
            let lines = help(model, query.text(), look, cells);
            Content { query: Some(query.line()), ..Content::list("HELP", lines) }
        }
        Overlay::Rooms { picker, listed, .. } => {
            let lines =
                picker::rooms(model, look, picker.selected(), listed.as_ref().map(|(_, more)| *more), cells);
            let selected = Some(picker.selected().min(lines.len().saturating_sub(1)));
            Content { selected, query: Some(picker.query()), ..Content::list("ROOMS", lines) }
        }
        Overlay::Palette(picker) => {
            let lines = picker::palette(model, look, picker.selected(), cells);
            let selected = Some(picker.selected().min(lines.len().saturating_sub(1)));
            Content {
                selected,
                enter: "does it",
                query: Some(picker.query()),
                ..Content::list("PALETTE", lines)
            }
        }
        Overlay::Members { title, members, .. } => Content::list(
            &format!("HERE {} {title}", look.glyph().dot),
            people(members.as_ref(), look, cells),
        ),
        Overlay::Token(prompt) => {
            let lines = token::lines(prompt, look, cells);
            Content { enter: "uses it", is_prompt: true, ..Content::list("TOKEN", lines) }
        }
        // The inspector draws itself.
        Overlay::Inspector => Content::list("INSPECTOR", Vec::new()),
        Overlay::Themes { .. } => {
            let selected = Theme::ALL.iter().position(|(theme, _)| *theme == model.theme);
            let lines = themes::lines(model.theme, look, cells);
            Content { selected, enter: "takes it", ..Content::list("THEMES", lines) }
        }
        Overlay::Links { targets, selected } => {
            let lines = links(targets, *selected, look, cells);
            Content { selected: Some(*selected), ..Content::list("LINKS", lines) }
        }
    }
}

/// Moves the first visible line, and keeps the chosen line visible.
pub(super) fn scroll(state: &mut ViewState, lines: usize, visible: usize, selected: Option<usize>) {
    let page = visible.saturating_sub(1).max(1);
    let last = lines.saturating_sub(visible);
    let scrolls = std::mem::take(&mut state.overlay_scrolls);
    let row = state.overlay_row.min(last);
    if let Some(selected) = selected {
        state.overlay_row = row.clamp((selected + 1).saturating_sub(visible), selected).min(last);
        return;
    }
    let scrolled = |row: usize, scroll: &Scroll| match scroll {
        Scroll::LineUp => row.saturating_sub(1),
        Scroll::LineDown => row + 1,
        Scroll::WheelUp => row.saturating_sub(WHEEL),
        Scroll::WheelDown => row + WHEEL,
        Scroll::PageUp => row.saturating_sub(page),
        Scroll::PageDown => row + page,
        Scroll::Top => 0,
        Scroll::Bottom => last,
    };
    state.overlay_row = scrolls.iter().fold(row, |row, scroll| scrolled(row, scroll).min(last));
}

/// Lines of the help that match the query, with the matches marked.
fn help(model: &Model, query: &str, look: Look, cells: usize) -> Vec<OverlayLine> {
    let mut lines = Vec::new();
    let commands: Vec<_> = model.commands().collect();
    for list in help::find(lists(&model.keymap, &commands, look.glyph()), query) {
        if !lines.is_empty() {
            lines.push(Vec::new());
        }
        lines.push(picker::marked(1, list.title, &list.in_title, look.faint(), look));
        for row in &list.rows {
            lines.extend(help_row(row, look, cells));
        }
    }
    if lines.is_empty() {
        lines.push(vec![(3, "nothing found".to_owned(), look.faint())]);
    }
    lines
}

fn help_row(row: &FoundRow, look: Look, cells: usize) -> Vec<OverlayLine> {
    /// Column of the explanations, if they fit beside the keys.
    const COLUMN: usize = 35;
    let is_wide = cells >= 2 * COLUMN;
    let (column, room) = if is_wide { (COLUMN, cells - COLUMN - 1) } else { (3, cells.saturating_sub(4)) };
    let mut lines = vec![picker::marked(1, &row.what, &row.in_what, look.strong(), look)];
    let mut end = 0;
    for (index, part) in wrap(&row.does, room).into_iter().enumerate() {
        // Rows follow each other in the text, with a space between them.
        let start = end + row.does[end..].find(part).unwrap_or(0);
        end = start + part.len();
        let before = u32::try_from(row.does[..start].graphemes(true).count()).unwrap_or(u32::MAX);
        let matched: Vec<u32> = row.in_does.iter().filter_map(|at| at.checked_sub(before)).collect();
        let part = picker::marked(column, part, &matched, look.plain(), look);
        match lines.first_mut() {
            Some(first) if is_wide && index == 0 => first.extend(part),
            _ => lines.push(part),
        }
    }
    lines
}

fn links(targets: &[Target], selected: usize, look: Look, cells: usize) -> Vec<OverlayLine> {
    let line = |(index, target): (usize, &Target)| {
        let style = if index == selected { look.selected() } else { look.plain() };
        vec![(1, look.cut(&format!("{:>2} {target}", index + 1), cells.saturating_sub(2)), style)]
    };
    targets.iter().enumerate().map(line).collect()
}

fn people(members: Option<&(Vec<ListedMember>, u64)>, look: Look, cells: usize) -> Vec<OverlayLine> {
    let Some((names, count)) = members else {
        return vec![vec![(1, look.own("asking the server…").into_owned(), look.faint())]];
    };
    let mut lines: Vec<OverlayLine> = names
        .iter()
        .map(|member| {
            let nick = member.nick.as_str();
            let mut line = vec![
                (1, look.glyph().online.to_owned(), look.nick(nick)),
                (3, nick.to_owned(), look.plain()),
            ];
            if let Some(doubt) = &member.doubt {
                let column = 3 + width(nick);
                line.push((column, look.glyph().doubt.to_owned(), look.bad()));
                let reason = look.cut(doubt.as_str(), cells.saturating_sub(column + 3));
                line.push((column + 2, reason, look.faint()));
            }
            line
        })
        .collect();
    let more = count.saturating_sub(names.len() as u64);
    if more > 0 {
        lines.push(vec![(3, format!("{} and {more} more", look.glyph().ellipsis), look.faint())]);
    }
    lines
}
