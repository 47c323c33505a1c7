//! What a text means: emphasis, code, quotes and links, found in what [`sanitize`](crate::sanitize) let through.
//!
//! It is a small markdown, the part of it that people type in a chat:
//!
//! | typed | shown |
//! | --- | --- |
//! | `**bold**`, `*italic*`, `_italic_` | without the marks |
//! | `` `code` ``, also with more backticks | its text, exactly |
//! | a line of three backticks, lines, another one | a block of code, exactly; what follows the first three is its title |
//! | `> text` | a quote, a line long |
//! | `https://…`, `http://…`, `mailto:…` | a link |
//!
//! What comes out holds:
//! - it borrows from the text: a mark is left out where it has its counterpart in the same line, and nothing else is.
//!   What is not closed stays as it was typed, and so do `snake_case`, `2*3*4`, `src/*` and a mark after a backslash;
//! - a span begins and ends between two graphemes of the text;
//! - a link shows where it goes. `[text](address)` is no mark: it would not.
//!
//! The work is linear in the text. Nothing is kept: who draws a message parses it. A new mark: a variant of `Mark` in
//! `inline` and an arm where the line is read, or a variant of [`Part`] for what takes whole lines.

mod address;
mod find;
mod inline;
mod mention;

use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::sanitize::Block;

pub use address::Target;
pub use find::Pattern;
pub use mention::mentions;

/// The parts of a text, from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markup<'a> {
    /// Each is a line of the text, or less: marks that take a line are left out.
    pub parts: Vec<Part<'a>>,
}

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

impl<'a> Markup<'a> {
    /// Reads a text.
    #[must_use]
    pub fn parse(text: &'a Block) -> Self {
        let lines: Vec<&str> = text.as_str().split('\n').collect();
        // The last line that can end a block: none is begun after it.
        let last_fence = lines.iter().rposition(|line| is_fence_end(line)).unwrap_or(0);
        let mut parts = Vec::with_capacity(lines.len());
        let mut at = 0;
        while let Some(&line) = lines.get(at) {
            at += 1;
            if let Some(title) = fence(line).filter(|_| at <= last_fence) {
                parts.extend((!title.is_empty()).then_some(Part::Title(title)));
                let end = at + lines[at..].iter().position(|line| is_fence_end(line)).unwrap_or(0);
                parts.extend(lines[at..end].iter().map(|code| Part::Code(code)));
                at = end + 1;
            } else if let Some(quoted) = quoted(line) {
                parts.push(Part::Quote(inline::spans(quoted)));
            } else {
                parts.push(Part::Line(inline::spans(line)));
            }
        }
        Self { parts }
    }

    /// What somebody does instead of saying it, where the text is one line and all of it is italic: the protocol has
    /// no such kind of message, and `/me waves` is sent as `*waves*`.
    #[must_use]
    pub fn action(&self) -> Option<&[Span<'a>]> {
        match self.parts.as_slice() {
            [Part::Line(spans)] if !spans.is_empty() && spans.iter().all(|span| span.italic) => Some(spans),
            _ => None,
        }
    }

    /// The addresses in the text, in their order.
    pub fn links(&self) -> impl Iterator<Item = Target> {
        let spans = self.parts.iter().flat_map(|part| match part {
            Part::Line(spans) | Part::Quote(spans) => spans.as_slice(),
            Part::Title(_) | Part::Code(_) => &[],
        });
        spans.filter(|span| span.kind == Kind::Link).filter_map(|span| Target::new(span.text))
    }

    /// Marks the places where the user is named, outside of links and blocks of code.
    pub fn mark_mentions(&mut self, name: &str) {
        for part in &mut self.parts {
            if let Part::Line(spans) | Part::Quote(spans) = part {
                *spans = spans.drain(..).flat_map(|span| mention::split(span, name)).collect();
            }
        }
    }
}

/// The text that is shown as `action` in italics: what `/me` sends.
#[must_use]
pub fn write_action(action: &str) -> String {
    let action = action.replace('\n', " ");
    let written = |mark: &str| format!("{mark}{action}{mark}");
    let is_read = |text: &String| Markup::parse(&crate::sanitize::block(text)).action().is_some();
    ["*", "_"].map(written).into_iter().find(is_read).unwrap_or_else(|| written("*"))
}

/// What follows the backticks that begin a block of code.
fn fence(line: &str) -> Option<&str> {
    let title = line.strip_prefix("```")?;
    (!title.contains('`') && is_boundary(line, 3)).then(|| title.trim())
}

fn is_fence_end(line: &str) -> bool {
    line.strip_prefix("```").is_some_and(|rest| rest.trim().is_empty())
}

fn quoted(line: &str) -> Option<&str> {
    match line.strip_prefix('>')? {
        "" => Some(""),
        rest => rest.strip_prefix(' ').filter(|_| is_boundary(line, 2)),
    }
}

/// Whether a grapheme ends at `at`, or the text does.
fn is_boundary(text: &str, at: usize) -> bool {
    GraphemeCursor::new(at, text.len(), true).is_boundary(text, 0) == Ok(true)
}

#[cfg(test)]
pub(crate) mod tests;
