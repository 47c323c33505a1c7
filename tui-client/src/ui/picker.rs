//! Lines of a picker and its query.

use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_segmentation::UnicodeSegmentation;

use super::frame::Frame;
use super::layout::{Breaks, OverlayLine, lay_out};
use super::look::Look;
use super::marks::counts;
use super::pen::Pen;
use super::text::width;
use crate::app::{Editor, Model, Offer, RoomChoice, RoomKind};

/// Draws the query into the row `area`. If it is too long, the part with the cursor is visible.
pub(super) fn query(editor: &Editor, look: Look, frame: &mut Frame<'_>, area: Rect) {
    let prompt = format!(" {} ", look.glyph().prompt);
    let column = width(&prompt).min(usize::from(area.width).saturating_sub(1));
    let layout = lay_out(editor, usize::from(area.width) - column, Breaks::Cells);
    let mut pen = Pen::new(frame.buffer_mut(), area);
    pen.write(0, 0, &prompt, look.strong());
    pen.write(column, 0, layout.rows.get(layout.row).map_or("", String::as_str), look.plain());
    if editor.is_empty() {
        pen.write(column, 0, "type to find", look.faint());
    }
    let x = u16::try_from(column + layout.column).unwrap_or(u16::MAX).min(area.width - 1);
    frame.set_cursor_position(Position { x: area.x + x, y: area.y });
}

/// Lines of the rooms. `more`: the server has further rooms; `None` until it has answered.
pub(super) fn rooms(
    model: &Model,
    look: Look,
    selected: usize,
    more: Option<bool>,
    cells: usize,
) -> Vec<OverlayLine> {
    let choices = model.choices();
    let selected = selected.min(choices.len().saturating_sub(1));
    let line = |(index, choice)| room(choice, index == selected, look, cells);
    let mut lines: Vec<OverlayLine> = choices.iter().enumerate().map(line).collect();
    let faint = |text: &str| vec![(3, text.to_owned(), look.faint())];
    if let Some(why) = model.no_name().filter(|_| choices.is_empty()) {
        lines.push(faint(why.as_str()));
    }
    match more {
        None => lines.push(faint(&look.own("asking the server…"))),
        Some(true) => lines.push(faint("there are more: /rooms PREFIX")),
        Some(false) if lines.is_empty() => lines.push(faint("none")),
        Some(false) => {}
    }
    lines
}

fn room(choice: &RoomChoice, is_chosen: bool, look: Look, cells: usize) -> OverlayLine {
    let style = match choice {
        RoomChoice { mentions: 1.., .. } => look.for_you(),
        RoomChoice { unread: 1.., .. } => look.strong(),
        _ => look.plain(),
    };
    let sign = match choice.kind {
        RoomKind::Shown => look.glyph().here,
        RoomKind::Joined => " ",
        RoomKind::Listed | RoomKind::New => "+",
    };
    let people = match choice.member_count {
        Some(count) => format!("{count:>6} here"),
        None => "   new room".to_owned(),
    };
    let counts = format!("{:>7}", counts(choice.mentions, choice.unread));
    let count_column = cells.saturating_sub(width(&counts) + width(&people) + 2);
    let doubt = if choice.is_doubtful { look.glyph().doubt } else { "" };
    let title = look.cut(choice.title.as_str(), count_column.saturating_sub(4 + width(doubt)));
    let mut line = vec![(1, sign.to_owned(), style)];
    line.extend(marked(3, &title, &choice.matched, style, look));
    line.push((3 + width(&title), doubt.to_owned(), look.bad()));
    line.push((count_column, counts, style));
    line.push((cells.saturating_sub(width(&people) + 2), people, look.faint()));
    if is_chosen { chosen(line, look, cells) } else { line }
}

/// Lines of the commands and actions.
pub(super) fn palette(model: &Model, look: Look, selected: usize, cells: usize) -> Vec<OverlayLine> {
    let offers = model.offers();
    let selected = selected.min(offers.len().saturating_sub(1));
    let line = |(index, it)| offer(it, index == selected, look, cells);
    let mut lines: Vec<OverlayLine> = offers.iter().enumerate().map(line).collect();
    if lines.is_empty() {
        lines.push(vec![(3, "none".to_owned(), look.faint())]);
    }
    lines
}

fn offer(offer: &Offer, is_chosen: bool, look: Look, cells: usize) -> OverlayLine {
    /// Column of the explanations, if they fit beside the titles.
    const COLUMN: usize = 20;
    let is_wide = cells >= 3 * COLUMN;
    let keys = if is_wide { offer.keys.join(", ") } else { offer.keys.first().cloned().unwrap_or_default() };
    let keys_column = cells.saturating_sub(width(&keys) + 2);
    let title = look.cut(&offer.title, keys_column.saturating_sub(2));
    let does_column = if is_wide { COLUMN } else { width(&title) + 3 };
    let does = look.cut(offer.does, keys_column.saturating_sub(does_column + 2));
    let mut line = marked(1, &title, &offer.in_title, look.strong(), look);
    line.extend(marked(does_column, &does, &offer.in_does, look.plain(), look));
    line.push((keys_column, keys, look.faint()));
    if is_chosen { chosen(line, look, cells) } else { line }
}

/// A text at `column`, with the graphemes of these indices marked.
pub(super) fn marked(column: usize, text: &str, matched: &[u32], style: Style, look: Look) -> OverlayLine {
    let mut line = OverlayLine::new();
    let mut column = column;
    for (grapheme, number) in text.graphemes(true).zip(0..) {
        let is_matched = matched.binary_search(&number).is_ok();
        let style = if is_matched { style.patch(look.matched()) } else { style };
        match line.last_mut() {
            Some((_, run, of)) if *of == style => run.push_str(grapheme),
            _ => line.push((column, grapheme.to_owned(), style)),
        }
        column += width(grapheme);
    }
    line
}

/// The chosen line, highlighted over all cells except the outer ones.
fn chosen(line: OverlayLine, look: Look, cells: usize) -> OverlayLine {
    let background = (1, " ".repeat(cells.saturating_sub(2)), look.selected());
    let parts = line.into_iter().map(|(column, text, style)| (column, text, style.patch(look.selected())));
    std::iter::once(background).chain(parts).collect()
}
