//! Status lines: the connection, the header, and the typing line.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::look::Look;
use super::marks::short;
use super::pen::Pen;
use super::text::width;
use super::timeline::{LongText, TimelineState};
use super::{candidates, search};
use crate::app::{Action, Health, Link, Model};
use crate::sanitize;

/// Below the rooms: the state of the connection, and above it the number of queued messages.
pub(super) fn corner(model: &Model, look: Look, buffer: &mut Buffer, area: Rect) {
    let mut pen = Pen::new(buffer, area);
    let queued = model.queued();
    if queued > 0 {
        pen.write(1, 0, &format!("{} {queued} queued", look.glyph().up), look.busy());
    }
    let (sign, words, style) = state(model, look);
    let column = pen.write(1, 1, sign, style);
    pen.write(column + 1, 1, &words, look.plain());
}

/// Above the timeline: the room, and the reason of a lost connection.
pub(super) fn header(model: &Model, look: Look, buffer: &mut Buffer, area: Rect) {
    let mut pen = Pen::new(buffer, area);
    let sign = if model.room().is_some() { "#" } else { "" };
    let title = format!("{sign}{}", model.pane().title);
    let title_room = pen.width().saturating_sub(3).max(pen.width() / 3);
    let column = pen.write(1, 0, &look.cut(&title, title_room), look.title());
    let why = trouble(model, look, pen.width().saturating_sub(column + 3)).unwrap_or_default();
    if !why.is_empty() {
        let style = if model.link.is_connected() { look.busy() } else { look.bad() };
        pen.write_right(0, &format!("{why} "), style);
    }
}

/// Header of the single pane: the room, the connection, and rooms with unread messages.
pub(super) fn narrow(model: &Model, look: Look, buffer: &mut Buffer, area: Rect) {
    let mut pen = Pen::new(buffer, area);
    let (sign, words, style) = state(model, look);
    let words = match &model.link {
        Link::Connected if model.round_trip.is_none() || model.health != Health::Answering => String::new(),
        Link::Connecting { .. } => String::new(),
        Link::Connected | Link::Waiting { .. } | Link::Stopped { .. } => {
            words.replace("retry", "").replace(' ', "")
        }
    };
    let queued = match model.queued() {
        0 => String::new(),
        queued => format!("{}{queued}", look.glyph().up),
    };
    let state_width = width(sign) + width(&words) + 1 + width(&queued);
    let title = look.cut(model.pane().title.as_str(), pen.width().saturating_sub(state_width + 1));
    let column = pen.write(0, 0, &title, look.title());
    let column = pen.write(column + 1, 0, sign, style);
    let mut column = pen.write(column, 0, &words, look.plain());
    if !queued.is_empty() {
        column = pen.write(column + 1, 0, &queued, look.busy());
    }
    column += 2;
    let current = model.current();
    for (_, room) in model.rooms.iter().enumerate().filter(|(index, _)| Some(*index) != current) {
        if room.reading.unread > 0 {
            let count = match room.reading.mentions {
                0 => short(room.reading.unread),
                mentions => format!("@{}", short(mentions)),
            };
            let text = format!("{}{count}", look.cut(room.pane.title.as_str(), 8));
            let style = if room.reading.mentions > 0 { look.for_you() } else { look.plain() };
            column = pen.write(column + 1, 0, &text, style);
        }
    }
}

/// Typing users, or the candidates or hint of the last key, or the key for a long text; at the right the number of messages
/// below.
pub(super) fn typing(model: &Model, look: Look, buffer: &mut Buffer, area: Rect, shown: TimelineState) {
    let mut pen = Pen::new(buffer, area);
    let newer = newer(model, look, shown, pen.width());
    let room_left = pen.width().saturating_sub(if newer.is_empty() { 1 } else { width(&newer) + 3 });
    let margin = 1.min(pen.width() / 41);
    let completion =
        model.completion().filter(|completion| completion.candidates.len() > 1 || completion.is_part);
    if let Some(completion) = completion.filter(|_| model.hint.is_none()) {
        candidates::view(completion, look, &mut pen, margin, room_left.saturating_sub(margin));
    }
    let (text, style) = match (&model.hint, typists(model, look)) {
        (Some(hint), _) => (hint.as_str().to_owned(), look.bad()),
        (None, _) if model.pane().search.is_some() => (searching(model, look, room_left), look.faint()),
        (None, _) if completion.is_some() => (String::new(), look.plain()),
        (None, Some(typists)) => (typists, look.faint()),
        (None, None) => match small_trouble(model, look, &pen, room_left) {
            none if none.is_empty() => (long_text(model, shown, room_left), look.faint()),
            trouble if model.link.is_connected() => (trouble, look.busy()),
            trouble => (trouble, look.bad()),
        },
    };
    pen.write(margin, 0, &look.cut(&text, room_left), style);
    if !newer.is_empty() {
        let newer = format!("{newer} ");
        pen.write_right(0, &newer, look.strong());
    }
}

/// Number of items below the screen, and the key to the newest.
fn newer(model: &Model, look: Look, shown: TimelineState, cells: usize) -> String {
    let down = look.glyph().down;
    let key = model.keymap.key(Action::End).or_else(|| model.keymap.key(Action::Newest));
    let key = key.map(|key| format!(" ({key})")).unwrap_or_default();
    match shown.newer {
        None => String::new(),
        Some(0) if cells < 40 => down.to_owned(),
        Some(0) => format!("{down} more{key}"),
        Some(newer) if cells < 40 => format!("{down}{newer}"),
        Some(newer) => format!("{down} {newer} newer{key}"),
    }
}

/// The key that opens or folds a long text, if it fits into `cells`.
fn long_text(model: &Model, shown: TimelineState, cells: usize) -> String {
    let (Some(long), Some(key)) = (shown.long, model.keymap.key(Action::Fold)) else { return String::new() };
    let does = match long {
        LongText::Folded => "opens",
        LongText::Open => "folds",
    };
    let hint = format!("{key} {does} the long message");
    if width(&hint) <= cells { hint } else { String::new() }
}

fn searching(model: &Model, look: Look, cells: usize) -> String {
    model.pane().search.as_ref().map(|it| search::words(model, it, look, cells)).unwrap_or_default()
}

/// Connection problems in the typing line, because the header of the single pane has no space for them.
fn small_trouble(model: &Model, look: Look, pen: &Pen<'_>, cells: usize) -> String {
    if pen.width() < 60 { trouble(model, look, cells).unwrap_or_default() } else { String::new() }
}

fn typists(model: &Model, look: Look) -> Option<String> {
    let on = look.glyph().ellipsis;
    let names: Vec<&str> = model.room()?.typing().map(sanitize::Line::as_str).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("{one} is typing{on}")),
        [one, two] => Some(format!("{one} and {two} are typing{on}")),
        [one, two, three] => Some(format!("{one}, {two} and {three} are typing{on}")),
        [one, two, more @ ..] => Some(format!("{one}, {two} and {} others are typing{on}", more.len())),
    }
}

/// Sign and words of the connection: `● 23 ms`, `◐ connecting`, `○ retry 12 s`, `✗ stopped`.
fn state(model: &Model, look: Look) -> (&'static str, String, Style) {
    let glyph = look.glyph();
    match &model.link {
        Link::Connected => match model.health {
            Health::Answering => (glyph.online, round_trip(model), look.good()),
            Health::Silent => (glyph.connecting, "no answer".to_owned(), look.busy()),
            Health::PuttingOff(_) => (glyph.connecting, "waiting".to_owned(), look.busy()),
        },
        Link::Connecting { attempt: 0 | 1 } => (glyph.connecting, "connecting".to_owned(), look.busy()),
        Link::Connecting { attempt } => (glyph.connecting, format!("try {attempt}"), look.busy()),
        Link::Waiting { .. } => (
            glyph.waiting,
            format!("retry {} s", model.link.countdown(model.now.mono).unwrap_or(0)),
            look.bad(),
        ),
        Link::Stopped { .. } => (glyph.failed, "stopped".to_owned(), look.bad()),
    }
}

fn round_trip(model: &Model) -> String {
    match model.round_trip {
        None => "connected".to_owned(),
        Some(time) if time.as_millis() == 0 => "<1 ms".to_owned(),
        Some(time) => format!("{} ms", time.as_millis()),
    }
}

/// Problem of the connection and its remedy, in at most `cells`.
fn trouble(model: &Model, look: Look, cells: usize) -> Option<String> {
    let dot = look.glyph().dot;
    let text = match &model.link {
        Link::Connected => match &model.health {
            Health::Answering => None,
            Health::Silent => Some("the server does not answer".to_owned()),
            Health::PuttingOff(why) => Some(sanitize::line(why).to_string()),
        },
        Link::Connecting { .. } => None,
        Link::Waiting { reason, .. } => Some(with_key(model, look, reason.as_str(), "retries now")),
        Link::Stopped { reason, needs_token: true } => {
            // The remedy must be visible.
            let short = reason.as_str().strip_prefix("the ").unwrap_or(reason.as_str());
            let forms = [format!("{reason} {dot} /token takes a new one"), format!("{short} {dot} /token")];
            let fitting = forms.into_iter().find(|form| width(form) <= cells);
            Some(fitting.unwrap_or_else(|| format!("/token {dot} {short}")))
        }
        Link::Stopped { reason, needs_token: false } => {
            Some(with_key(model, look, reason.as_str(), "tries again"))
        }
    };
    text.map(|text| look.cut(&text, cells))
}

fn with_key(model: &Model, look: Look, reason: &str, does: &str) -> String {
    match model.keymap.key(Action::Retry) {
        Some(key) => format!("{reason} {} {key} {does}", look.glyph().dot),
        None => reason.to_owned(),
    }
}
