//! Pieces of text with their marks: matches of a search, and counts of unread messages.

use std::ops::Range;
use std::rc::Rc;

use ratatui::style::Style;

use super::look::Look;
use crate::app::timeline::{ItemKey, Timeline};
use crate::markup::{Pattern, Span, Target};

/// Text of one style in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) style: Style,
    /// Target of the link; the pieces of a wrapped link share it.
    pub(super) link: Option<Rc<Target>>,
    /// The piece is part of a match.
    pub(super) is_hit: bool,
    /// Offset in the text of the item; `None` if the piece is the program's own.
    pub(super) at: Option<usize>,
}

impl Piece {
    pub(super) fn new(text: impl Into<String>, style: Style) -> Self {
        Self { text: text.into(), style, link: None, is_hit: false, at: None }
    }
}

/// Marks the matches of a search in one message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marker<'a> {
    pub(super) pattern: &'a Pattern,
    pub(super) style: Style,
}

/// Matches in a line, as ranges.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    places: Vec<Range<usize>>,
    style: Style,
}

impl<'a> Marker<'a> {
    /// A marker for an item with matches. `hit` is the current match.
    pub(super) fn of(timeline: &'a Timeline, key: ItemKey, hit: Option<ItemKey>, look: Look) -> Option<Self> {
        let pattern = timeline.pattern().filter(|_| timeline.is_hit(key))?;
        Some(Self { pattern, style: look.found(hit == Some(key)) })
    }

    /// A nick is marked as a whole, because it may be cut.
    pub(super) fn nick(&self, nick: Piece, whole: &str) -> Piece {
        if !self.pattern.is_in_line(whole) {
            return nick;
        }
        Piece { style: nick.style.patch(self.style), is_hit: true, ..nick }
    }

    pub(super) fn spans(&self, spans: &[Span<'_>]) -> Marks {
        Marks { places: self.pattern.places_in_spans(spans), style: self.style }
    }

    pub(super) fn line(&self, line: &str) -> Marks {
        Marks { places: self.pattern.places(line), style: self.style }
    }
}

impl Marks {
    /// Splits a part of the line into pieces. `piece` makes one from a range.
    pub(super) fn cut(&self, part: Range<usize>, piece: impl Fn(Range<usize>) -> Piece) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut from = part.start;
        let first = self.places.partition_point(|place| place.end <= part.start);
        for place in self.places[first..].iter().take_while(|place| place.start < part.end) {
            let (start, end) = (place.start.max(part.start), place.end.min(part.end));
            if from < start {
                pieces.push(piece(from..start));
            }
            let marked = piece(start..end);
            pieces.push(Piece { style: marked.style.patch(self.style), is_hit: true, ..marked });
            from = end;
        }
        if from < part.end {
            pieces.push(piece(from..part.end));
        }
        pieces
    }
}

/// `@1 4 `: four unread messages, one of which mentions the user.
pub(super) fn counts(mentions: u64, unread: u64) -> String {
    match (mentions, unread) {
        (_, 0) => String::new(),
        (0, unread) => format!("{} ", short(unread)),
        (mentions, unread) => format!("@{} {} ", short(mentions), short(unread)),
    }
}

/// A count in at most three cells.
pub(super) fn short(count: u64) -> String {
    if count > 99 { "99+".to_owned() } else { count.to_string() }
}
