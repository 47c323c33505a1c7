//! Parser: a text → its parts.

use super::address::Target;
use super::inline;
use super::span::{Part, Span, SpanKind, is_boundary};
use crate::sanitize::Block;

/// Parts of a text, from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Markup<'a> {
    /// Each is a line of the text without marks of its own; lines that are marks only are removed.
    pub parts: Vec<Part<'a>>,
    /// Offset of each part in the text, in bytes.
    pub starts: Vec<usize>,
}

impl<'a> Markup<'a> {
    #[must_use]
    pub fn parse(text: &'a Block) -> Self {
        let lines: Vec<&str> = text.as_str().split('\n').collect();
        // The last line that can end a block: no block begins after it.
        let last_fence = lines.iter().rposition(|line| is_fence_end(line)).unwrap_or(0);
        let mut markup =
            Self { parts: Vec::with_capacity(lines.len()), starts: Vec::with_capacity(lines.len()) };
        let mut at = 0;
        let mut start = 0;
        while let Some(&line) = lines.get(at) {
            at += 1;
            let next = start + line.len() + 1;
            if let Some(title) = fence(line).filter(|_| at <= last_fence) {
                if !title.is_empty() {
                    markup.push(start, Part::Title(title));
                }
                let end = at + lines[at..].iter().position(|line| is_fence_end(line)).unwrap_or(0);
                start = next;
                for code in &lines[at..end] {
                    markup.push(start, Part::Code(code));
                    start += code.len() + 1;
                }
                start += lines.get(end).map_or(0, |fence| fence.len() + 1);
                at = end + 1;
                continue;
            }
            match quoted(line) {
                Some(quoted) => {
                    markup.push(start + line.len() - quoted.len(), Part::Quote(inline::spans(quoted)));
                }
                None => markup.push(start, Part::Line(inline::spans(line))),
            }
            start = next;
        }
        markup
    }

    fn push(&mut self, start: usize, part: Part<'a>) {
        self.parts.push(part);
        self.starts.push(start);
    }

    /// Text of each part that is the user's own, with its offset in the text: no marks, and no title of a block of
    /// code. The pieces of a part follow each other.
    pub fn lines(&self) -> impl Iterator<Item = (usize, Vec<(usize, &'a str)>)> + '_ {
        self.parts.iter().zip(&self.starts).filter_map(|(part, &start)| match part {
            Part::Line(spans) | Part::Quote(spans) => {
                Some((start, spans.iter().map(|span| (start + span.at, span.text)).collect()))
            }
            Part::Code(code) => Some((start, vec![(start, *code)])),
            Part::Title(_) => None,
        })
    }

    /// Action of a text: a single line that is entirely italic. The protocol has no separate kind for actions, and
    /// `/me waves` is sent as `*waves*`.
    #[must_use]
    pub fn action(&self) -> Option<&[Span<'a>]> {
        match self.parts.as_slice() {
            [Part::Line(spans)] if !spans.is_empty() && spans.iter().all(|span| span.italic) => Some(spans),
            _ => None,
        }
    }

    /// Addresses in the text, in order.
    pub fn links(&self) -> impl Iterator<Item = Target> {
        let spans = self.parts.iter().flat_map(|part| match part {
            Part::Line(spans) | Part::Quote(spans) => spans.as_slice(),
            Part::Title(_) | Part::Code(_) => &[],
        });
        spans.filter(|span| span.kind == SpanKind::Link).filter_map(|span| Target::new(span.text))
    }
}

/// Text that is shown as the italic `action`: the form that `/me` sends.
#[must_use]
pub fn write_action(action: &str) -> String {
    let action = action.replace('\n', " ");
    let written = |mark: &str| format!("{mark}{action}{mark}");
    let is_read = |text: &String| Markup::parse(&crate::sanitize::block(text)).action().is_some();
    ["*", "_"].map(written).into_iter().find(is_read).unwrap_or_else(|| written("*"))
}

/// Text behind the backticks that begin a block of code.
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
