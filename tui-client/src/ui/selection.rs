//! Selection of text with the mouse.
//!
//! Invariant: a selection consists of places in texts, never of cells. So it stays the same when messages arrive, when
//! the timeline scrolls, and when the window is resized. Items that were dropped meanwhile are left out.
//!
//! The text is copied as it was written, without the marks of emphasis and code: tabs are tabs, and a row that was broken
//! at the edge is one line. Stamps, nicks, rules, signs, joins and leaves are not copied. The mouse makes selections
//! ([`drag`](super::drag)).

use std::borrow::Cow;
use std::ops::Range;

use ratatui::layout::Position;

use super::look::Look;
use super::rows::shown_note;
use crate::app::timeline::{Body, Item, ItemKey, LogRow, Timeline};
use crate::app::{COPIED_BYTES, Model};
use crate::markup::Markup;
use crate::sanitize::Block;

/// A grapheme of a text, or the empty place between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TextPlace {
    pub(super) key: ItemKey,
    pub(super) offsets: Range<usize>,
}

/// A place in the text of an item.
pub(super) type Bound = (ItemKey, usize);

/// Text between a press of the button and the pointer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selection {
    pub(super) pane: u32,
    pub(super) rekeyed: u32,
    pub(super) from: TextPlace,
    pub(super) to: TextPlace,
    pub(super) pointer: Position,
    /// The pointer has moved since the press.
    pub(super) is_dragged: bool,
    /// The user scrolled, so that the pointer is above another place.
    pub(super) is_moved: bool,
    /// The timeline follows new messages, and does so again after the selection.
    pub(super) is_pinned: bool,
}

impl Selection {
    /// The selected part of a timeline; `None` if nothing is selected, or if the timeline is another one.
    pub(super) fn bounds(&self, model: &Model) -> Option<Range<Bound>> {
        let pane = model.pane();
        let timeline = &pane.timeline;
        if pane.id != self.pane || timeline.rekeyed() != self.rekeyed || self.from == self.to {
            return None;
        }
        let bound = |place: &TextPlace, at: usize| (timeline.present_key(place.key), at);
        let (from, to) = (&self.from, &self.to);
        let start = bound(from, from.offsets.start).min(bound(to, to.offsets.start));
        let end = bound(from, from.offsets.end).max(bound(to, to.offsets.end));
        (start < end).then_some(start..end)
    }
}

/// The part of an item's text within the bounds; `None` if it has none.
pub(super) fn part_of(bounds: &Range<Bound>, key: ItemKey) -> Option<Range<usize>> {
    if key < bounds.start.0 || key > bounds.end.0 {
        return None;
    }
    let start = if key == bounds.start.0 { bounds.start.1 } else { 0 };
    let end = if key == bounds.end.0 { bounds.end.1 } else { usize::MAX };
    Some(start..end)
}

pub(super) fn text_of(item: Item<'_>) -> Option<&Block> {
    match item {
        Item::Outgoing(outgoing) => Some(&outgoing.text),
        Item::Row(LogRow { body: Body::Message(message), .. }) => Some(&message.text),
        Item::Row(LogRow { body: Body::Note { text, .. }, .. }) => Some(text),
        Item::Row(LogRow { body: Body::Presence(_) | Body::Gap, .. }) => None,
    }
}

/// The text within the bounds, up to the first item beyond [`COPIED_BYTES`].
pub(super) fn text_in(timeline: &Timeline, bounds: &Range<Bound>, look: Look) -> String {
    let mut copied = String::new();
    let items = (timeline.index_of(bounds.start.0)..timeline.len()).map_while(|index| timeline.get(index));
    for item in items {
        let Some(part) = part_of(bounds, item.key()) else { break };
        let text = copied_part(item, &part, look);
        if !copied.is_empty() && !text.is_empty() {
            copied.push('\n');
        }
        copied.push_str(&text);
        if copied.len() > COPIED_BYTES {
            break;
        }
    }
    copied
}

/// A part of the text of an item, as it was written.
fn copied_part(item: Item<'_>, part: &Range<usize>, look: Look) -> String {
    let Some(text) = text_of(item) else { return String::new() };
    let tabs: Vec<Range<usize>> = text.tabs().collect();
    match item {
        Item::Row(LogRow { body: Body::Note { tone, text }, .. }) => {
            let shown = shown_note(*tone, text.as_str(), look);
            let tabs = if matches!(shown, Cow::Borrowed(_)) { tabs } else { Vec::new() };
            let mut start = 0;
            let lines = shown.split('\n').map(|line| {
                let at = start;
                start += line.len() + 1;
                (at, vec![(at, line)])
            });
            join(lines, &tabs, part)
        }
        Item::Row(_) | Item::Outgoing(_) => join(Markup::parse(text).lines(), &tabs, part),
    }
}

/// The part of the lines, each given with its offset and its pieces. An empty line at the start or the end of the part is
/// left out.
fn join<'a>(
    lines: impl Iterator<Item = (usize, Vec<(usize, &'a str)>)>,
    tabs: &[Range<usize>],
    part: &Range<usize>,
) -> String {
    let mut joined = String::new();
    let mut newlines = 0;
    for (start, pieces) in lines {
        if start >= part.end {
            break;
        }
        let before = joined.len();
        let mut line = String::new();
        for (at, piece) in pieces {
            let from = part.start.clamp(at, at + piece.len());
            let to = part.end.clamp(from, at + piece.len());
            push_with_tabs(&mut line, &piece[from - at..to - at], from, tabs);
        }
        if !line.is_empty() {
            joined.extend(std::iter::repeat_n('\n', if before == 0 { 0 } else { newlines }));
            joined.push_str(&line);
            newlines = 0;
        }
        newlines += 1;
    }
    joined
}

/// Appends a text at the offset `at` with its tabs.
fn push_with_tabs(line: &mut String, text: &str, at: usize, tabs: &[Range<usize>]) {
    let first = tabs.partition_point(|tab| tab.start < at);
    let mut from = 0;
    for tab in tabs[first..].iter().take_while(|tab| tab.end <= at + text.len()) {
        line.push_str(&text[from..tab.start - at]);
        line.push('\t');
        from = tab.end - at;
    }
    line.push_str(&text[from..]);
}
