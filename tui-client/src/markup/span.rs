//! Parts of a text and spans of a line.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    Line(Vec<Span<'a>>),
    /// A quoted line, without the mark before it.
    Quote(Vec<Span<'a>>),
    /// Title of a block of code, usually its language.
    Title(&'a str),
    /// A line of code, unchanged.
    Code(&'a str),
}

/// Text of a single style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<'a> {
    /// Offset in its line, in bytes.
    pub at: usize,
    pub text: &'a str,
    pub kind: SpanKind,
    pub bold: bool,
    pub italic: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    Text,
    /// Inline code, unchanged.
    Code,
    /// An address that [`Target::new`](super::Target::new) accepts.
    Link,
    /// A mention of the user.
    Mention,
}

/// Graphemes of a line with their offsets.
pub fn graphemes<'a>(spans: &[Span<'a>]) -> impl Iterator<Item = (usize, &'a str)> {
    spans.iter().flat_map(|span| span.text.grapheme_indices(true).map(|(at, text)| (span.at + at, text)))
}

/// End of a line, in bytes from its start.
#[must_use]
pub fn end(spans: &[Span<'_>]) -> usize {
    spans.last().map_or(0, |span| span.at + span.text.len())
}

/// True if `at` is a boundary of graphemes, or the end of the text.
pub(super) fn is_boundary(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0) == Ok(true)
}
