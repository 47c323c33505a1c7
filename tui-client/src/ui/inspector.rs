//! The inspector: frames on the wire, and the connection and token beside or behind them.

use ratatui::layout::Rect;
use ratatui::widgets::{Clear, Widget};

use super::frame::Frame;
use super::layout::OverlayLine;
use super::layout::WIDE;
use super::look::Look;
use super::overlay::scroll;
use super::pen::Pen;
use super::state::ViewState;
use super::text::{broken, wrap};
use crate::app::{Direction, Inspector, InspectorPart, Model, ShownFrame, human, pretty};

/// Columns of the facts beside the frames.
const FACTS: u16 = 44;
/// Least width at which frames have their time.
const WITH_TIME: usize = 60;
/// Columns of a frame's type.
const KIND: usize = 13;

pub(super) fn view(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect) {
    let look = state.look;
    let inspector = model.inspector();
    state.areas.is_covered = true;
    Clear.render(area, frame.buffer_mut());
    frame.set_cursor_position((area.x, area.y + area.height - 1));
    let mut pen = Pen::new(frame.buffer_mut(), area);
    pen.titled_rule(0, &title(inspector, area, look), look.title(), look);
    let height = usize::from(area.height);
    if height > 1 {
        pen.titled_rule(height - 1, &keys(inspector, look), look.faint(), look);
    }
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area };
    if area.width < WIDE {
        part(model, state, frame, body, inspector.part);
        return;
    }
    let left = Rect { width: area.width - FACTS - 1, ..body };
    let right = Rect { x: area.x + left.width + 1, width: FACTS, ..body };
    part(model, state, frame, left, InspectorPart::Frames);
    let mut pen = Pen::new(frame.buffer_mut(), body);
    for row in 0..usize::from(body.height) {
        pen.write(left.width.into(), row, look.glyph().bar, look.faint());
    }
    let mut facts = token(model, look, FACTS.into());
    facts.push(Vec::new());
    facts.extend(connection(model, look, FACTS.into()));
    let above =
        if inspector.part == InspectorPart::Frames { 0 } else { lines_above(state, facts.len(), right) };
    write(frame, right, &facts, above);
}

/// In a wide inspector all parts are visible and Tab only chooses the part that scrolls.
fn title(inspector: &Inspector, area: Rect, look: Look) -> String {
    let name = |part| match part {
        InspectorPart::Frames => "FRAMES",
        InspectorPart::Connection => "CONNECTION",
        InspectorPart::Token => "TOKEN",
    };
    let opened = inspector.opened().map(|frame| format!(" {} {}", look.glyph().dot, frame.number));
    if area.width >= WIDE {
        return format!("INSPECTOR{}", opened.unwrap_or_default());
    }
    format!("{}{}", name(inspector.part), opened.unwrap_or_default())
}

fn keys(inspector: &Inspector, look: Look) -> String {
    let dot = look.glyph().dot;
    let below = inspector.chosen_index().map_or(0, |at| inspector.frames.len() - 1 - at);
    let newer =
        if below > 0 { format!("{} {below} newer (End) {dot} ", look.glyph().down) } else { String::new() };
    let tab = format!("Tab more {dot} ");
    match (inspector.part, inspector.is_opened) {
        (InspectorPart::Frames, false) => format!("{newer}Enter shows it {dot} {tab}Esc closes"),
        (InspectorPart::Frames, true) => format!("{tab}Esc goes back"),
        _ => format!("{tab}Esc closes"),
    }
}

fn part(model: &Model, state: &mut ViewState, frame: &mut Frame<'_>, area: Rect, part: InspectorPart) {
    let look = state.look;
    let inspector = model.inspector();
    let cells = area.width.into();
    let lines = match part {
        InspectorPart::Frames if inspector.is_opened => {
            inspector.opened().map(|shown| in_full(shown, look, cells))
        }
        InspectorPart::Frames => return frames(inspector, look, frame, area),
        InspectorPart::Connection => Some(connection(model, look, cells)),
        InspectorPart::Token => Some(token(model, look, cells)),
    }
    .unwrap_or_default();
    let above = lines_above(state, lines.len(), area);
    write(frame, area, &lines, above);
}

/// Number of lines that are scrolled off the top.
fn lines_above(state: &mut ViewState, lines: usize, area: Rect) -> usize {
    scroll(state, lines, usize::from(area.height).max(1), None);
    state.overlay_row
}

fn write(frame: &mut Frame<'_>, area: Rect, lines: &[OverlayLine], above: usize) {
    let mut pen = Pen::new(frame.buffer_mut(), area);
    for (row, line) in lines.iter().skip(above).take(area.height.into()).enumerate() {
        for (column, text, style) in line {
            pen.write(*column, row, text, *style);
        }
    }
}

/// The frames around the chosen one. Only these are laid out.
fn frames(inspector: &Inspector, look: Look, frame: &mut Frame<'_>, area: Rect) {
    let Some(chosen) = inspector.chosen_index() else {
        let line = vec![(1, "no frames yet".to_owned(), look.faint())];
        return write(frame, area, &[line], 0);
    };
    let visible = usize::from(area.height).max(1);
    let most = inspector.frames.len().saturating_sub(visible);
    let above = chosen.saturating_sub(visible / 2).min(most);
    let shown = inspector.frames.iter().enumerate().skip(above).take(visible);
    let lines: Vec<OverlayLine> =
        shown.map(|(at, shown)| row(shown, at == chosen, look, area.width.into())).collect();
    write(frame, area, &lines, 0);
}

/// `20:18:03.250 ↓ message       142 {"type":"message",…`
fn row(shown: &ShownFrame, is_chosen: bool, look: Look, cells: usize) -> OverlayLine {
    let glyph = look.glyph();
    let (sign, style) = match shown.direction {
        Direction::In => (glyph.down, look.good()),
        Direction::Out => (glyph.up, look.busy()),
    };
    let style = if is_chosen { look.selected() } else { style };
    let time = if cells < WITH_TIME { String::new() } else { format!("{} ", shown.time) };
    let kind = look.cut(shown.kind.as_str(), KIND);
    let head = format!("{time}{sign} {kind:KIND$} {:>6}", shown.bytes);
    let column = 1 + head.chars().count() + 1;
    let text = shown.text.as_str().replace('\n', " ");
    let text = look.cut(&text, cells.saturating_sub(column + 1));
    vec![(1, head, style), (column, text, look.plain())]
}

/// All lines of a frame.
fn in_full(shown: &ShownFrame, look: Look, cells: usize) -> Vec<OverlayLine> {
    let way = match shown.direction {
        Direction::In => "from the server",
        Direction::Out => "to the server",
    };
    let text = pretty(shown.text.as_str());
    let head = format!("{} {way}, {} bytes", shown.time, shown.bytes);
    let rows = text.lines().flat_map(|line| broken(line, cells.saturating_sub(2).max(1)));
    let mut lines = vec![vec![(1, look.cut(&head, cells.saturating_sub(1)), look.faint())]];
    lines.extend(rows.map(|row| vec![(1, row.to_owned(), look.plain())]));
    if shown.text.as_str().len() < shown.bytes {
        lines.push(vec![(1, "the rest is not kept".to_owned(), look.faint())]);
    }
    lines
}

fn connection(model: &Model, look: Look, cells: usize) -> Vec<OverlayLine> {
    let inspector = model.inspector();
    let plain = |text: String| vec![(1, text, look.plain())];
    let since = inspector.connected_for(model.now.mono);
    let since =
        since.map_or_else(|| "no connection".to_owned(), |time| format!("connected for {}", human(time)));
    let totals = inspector.totals;
    let went = |way: &str, (frames, bytes): (u64, u64)| format!("{way} {frames} frames, {}", size(bytes));
    let mut lines = vec![
        vec![(1, "CONNECTION".to_owned(), look.faint())],
        plain(since),
        plain(went("in ", totals.from_server)),
        plain(went("out", totals.to_server)),
    ];
    let mut trips: Vec<_> = inspector.trips.iter().copied().collect();
    if let Some(last) = trips.last().copied() {
        let shown = inspector.trips.iter().skip(trips.len().saturating_sub(cells.saturating_sub(2)));
        let most = inspector.trips.iter().max().copied().unwrap_or(last);
        let line: String =
            shown.map(|trip| look.glyph().level(trip.as_secs_f64() / most.as_secs_f64())).collect();
        trips.sort_unstable();
        let of = |at: usize| trip(trips[at]);
        lines.extend([
            Vec::new(),
            vec![(1, "ROUND TRIPS".to_owned(), look.faint())],
            vec![(1, line, look.good())],
            plain(format!("last {}, median {}", trip(last), of(trips.len() / 2))),
            plain(format!("from {} to {}, of {}", of(0), of(trips.len() - 1), trips.len())),
        ]);
    }
    lines.extend([Vec::new(), vec![(1, "CHANGES".to_owned(), look.faint())]]);
    for change in inspector.changes.iter().rev() {
        let rows = wrap(change.what.as_str(), cells.saturating_sub(11).max(1));
        for (number, row) in rows.into_iter().enumerate() {
            let time = (number == 0).then(|| (1, change.time.clone(), look.faint()));
            lines.push(time.into_iter().chain([(10, row.to_owned(), look.plain())]).collect());
        }
    }
    lines
}

fn token(model: &Model, look: Look, cells: usize) -> Vec<OverlayLine> {
    let inspector = model.inspector();
    let (expiry, is_over) = inspector.expiry(model.now.wall);
    let style = if is_over { look.bad() } else { look.plain() };
    let mut lines = vec![vec![(1, "TOKEN".to_owned(), look.faint())], vec![(1, expiry, style)]];
    for (name, value) in &inspector.claims {
        let text = format!("{name} {value}");
        let rows = broken(&text, cells.saturating_sub(2).max(1));
        lines.extend(rows.into_iter().map(|row| vec![(1, row.to_owned(), look.plain())]));
    }
    lines
}

fn trip(time: std::time::Duration) -> String {
    match time.as_millis() {
        0 => "<1 ms".to_owned(),
        millis => format!("{millis} ms"),
    }
}

/// `142 B`, `12 KiB`, `3.4 MiB`.
fn size(bytes: u64) -> String {
    const KIB: u64 = 1_024;
    const MIB: u64 = KIB * KIB;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..MIB => format!("{} KiB", bytes / KIB),
        _ => format!("{}.{} MiB", bytes / MIB, bytes % MIB * 10 / MIB),
    }
}
