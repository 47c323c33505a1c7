//! Rows of a timeline item: the rules above it, its stamp and nick, its text with a hanging indent.

use std::borrow::Cow;
use std::collections::HashSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use ratatui::style::{Modifier, Style};

use super::look::Look;
use super::marks::{Marker, Piece};
use super::prose;
use super::screen_row::{STAMP, ScreenRow};
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
    pub(super) is_searching: bool,
    /// Item of the current match.
    pub(super) hit: Option<ItemKey>,
    /// Index of the first item that is not cleared.
    pub(super) first: usize,
    /// Long messages that the user opened.
    pub(super) unfolded: HashSet<ItemKey>,
}

/// The parts of an item beside its text.
struct Margin<'a> {
    key: ItemKey,
    stamp: Option<Stamp>,
    marker: Option<Marker<'a>>,
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

/// The sender of a message.
struct Speaker<'a> {
    nick: &'a str,
    style: Style,
    is_doubtful: bool,
}

/// Columns of a row: ` 20:18     alice  text`. The nick has ten cells, or eight in a narrow timeline.
const NICK: usize = 7;
/// Cells of ` ✓`, which every row of the user's own messages leaves free.
const SHORT_SIGN: usize = 2;
/// Number of items above one whose times may be later.
const OUT_OF_ORDER: usize = 64;
/// Cells of a nick in the single pane: `alice  text`.
const NARROW_NICK: usize = 6;
/// Rows of a text above which it is folded.
const FOLDED_ABOVE: usize = 40;
/// Rows of a folded text that are shown.
pub(super) const FOLDED_TO: usize = 20;

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
            rows.push(ScreenRow::ruler(&format!("{count} new"), look.for_you()));
        }
        let is_same_minute = before.is_some_and(|before| {
            let (a, b) = (self.stamp(&before), self.stamp(&item));
            (a.day, a.hour, a.minute) == (b.day, b.hour, b.minute)
        });
        let stamp = (!is_same_minute || index == self.first).then(|| self.stamp(&item));
        let marker = Marker::of(self.timeline, item.key(), self.hit, self.look);
        let margin = Margin { key: item.key(), stamp, marker };
        match item {
            Item::Outgoing(outgoing) => self.outgoing(&mut rows, outgoing, &margin),
            Item::Row(row) => match &row.body {
                Body::Message(message) => self.message(&mut rows, message, &margin),
                Body::Presence(presence) => {
                    let room = self.text_room();
                    let glyph = look.glyph();
                    let fits = |text: &str| width(text) <= room;
                    let text = presence.text(glyph.minus, glyph.doubt, glyph.ellipsis, fits);
                    rows.push(self.aside(stamp, look.glyph().dot, &look.cut(&text, room), look.faint()));
                }
                Body::Note { tone, text } => self.note(&mut rows, *tone, text.as_str(), &margin),
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

    fn message(&self, rows: &mut Vec<ScreenRow>, message: &ShownMessage, margin: &Margin<'_>) {
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
        let speaker = Speaker { nick, style: nick_style, is_doubtful: message.is_doubtful };
        self.speech(rows, &speaker, &markup, sign, margin);
        if let Some(facts) = message.facts() {
            self.facts(rows, &facts);
        }
    }

    /// Facts about the message above. Their sign is in the cell before the text, which no nick and no text reaches, so a
    /// message cannot imitate them.
    fn facts(&self, rows: &mut Vec<ScreenRow>, facts: &str) {
        let (look, column) = (self.look, self.text_column());
        for line in wrap(facts, self.text_room()) {
            let sign = ScreenRow::default().part(column.saturating_sub(1), look.glyph().fact, look.faint());
            rows.push(sign.part(column, line, look.faint()));
        }
    }

    fn outgoing(&self, rows: &mut Vec<ScreenRow>, outgoing: &Outgoing, margin: &Margin<'_>) {
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
        let speaker = Speaker { nick: self.me.as_str(), style, is_doubtful: false };
        self.speech(rows, &speaker, &markup, Some(sign), margin);
    }

    /// A nick, and a text or an action, with a sign behind the last word.
    fn speech(
        &self,
        rows: &mut Vec<ScreenRow>,
        &Speaker { nick, style: nick_style, is_doubtful }: &Speaker<'_>,
        markup: &Markup<'_>,
        sign: Option<(String, Style)>,
        margin: &Margin<'_>,
    ) {
        let look = self.look;
        let marker = margin.marker.as_ref();
        let (column, room) = (self.text_column(), self.text_room());
        // A short sign must not stand in a row of its own.
        let reserved = sign.as_ref().map_or(0, |(text, _)| width(text)).min(SHORT_SIGN);
        let beside_sign = room.saturating_sub(reserved).max(1);
        let mark = |piece: Piece| match marker {
            Some(marker) => marker.nick(piece, nick),
            None => piece,
        };
        let (in_gutter, mut lines) = match markup.action() {
            Some(spans) => {
                let doubt = if is_doubtful { look.glyph().doubt } else { "" };
                let nick = look.cut(nick, (room / 2).saturating_sub(width(doubt))) + doubt;
                let nick = mark(Piece::new(nick, nick_style));
                let sign = Piece::new(look.glyph().dot, nick_style);
                (sign, prose::action(nick, spans, beside_sign, look, marker))
            }
            None => (mark(Piece::new(nick, nick_style)), prose::rows(markup, beside_sign, look, marker)),
        };
        let mut in_gutter = Some(in_gutter);
        let fold = self.fold(margin.key, lines.len(), beside_sign);
        lines.truncate(if fold.is_some() { FOLDED_TO } else { lines.len() });
        let last = lines.len() - 1;
        let mut sign = sign;
        let mut sign_behind = |end: usize| {
            let fits = |(text, _): &mut (String, Style)| end - column + width(text) <= room;
            sign.take_if(fits)
        };
        for (index, line) in lines.into_iter().enumerate() {
            let doubt = is_doubtful && markup.action().is_none();
            let begin = |piece| self.gutter(margin.stamp, piece, doubt);
            let row = in_gutter.take().map_or_else(ScreenRow::default, begin);
            let mut row = row.at(line.at);
            let mut end = column;
            for piece in line.before.into_iter().chain(line.text) {
                let from = end;
                end += width(&piece.text);
                row = row.piece(from, piece);
            }
            if index == last
                && fold.is_none()
                && let Some((text, style)) = sign_behind(end)
            {
                row = row.part(end, text, style);
            }
            rows.push(row);
        }
        if let Some(text) = fold {
            let row = ScreenRow::fold(column, &text, look.faint());
            rows.push(match sign_behind(column + width(&text)) {
                Some((sign, style)) => row.part(column + width(&text), sign, style),
                None => row,
            });
        }
        if let Some((text, style)) = sign {
            for line in wrap(text.trim_start(), room) {
                rows.push(ScreenRow::default().part(column, line, style));
            }
        }
    }

    fn note(&self, rows: &mut Vec<ScreenRow>, tone: Tone, text: &str, margin: &Margin<'_>) {
        let look = self.look;
        let (sign, style) = match tone {
            Tone::Info => (look.glyph().dot, look.faint()),
            Tone::Notice => ("!", look.for_you()),
            Tone::Error => (look.glyph().failed, look.bad()),
        };
        let text = shown_note(tone, text, look);
        let mut in_gutter = Some(Piece::new(sign, style));
        let lines = wrap_at(&text, self.text_room());
        let fold = self.fold(margin.key, lines.len(), self.text_room());
        let shown = if fold.is_some() { FOLDED_TO } else { lines.len() };
        for (at, line) in lines.into_iter().take(shown) {
            let row = in_gutter
                .take()
                .map_or_else(ScreenRow::default, |sign| self.gutter(margin.stamp, sign, false));
            let piece = Piece { at: Some(at), ..Piece::new(line, style) };
            rows.push(row.piece(self.text_column(), piece).at(Some(at)));
        }
        rows.extend(fold.map(|text| ScreenRow::fold(self.text_column(), &text, look.faint())));
    }

    /// Text of the row below the first rows of a long text: how many follow, and the key that opens them, in at most
    /// `room` cells. `None` if all rows are shown.
    fn fold(&self, key: ItemKey, rows: usize, room: usize) -> Option<String> {
        if rows <= FOLDED_ABOVE || self.unfolded.contains(&key) {
            return None;
        }
        let (more, look) = (rows - FOLDED_TO, self.look);
        let sign = look.glyph().ellipsis;
        let (long, key) = match self.keymap.key(Action::Fold) {
            Some(key) => (format!(" {} {key} opens them", look.glyph().dot), format!(" ({key})")),
            None => (String::new(), String::new()),
        };
        let texts = [
            format!("{sign} {more} more rows{long}"),
            format!("{sign} {more} more{key}"),
            format!("{sign} {more}{key}"),
        ];
        let fits = texts.iter().find(|text| width(text) <= room);
        Some(fits.cloned().unwrap_or_else(|| look.cut(&texts[2], room)))
    }

    fn aside(&self, stamp: Option<Stamp>, sign: &str, text: &str, style: Style) -> ScreenRow {
        self.gutter(stamp, Piece::new(sign, style), false).part(self.text_column(), text, style)
    }

    /// Stamp and nick; in a narrow timeline only the nick. The mark of a doubtful name is in the blank cell behind it.
    fn gutter(&self, stamp: Option<Stamp>, nick: Piece, is_doubtful: bool) -> ScreenRow {
        let look = self.look;
        let column = self.text_column();
        if self.is_narrow {
            let text = look.cut(&nick.text, column.saturating_sub(1));
            let end = width(&text);
            let row = ScreenRow::default().piece(0, Piece { text, ..nick });
            return if is_doubtful { row.part(end, look.glyph().doubt, look.bad()) } else { row };
        }
        let mut row = ScreenRow::default();
        if let Some(stamp) = stamp {
            row = row.part(STAMP, stamp.time(), look.faint());
        }
        let end = column.saturating_sub(2);
        let text = look.cut(&nick.text, end.saturating_sub(NICK));
        let row = row.piece(end.saturating_sub(width(&text)), Piece { text, ..nick });
        if is_doubtful { row.part(end, look.glyph().doubt, look.bad()) } else { row }
    }
}
