//! Search for a text in the shown part of a [`Markup`].
//!
//! The text is compared as shown, without the removed marks: `a bold word` matches `a **bold** word`. A match does not
//! cross a newline and consists of whole graphemes. The work is linear in the text: the text is folded and searched, and
//! its graphemes are examined only if it contains the pattern.

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::parse::Markup;
use super::span::{Part, Span, end, graphemes};
use crate::sanitize::{self, Block};

/// Characters of marks.
const MARKS: [char; 4] = ['*', '_', '`', '>'];
/// Small sigma at the end of a word.
const FINAL_SIGMA: char = 'ς';

/// A search pattern. The case is ignored unless it has a capital letter. It is sanitized as texts are, and every kind of
/// space matches every other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Folded form for comparison; never blank.
    text: String,
    folds: bool,
}

impl Pattern {
    /// `None` if the query is blank.
    #[must_use]
    pub fn new(query: &str) -> Option<Self> {
        let query = sanitize::line(query);
        let folds = !query.as_str().chars().any(char::is_uppercase);
        let text = comparable(query.as_str(), folds).into_owned();
        (!text.trim().is_empty()).then_some(Self { text, folds })
    }

    /// True if the shown part of `text` contains the pattern.
    #[must_use]
    pub fn is_in(&self, text: &Block) -> bool {
        if !has_marks(text.as_str()) {
            return text.as_str().split('\n').any(|line| self.is_in_line(line));
        }
        // The shown text is the text without some marks, so it contains nothing that the text without all marks lacks.
        if !without_marks(&self.comparable(text.as_str())).contains(&without_marks(&self.text)) {
            return false;
        }
        Markup::parse(text).parts.iter().any(|part| match part {
            Part::Line(spans) | Part::Quote(spans) => !self.places_in_spans(spans).is_empty(),
            Part::Title(line) | Part::Code(line) => self.is_in_line(line),
        })
    }

    /// True if a line without markup contains the pattern.
    #[must_use]
    pub fn is_in_line(&self, line: &str) -> bool {
        // In ASCII every offset is a grapheme boundary.
        self.comparable(line).contains(&self.text) && (line.is_ascii() || !self.places(line).is_empty())
    }

    /// Matches in a line without markup: ordered, disjoint ranges of bytes.
    #[must_use]
    pub fn places(&self, line: &str) -> Vec<Range<usize>> {
        self.find(line.grapheme_indices(true), line.len())
    }

    /// Matches in a line of spans, in terms of [`Span::at`]. A match may cover several spans and marks between them.
    #[must_use]
    pub fn places_in_spans(&self, spans: &[Span<'_>]) -> Vec<Range<usize>> {
        self.find(graphemes(spans), end(spans))
    }

    /// Matches in graphemes that are given with their offsets.
    fn find<'a>(&self, graphemes: impl Iterator<Item = (usize, &'a str)>, end: usize) -> Vec<Range<usize>> {
        let mut text = String::new();
        // For each grapheme: its offset in the folded text, and its range.
        let mut edges: Vec<(usize, Range<usize>)> = Vec::new();
        for (at, grapheme) in graphemes {
            edges.push((text.len(), at..at + grapheme.len()));
            text.push_str(&self.comparable(grapheme));
        }
        edges.push((text.len(), end..end));
        let edge = |at: usize| edges.binary_search_by_key(&at, |(edge, _)| *edge).ok();
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(found) = text[from..].find(&self.text) {
            let (start, end) = (from + found, from + found + self.text.len());
            if let (Some(first), Some(next @ 1..)) = (edge(start), edge(end)) {
                places.push(edges[first].1.start..edges[next - 1].1.end);
                from = end;
            } else {
                from = start + text[start..].chars().next().map_or(1, char::len_utf8);
            }
        }
        places
    }

    fn comparable<'a>(&self, text: &'a str) -> Cow<'a, str> {
        comparable(text, self.folds)
    }
}

/// `text` with one kind of space, and in lower case if it `folds`. A letter is folded independently of its neighbours, so
/// that parts of a text fold alike.
fn comparable(text: &str, folds: bool) -> Cow<'_, str> {
    if text.is_ascii() {
        let has_capital = folds && text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if has_capital { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) };
    }
    let spaced = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    if !folds {
        return Cow::Owned(spaced.collect());
    }
    let small = spaced.flat_map(char::to_lowercase);
    Cow::Owned(small.map(|c| if c == FINAL_SIGMA { 'σ' } else { c }).collect())
}

/// True if a text may contain marks. Links do not count, because their text stays.
fn has_marks(text: &str) -> bool {
    text.contains(MARKS)
}

fn without_marks(text: &str) -> String {
    text.replace(MARKS, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::typed;
    use super::*;
    use crate::sanitize::block;

    fn pattern(query: &str) -> Pattern {
        Pattern::new(query).expect("something to look for")
    }

    /// `text` with matches in brackets.
    fn found(text: &str, query: &str) -> String {
        let mut shown = String::new();
        let mut from = 0;
        for place in pattern(query).places(text) {
            shown.extend([&text[from..place.start], "[", &text[place.clone()], "]"]);
            from = place.end;
        }
        shown + &text[from..]
    }

    #[test]
    fn a_capital_makes_the_case_count() {
        assert_eq!(found("Fix the fix, FIX", "fix"), "[Fix] the [fix], [FIX]");
        assert_eq!(found("Fix the fix, FIX", "Fix"), "[Fix] the fix, FIX");
        assert_eq!(found("ÄRGER ärger", "ärger"), "[ÄRGER] [ärger]");
        assert_eq!(found("aaaa aaa", "aa"), "[aa][aa] [aa]a");
        assert_eq!(found("İstanbul", "i\u{307}s"), "[İs]tanbul", "the lower case is longer");
        assert_eq!(found("ΣΟΦΟΣ σοφός", "σοφος"), "[ΣΟΦΟΣ] σοφός");
        assert_eq!(found("σοφος", "σοφοσ"), "[σοφος]");
        assert_eq!(Pattern::new(" "), None);
        assert_eq!(Pattern::new(""), None);
    }

    #[test]
    fn a_match_consists_of_whole_graphemes() {
        assert_eq!(found("e\u{301}te e", "e"), "e\u{301}t[e] [e]");
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(found(&format!("{family} 👩"), "👩"), format!("{family} [👩]"));
        assert_eq!(found("🇩🇪🇪🇸", "🇪🇪"), "🇩🇪🇪🇸");
        assert!(!pattern("👩").is_in_line(family));
    }

    #[test]
    fn a_query_is_sanitized_as_texts_are() {
        for (text, query) in [
            ("I ❤\u{fe0f} it", "❤\u{fe0f} it"),
            ("soft\u{ad}ware", "software"),
            ("software", "soft\u{ad}ware"),
            ("a\u{200b}b", "a\u{200b}B"),
            ("why\u{a0}?", "why ?"),
            ("Why ?", "Why\u{a0}?"),
            ("東京\u{3000}都", "東京\u{3000}都"),
            ("東京\u{3000}都", "東京 都"),
        ] {
            let text = block(&text.to_uppercase());
            let query = query.to_uppercase();
            assert!(pattern(&query).is_in(&text), "{query:?} is not in {text:?}");
            assert!(pattern(&query.to_lowercase()).is_in(&text), "{query:?} is not in {text:?}");
        }
        assert_eq!(Pattern::new("\u{a0}\u{200b}"), None);
    }

    #[test]
    fn the_shown_text_is_compared() {
        for (text, query) in [
            ("a **bold** word", "a bold word"),
            ("_one_ `two`", "one two"),
            ("> quoted", "quoted"),
            ("```sh\nls **/*.rs\n```", "**/"),
            ("```sh\nls\n```", "sh"),
            ("see https://example.org/A_b_c", "example.org/a_b"),
            ("snake_case", "e_c"),
        ] {
            assert!(pattern(query).is_in(&block(text)), "{query:?} is not in {text:?}");
        }
        for (text, query) in [("a **bold** word", "**"), ("> quoted", ">"), ("one\ntwo", "one two")] {
            assert!(!pattern(query).is_in(&block(text)), "{query:?} is in {text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_match_equals_the_query_and_splits_no_grapheme(
            text in typed(), query in "[a-cA-C é日🇩🇪\u{301}]{1,3}"
        ) {
            let text = block(&text);
            let Some(pattern) = Pattern::new(&query) else { return Ok(()) };
            let mut is_found = false;
            for part in Markup::parse(&text).parts {
                let (Part::Line(spans) | Part::Quote(spans)) = part else { continue };
                let edge = |at: usize| spans.iter().any(|span| {
                    let inner = at.checked_sub(span.at);
                    let edges = span.text.grapheme_indices(true).map(|(at, _)| at).chain([span.text.len()]);
                    edges.into_iter().any(|edge| inner == Some(edge))
                });
                let shown = |place: &Range<usize>| -> String {
                    let part = |span: &Span<'_>| {
                        let (from, to) = (place.start.max(span.at), place.end.min(span.at + span.text.len()));
                        if from < to { span.text[from - span.at..to - span.at].to_owned() } else { String::new() }
                    };
                    spans.iter().map(part).collect()
                };
                let places = pattern.places_in_spans(&spans);
                prop_assert!(places.windows(2).all(|two| two[0].end <= two[1].start));
                for place in &places {
                    prop_assert!(edge(place.start) && edge(place.end), "{place:?} in {spans:?}");
                    let shown = shown(place);
                    prop_assert_eq!(pattern.comparable(&shown), pattern.text.as_str());
                }
                is_found |= !places.is_empty();
            }
            prop_assert!(!is_found || pattern.is_in(&text), "a marked text is a match");
        }

        #[test]
        fn a_part_of_a_text_matches(text in "[a-dA-D é日]{1,30}", from in 0..20_usize, count in 1..6_usize) {
            let part: String = text.chars().skip(from).take(count).collect();
            let Some(pattern) = Pattern::new(&part) else { return Ok(()) };
            prop_assert!(pattern.is_in_line(&text));
        }
    }
}
