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
}

impl<'a> Markup<'a> {
    #[must_use]
    pub fn parse(text: &'a Block) -> Self {
        let lines: Vec<&str> = text.as_str().split('\n').collect();
        // The last line that can end a block: no block begins after it.
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
