//! Queries: the words and phrases that a text must have.

use super::words::Words;

/// A query. A text matches if it has all phrases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Query {
    phrases: Vec<Phrase>,
}

/// Tokens that must follow one another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Phrase {
    /// Not empty.
    pub(crate) tokens: Vec<String>,
    /// The last token may go on.
    pub(crate) is_prefix: bool,
}

/// A part of a query between white space or quotation marks.
struct Part<'a> {
    text: &'a str,
    is_quoted: bool,
    /// It ends with a quotation mark.
    is_closed: bool,
}

impl Query {
    /// Reads a query. Every text is one; a text without words matches nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let mut phrases: Vec<Phrase> = Vec::new();
        // True if the last phrase may be the beginning of one.
        let mut is_open = false;
        for Part { text, is_quoted, is_closed } in parts(text) {
            if let Some(phrase) = Phrase::of(text) {
                phrases.push(phrase);
                is_open = !(is_quoted && is_closed);
            }
        }
        if let Some(last) = phrases.last_mut() {
            last.is_prefix |= is_open;
        }
        phrases.sort_unstable();
        phrases.dedup();
        Self { phrases }
    }

    /// The phrases, without repetitions; none if the query matches nothing.
    pub(crate) fn phrases(&self) -> &[Phrase] {
        &self.phrases
    }

    /// True if a text with these tokens has all phrases.
    pub(crate) fn matches(&self, words: &Words) -> bool {
        !self.phrases.is_empty() && self.phrases.iter().all(|phrase| phrase.is_in(words))
    }
}

impl Phrase {
    /// The phrase of a text; `None` if it has no words.
    fn of(text: &str) -> Option<Self> {
        let words = Words::of(text);
        let mut tokens: Vec<_> = words.iter().map(str::to_owned).collect();
        let mut is_prefix = false;
        match words.last_run() {
            0 => {}
            // Each character of a run begins a token.
            1 => is_prefix = true,
            // The run may go on: only its other tokens are known.
            _ => _ = tokens.pop(),
        }
        (!tokens.is_empty()).then_some(Self { tokens, is_prefix })
    }

    fn is_in(&self, words: &Words) -> bool {
        let Some((last, first)) = self.tokens.split_last() else { return false };
        let ends = first.len()..words.len();
        ends.into_iter().any(|end| {
            let ending = words.get(end);
            (if self.is_prefix { ending.starts_with(&**last) } else { ending == last })
                && first
                    .iter()
                    .enumerate()
                    .all(|(index, token)| words.get(end - first.len() + index) == token)
        })
    }
}

/// The parts of a query. A quotation mark without a second one quotes the rest.
fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        let first = rest.chars().next()?;
        let is_quoted = is_quote(first);
        let is_end = |c: char| if is_quoted { is_quote(c) } else { c.is_whitespace() || is_quote(c) };
        let start = if is_quoted { first.len_utf8() } else { 0 };
        let end = rest[start..].find(is_end).map_or(rest.len(), |end| start + end);
        let (text, after) = (&rest[start..end], &rest[end..]);
        let is_closed = is_quoted && !after.is_empty();
        let mut after_end = after.chars();
        if is_closed {
            after_end.next();
        }
        rest = after_end.as_str();
        Some(Part { text, is_quoted, is_closed })
    })
}

/// True for the quotation marks of phrases.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}'..='\u{201F}' | '\u{00AB}' | '\u{00BB}' | '\u{FF02}')
}
