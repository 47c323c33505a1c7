//! Rows of a timeline item: the rules above it, its stamp and nick, its text with a hanging indent.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ratatui::style::{Modifier, Style};

use super::look::Look;
use super::marks::{Marker, Piece};
use super::prose;
use super::screen_row::ScreenRow;
use super::text::{width, wrap, wrap_at};
use crate::app::timeline::{Body, Item, ItemKey, Outgoing, Sending, ShownMessage, Timeline, Tone};
use crate::app::{Action, Keymap, Room, Ruler, Stamp};
use crate::markup::{Markup, MentionPattern};
use crate::sanitize::Line;

/// Layout of a timeline, independent of its items.
pub(super) struct TimelineLayout<'a> {
    pub(super) timeline: &'a Timeline,
    /// `None` in the lobby.
    pub(super) room: Option<&'a Room>,
    pub(super) keymap: &'a Keymap,
    pub(super) me: &'a Line,
    pub(super) ruler: Option<Ruler>,
    /// Note above the first item.
    pub(super) above: Option<String>,
    /// Index of the gap that is being filled.
    pub(super) filled_gap: Option<usize>,
    pub(super) zone: &'a TimeZone,
    /// The current year, which dates omit.
    pub(super) year: i16,
    pub(super) look: Look,
    pub(super) width: usize,
    pub(super) is_narrow: bool,
    /// Item of the current match.
    pub(super) hit: Option<ItemKey>,
    /// Index of the first item that is not cleared.
    pub(super) first: usize,
}

/// Note in place of a page whose request failed.
pub(super) fn not_loaded(reason: &Line, keymap: &Keymap) -> String {
    let key = keymap.key(Action::Retry).or_else(|| keymap.key(Action::PageUp));
    let hint = key.map(|key| format!(" ({key} tries again)")).unwrap_or_default();
    format!("not loaded: {reason}{hint}")
}

/// Text of a note in the signs of the terminal. Remote text in a notice or an error is unchanged.
pub(super) fn shown_note(tone: Tone, text: &str, look: Look) -> Cow<'_, str> {
    if tone == Tone::Info { look.own(text) } else { text.into() }
}

/// Columns of a row: ` 20:18     alice  text`. The nick has ten cells, or eight in a narrow timeline.
pub(super) const STAMP: usize = 1;
const NICK: usize = 7;
/// Cells of ` ✓`, which every row of the user's own messages leaves free.
const SHORT_SIGN: usize = 2;
/// Number of items above one whose times may be later.
const OUT_OF_ORDER: usize = 64;
/// Cells of a nick in the single pane: `alice  text`.
const NARROW_NICK: usize = 6;

impl TimelineLayout<'_> {
    /// Rows of the item at `index`, from the top.
    pub(super) fn rows(&self, index: usize) -> Vec<ScreenRow> {
        let Some(item) = self.timeline.get(index) else { return Vec::new() };
        let before = index.checked_sub(1).and_then(|before| self.timeline.get(before));
        let look = self.look;
        let mut rows = Vec::new();
        if index == 0 {
            rows.extend(self.above.as_ref().map(|text| ScreenRow::rule(text, look.faint())));
        }
        let day = self.stamp(&item).day;
        if self.is_new_day(index, day) {
            let format = if day.year() == self.year { "%a %-d %b" } else { "%a %-d %b %Y" };
            rows.push(ScreenRow::rule(&day.strftime(format).to_string(), look.faint()));
        }
        if let Some(count) = self.ruled(item.key(), before.map(|before| before.key())) {
            rows.push(ScreenRow::rule(&format!("{count} new"), look.for_you()));
        }
        let is_same_minute = before.is_some_and(|before| {
            let (a, b) = (self.stamp(&before), self.stamp(&item));
            (a.day, a.hour, a.minute) == (b.day, b.hour, b.minute)
        });
        let stamp = (!is_same_minute || index == self.first).then(|| self.stamp(&item));
        let marker = Marker::of(self.timeline, item.key(), self.hit, self.look);
        match item {
            Item::Outgoing(outgoing) => self.outgoing(&mut rows, outgoing, stamp, marker.as_ref()),
            Item::Row(row) => match &row.body {
                Body::Message(message) => self.message(&mut rows, message, stamp, marker.as_ref()),
                Body::Presence(presence) => {
                    let room = self.text_room();
                    let text =
                        presence.text(look.glyph().minus, look.glyph().ellipsis, |text| width(text) <= room);
                    rows.push(self.aside(stamp, look.glyph().dot, &look.cut(&text, room), look.faint()));
                }
                Body::Note { tone, text } => self.note(&mut rows, *tone, text.as_str(), stamp),
                Body::Gap => rows.push(ScreenRow::rule(&self.gap(index), look.faint())),
            },
        }
        rows
    }

    /// Time of the item at `index` for [`ScreenRow::with_time`]; a narrow timeline has no times.
    pub(super) fn time(&self, index: usize) -> Option<(String, Style)> {
        let item = self.timeline.get(index).filter(|_| !self.is_narrow)?;
        Some((self.stamp(&item).time(), self.look.faint()))
    }

    fn stamp(&self, item: &Item<'_>) -> Stamp {
        Stamp::of(item.ts(), self.zone)
    }

    /// True if a rule with this day is above the item. A rule is never for an earlier day than the items above it, and
    /// not for a day that has a rule: clocks differ, so the times of neighbours may be out of order.
    fn is_new_day(&self, index: usize, day: Date) -> bool {
        let above = (0..index).rev().take(OUT_OF_ORDER).filter_map(|above| self.timeline.get(above));
        above.map(|item| self.stamp(&item).day).all(|above| above < day)
    }

    /// Text of a gap, where messages are missing.
    fn gap(&self, index: usize) -> Cow<'static, str> {
        if self.filled_gap == Some(index) {
            self.look.own("loading…")
        } else if let Some((reason, Some(gap))) = self.room.and_then(Room::failed_page)
            && gap == index
        {
            not_loaded(reason, self.keymap).into()
        } else if self.timeline.is_full() {
            "older messages not replayed, and not held".into()
        } else {
            let key = self.keymap.key(Action::PageUp);
            let hint = key.map(|key| format!(" ({key} loads them)")).unwrap_or_default();
            format!("{}not replayed{hint}", if self.is_narrow { "" } else { "older messages " }).into()
        }
    }

    /// Number of new messages, if the ruler is between `before` and this item.
    fn ruled(&self, key: ItemKey, before: Option<ItemKey>) -> Option<u64> {
        let ruler = self.ruler?;
        (before.is_none_or(|before| before <= ruler.after) && ruler.after < key).then_some(ruler.count)
    }

    fn text_column(&self) -> usize {
        let column = match self.width {
            _ if self.is_narrow => NARROW_NICK + 1,
            ..72 => NICK + 8 + 2,
            _ => NICK + 10 + 2,
        };
        column.min(self.width / 2)
    }

    fn text_room(&self) -> usize {
        self.width.saturating_sub(self.text_column() + usize::from(!self.is_narrow)).max(1)
    }

    fn message(
        &self,
        rows: &mut Vec<ScreenRow>,
        message: &ShownMessage,
        stamp: Option<Stamp>,
        marker: Option<&Marker<'_>>,
    ) {
        let look = self.look;
        let nick = message.nick.as_str();
        let mut markup = Markup::parse(&message.text);
        let mut nick_style = look.nick(nick).add_modifier(Modifier::BOLD);
        if message.mention {
            let members = self.room.into_iter().flat_map(Room::members).map(Line::as_str);
            if let Some(pattern) = MentionPattern::new(self.me.as_str()) {
                markup.mark_mentions(&pattern, members);
            }
            nick_style = look.mention();
        }
        let sign = message.ours.then(|| (format!(" {}", look.glyph().stored), look.faint()));
        self.speech(rows, (nick, nick_style), &markup, stamp, sign, marker);
    }

    fn outgoing(
        &self,
        rows: &mut Vec<ScreenRow>,
        outgoing: &Outgoing,
        stamp: Option<Stamp>,
        marker: Option<&Marker<'_>>,
    ) {
        let look = self.look;
        let sign = match &outgoing.state {
            Sending::Queued => (format!(" {} queued", look.glyph().queued), look.busy()),
            Sending::PutOff => (format!(" {} waiting", look.glyph().queued), look.busy()),
            Sending::Sent => (format!(" {}", look.glyph().sent), look.faint()),
            Sending::Stored => (format!(" {}", look.glyph().stored), look.faint()),
            Sending::Refused(why) => {
                let hint = self.keymap.hint(Action::Retry);
                (format!(" {} not sent: {why}{hint}", look.glyph().failed), look.bad())
            }
        };
        let style = look.plain().add_modifier(Modifier::BOLD);
        let markup = Markup::parse(&outgoing.text);
        self.speech(rows, (self.me.as_str(), style), &markup, stamp, Some(sign), marker);
    }

    /// A nick, and a text or an action, with a sign behind the last word.
    fn speech(
        &self,
        rows: &mut Vec<ScreenRow>,
        (nick, nick_style): (&str, Style),
        markup: &Markup<'_>,
        stamp: Option<Stamp>,
        sign: Option<(String, Style)>,
        marker: Option<&Marker<'_>>,
    ) {
        let look = self.look;
        let (column, room) = (self.text_column(), self.text_room());
        // A short sign must not stand in a row of its own.
        let reserved = sign.as_ref().map_or(0, |(text, _)| width(text)).min(SHORT_SIGN);
        let beside_sign = room.saturating_sub(reserved).max(1);
        let mark = |piece: Piece| match marker {
            Some(marker) => marker.nick(piece, nick),
            None => piece,
        };
        let (in_gutter, lines) = match markup.action() {
            Some(spans) => {
                let nick = mark(Piece::new(look.cut(nick, room / 2), nick_style));
                let sign = Piece::new(look.glyph().dot, nick_style);
                (sign, prose::action(nick, spans, beside_sign, look, marker))
            }
            None => (mark(Piece::new(nick, nick_style)), prose::rows(markup, beside_sign, look, marker)),
        };
        let mut in_gutter = Some(in_gutter);
        let last = lines.len() - 1;
        let mut sign = sign;
        for (index, line) in lines.into_iter().enumerate() {
            let row = in_gutter.take().map_or_else(ScreenRow::default, |nick| self.gutter(stamp, nick));
            let mut row = row.at(line.at);
            let mut end = column;
            for piece in line.before.into_iter().chain(line.text) {
                let from = end;
                end += width(&piece.text);
                row = row.piece(from, piece);
            }
            if index == last
                && let Some((text, style)) = sign.take_if(|(text, _)| end - column + width(text) <= room)
            {
                row = row.part(end, text, style);
            }
            rows.push(row);
        }
        if let Some((text, style)) = sign {
            for line in wrap(text.trim_start(), room) {
                rows.push(ScreenRow::default().part(column, line, style));
            }
        }
    }

    fn note(&self, rows: &mut Vec<ScreenRow>, tone: Tone, text: &str, stamp: Option<Stamp>) {
        let look = self.look;
        let (sign, style) = match tone {
            Tone::Info => (look.glyph().dot, look.faint()),
            Tone::Notice => ("!", look.for_you()),
            Tone::Error => (look.glyph().failed, look.bad()),
        };
        let text = shown_note(tone, text, look);
        let mut in_gutter = Some(Piece::new(sign, style));
        for (at, line) in wrap_at(&text, self.text_room()) {
            let row = in_gutter.take().map_or_else(ScreenRow::default, |sign| self.gutter(stamp, sign));
            let piece = Piece { at: Some(at), ..Piece::new(line, style) };
            rows.push(row.piece(self.text_column(), piece).at(Some(at)));
        }
    }

    fn aside(&self, stamp: Option<Stamp>, sign: &str, text: &str, style: Style) -> ScreenRow {
        self.gutter(stamp, Piece::new(sign, style)).part(self.text_column(), text, style)
    }

    /// Stamp and nick; in a narrow timeline only the nick.
    fn gutter(&self, stamp: Option<Stamp>, nick: Piece) -> ScreenRow {
        let look = self.look;
        let column = self.text_column();
        if self.is_narrow {
            let text = look.cut(&nick.text, column.saturating_sub(1));
            return ScreenRow::default().piece(0, Piece { text, ..nick });
        }
        let mut row = ScreenRow::default();
        if let Some(stamp) = stamp {
            row = row.part(STAMP, stamp.time(), look.faint());
        }
        let end = column.saturating_sub(2);
        let text = look.cut(&nick.text, end.saturating_sub(NICK));
        row.piece(end.saturating_sub(width(&text)), Piece { text, ..nick })
    }
}
