//! Parts of a text and spans of a line.

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

/// A line of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Plain speech.
    Line(Vec<Span<'a>>),
    /// What somebody else said, without the mark before it.
    Quote(Vec<Span<'a>>),
    /// What a block of code is said to be: most often the language.
    Title(&'a str),
    /// A line of code, as it is.
    Code(&'a str),
}

/// Some text of one look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<'a> {
    /// Where it is in its line, in bytes from the start.
    pub at: usize,
    /// The text.
    pub text: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Whether it is bold.
    pub bold: bool,
    /// Whether it is italic.
    pub italic: bool,
}

/// What a span is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// Code, to be read letter by letter.
    Code,
    /// An address: [`Target::new`] takes it.
    Link,
    /// The user's name.
    Mention,
}

/// The graphemes of a line, with their places in it.
pub fn graphemes<'a>(spans: &[Span<'a>]) -> impl Iterator<Item = (usize, &'a str)> {
    spans.iter().flat_map(|span| span.text.grapheme_indices(true).map(|(at, text)| (span.at + at, text)))
}

/// Where a line ends, in bytes from its start.
#[must_use]
pub fn end(spans: &[Span<'_>]) -> usize {
    spans.last().map_or(0, |span| span.at + span.text.len())
}

/// Whether a grapheme ends at `at`, or the text does.
pub(super) fn is_boundary(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0) == Ok(true)
}
