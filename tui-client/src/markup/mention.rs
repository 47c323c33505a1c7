//! Mentions of a user in a text.

use std::ops::Range;

use super::span::{Span, SpanKind, is_boundary};

/// Mentions of `name` as a word in `text`, in any case: ordered ranges of bytes.
#[must_use]
pub fn mentions(text: &str, name: &str) -> Vec<Range<usize>> {
    let name = name.to_lowercase();
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut before: Option<char> = None;
    for (at, c) in text.char_indices() {
        let is_free = found.last().is_none_or(|last| last.end <= at);
        if is_free && !before.is_some_and(char::is_alphanumeric) {
            found.extend(word(text, at, &name).map(|end| at..end));
        }
        before = Some(c);
    }
    found
}

/// End of the word `name`, given in lower case, that begins at `at`.
fn word(text: &str, at: usize, name: &str) -> Option<usize> {
    let mut wanted = name.chars();
    let mut end = at;
    for c in text[at..].chars() {
        if wanted.as_str().is_empty() {
            break;
        }
        if !c.to_lowercase().all(|c| wanted.next() == Some(c)) {
            return None;
        }
        end += c.len_utf8();
    }
    let is_whole = wanted.as_str().is_empty() && !text[end..].starts_with(char::is_alphanumeric);
    (end > at && is_whole && is_boundary(text, at) && is_boundary(text, end)).then_some(end)
}

/// Splits a span at mentions of `name`. Links stay whole.
pub(super) fn split<'a>(span: Span<'a>, name: &str) -> Vec<Span<'a>> {
    let found = if span.kind == SpanKind::Link { Vec::new() } else { mentions(span.text, name) };
    let part = |range: Range<usize>, kind| {
        (!range.is_empty()).then(|| Span { at: span.at + range.start, text: &span.text[range], kind, ..span })
    };
    let mut spans = Vec::with_capacity(2 * found.len() + 1);
    let mut from = 0;
    for range in found {
        spans.extend(part(from..range.start, span.kind));
        from = range.end;
        spans.extend(part(range, SpanKind::Mention));
    }
    spans.extend(part(from..span.text.len(), span.kind));
    spans
}
