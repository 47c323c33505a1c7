//! Where a text that is looked for is, in what a [`Markup`] shows.
//!
//! What one reads is compared, without the marks that are left out: `a bold word` is in `a **bold** word`, and a newline
//! is not passed over. What is found is whole graphemes. The work is linear in the text: it is folded and searched, and
//! its graphemes are looked at only where it has something.

use std::borrow::Cow;
use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::parse::Markup;
use super::span::{Part, Span, end, graphemes};
use crate::sanitize::{self, Block};

/// What marks are made of.
const MARKS: [char; 4] = ['*', '_', '`', '>'];
/// How a small sigma is written at the end of a word.
const FINAL_SIGMA: char = 'ς';

/// A text that is looked for: in whatever case, unless it has a capital letter. It is cleaned as texts are, and any space
/// is as good as another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// As it is compared; never blank.
    text: String,
    folds: bool,
}

impl Pattern {
    /// `None` where there is nothing to look for.
    #[must_use]
    pub fn new(query: &str) -> Option<Self> {
        let query = sanitize::line(query);
        let folds = !query.as_str().chars().any(char::is_uppercase);
        let text = comparable(query.as_str(), folds).into_owned();
        (!text.trim().is_empty()).then_some(Self { text, folds })
    }

    /// Whether what `text` shows has it.
    #[must_use]
    pub fn is_in(&self, text: &Block) -> bool {
        if !has_marks(text.as_str()) {
            return text.as_str().split('\n').any(|line| self.is_in_line(line));
        }
        // What is shown is the text without some of these, so that it cannot have what the text without them has not.
        if !without_marks(&self.comparable(text.as_str())).contains(&without_marks(&self.text)) {
            return false;
        }
        Markup::parse(text).parts.iter().any(|part| match part {
            Part::Line(spans) | Part::Quote(spans) => !self.places_in_spans(spans).is_empty(),
            Part::Title(line) | Part::Code(line) => self.is_in_line(line),
        })
    }

    /// Whether a line without marks has it.
    #[must_use]
    pub fn is_in_line(&self, line: &str) -> bool {
        // ASCII has a grapheme's edge everywhere.
        self.comparable(line).contains(&self.text) && (line.is_ascii() || !self.places(line).is_empty())
    }

    /// Where it is in a line without marks: ranges of bytes in their order, which do not overlap.
    #[must_use]
    pub fn places(&self, line: &str) -> Vec<Range<usize>> {
        self.find(line.grapheme_indices(true), line.len())
    }

    /// Where it is in a line of spans, by their [`Span::at`]. A place may be of several spans, and have marks in it.
    #[must_use]
    pub fn places_in_spans(&self, spans: &[Span<'_>]) -> Vec<Range<usize>> {
        self.find(graphemes(spans), end(spans))
    }

    /// Finds it in graphemes that are given with their places.
    fn find<'a>(&self, graphemes: impl Iterator<Item = (usize, &'a str)>, end: usize) -> Vec<Range<usize>> {
        let mut text = String::new();
        // Of each grapheme: where it begins in what is compared, where it begins, and where it ends.
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

/// `text` with one kind of space, and in lower case where it `folds`, whatever stands around a letter: what is compared
/// does not depend on where it is cut.
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

/// Whether something of a text may be a mark. Links are not: they show what they are.
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

    /// `text` with what was found in brackets.
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
        assert_eq!(found("İstanbul", "i\u{307}s"), "[İs]tanbul", "in lower case it is longer");
        assert_eq!(found("ΣΟΦΟΣ σοφός", "σοφος"), "[ΣΟΦΟΣ] σοφός");
        assert_eq!(found("σοφος", "σοφοσ"), "[σοφος]");
        assert_eq!(Pattern::new(" "), None);
        assert_eq!(Pattern::new(""), None);
    }

    #[test]
    fn what_is_found_is_whole_graphemes() {
        assert_eq!(found("e\u{301}te e", "e"), "e\u{301}t[e] [e]");
        let family = "👩\u{200d}👩\u{200d}👧";
        assert_eq!(found(&format!("{family} 👩"), "👩"), format!("{family} [👩]"));
        assert_eq!(found("🇩🇪🇪🇸", "🇪🇪"), "🇩🇪🇪🇸");
        assert!(!pattern("👩").is_in_line(family));
    }

    #[test]
    fn what_is_looked_for_is_cleaned_as_texts_are() {
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
    fn what_is_read_is_compared() {
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
        fn whatever_is_found_is_between_graphemes_and_is_what_was_looked_for(
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
            prop_assert!(!is_found || pattern.is_in(&text), "what is marked is a hit");
        }

        #[test]
        fn a_part_of_a_text_is_in_it(text in "[a-dA-D é日]{1,30}", from in 0..20_usize, count in 1..6_usize) {
            let part: String = text.chars().skip(from).take(count).collect();
            let Some(pattern) = Pattern::new(&part) else { return Ok(()) };
            prop_assert!(pattern.is_in_line(&text));
        }
    }
}
