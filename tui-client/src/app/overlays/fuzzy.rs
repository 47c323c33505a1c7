//! Matching of texts with a query: [`find`] by letters in order, the best match first; [`find_words`] by whole words, in
//! the order of the texts.

use std::ops::Range;

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// A text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuzzyMatch {
    /// Index among the texts.
    pub index: usize,
    /// Indexes of the graphemes that match, ascending and each once.
    pub matched: Vec<u32>,
}

/// Finds the texts that match each word of `query`, ignoring case and accents. Equally good texts keep their order.
/// An empty query matches all.
pub(in crate::app) fn find<'a>(query: &str, texts: impl Iterator<Item = &'a str>) -> Vec<FuzzyMatch> {
    let mut config = Config::DEFAULT;
    config.prefer_prefix = true;
    let mut matcher = Matcher::new(config);
    let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
    let mut letters = Vec::new();
    let mut found: Vec<_> = texts
        .enumerate()
        .filter_map(|(index, text)| {
            let mut graphemes = Vec::new();
            let score = pattern.indices(Utf32Str::new(text, &mut letters), &mut matcher, &mut graphemes)?;
            graphemes.sort_unstable();
            graphemes.dedup();
            Some((score, FuzzyMatch { index, matched: graphemes }))
        })
        .collect();
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, found)| found).collect()
}

/// Finds the texts that contain each word of `query`, ignoring case and accents, in their order. If there is none, a word
/// may also be misspelled at the beginning of a word of the text. An empty query matches all.
#[must_use]
pub fn find_words<'a>(query: &str, texts: impl Iterator<Item = &'a str>) -> Vec<FuzzyMatch> {
    let words: Vec<Vec<String>> = query.split_whitespace().map(folded).collect();
    let texts: Vec<Vec<String>> = texts.map(folded).collect();
    let whole = find_each(&words, &texts, place);
    if whole.is_empty() {
        find_each(&words, &texts, |word, text| place(word, text).or_else(|| like(word, text)))
    } else {
        whole
    }
}

/// Finds the texts in which each word has a place.
fn find_each(
    words: &[Vec<String>],
    texts: &[Vec<String>],
    place: impl Fn(&[String], &[String]) -> Option<Range<usize>>,
) -> Vec<FuzzyMatch> {
    let matched = |text: &Vec<String>| {
        let mut all = Vec::new();
        for word in words {
            all.extend(place(word, text)?.filter_map(|at| u32::try_from(at).ok()));
        }
        all.sort_unstable();
        all.dedup();
        Some(all)
    };
    let texts = texts.iter().enumerate();
    texts.filter_map(|(index, text)| Some(FuzzyMatch { index, matched: matched(text)? })).collect()
}

/// The graphemes of a text without case and accents.
fn folded(text: &str) -> Vec<String> {
    let fold = |grapheme: &str| -> String {
        let letters =
            grapheme.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect();
        // A mark on its own.
        if String::is_empty(&letters) { grapheme.to_owned() } else { letters }
    };
    text.graphemes(true).map(fold).collect()
}

/// The place of a word in a text: a beginning of a word if possible.
fn place(word: &[String], text: &[String]) -> Option<Range<usize>> {
    let found = || (0..text.len()).filter(|at| text[*at..].starts_with(word));
    let start = found().find(|at| begins_word(text, *at)).or_else(|| found().next())?;
    Some(start..start + word.len())
}

/// The beginning of a word of a text that is most like `word`. One letter may be wrong, missing, surplus or in the place of
/// the next one, of eight letters and more two. A word of less than four letters has no like.
fn like(word: &[String], text: &[String]) -> Option<Range<usize>> {
    let most = match word.len() {
        0..=3 => return None,
        4..=7 => 1,
        _ => 2,
    };
    let beginnings = (0..text.len()).filter(|at| begins_word(text, *at)).flat_map(|start| {
        let end = (start..text.len()).find(|at| !is_letter(text, *at)).unwrap_or(text.len());
        (word.len() - 1..=word.len() + 1)
            .map(move |length| start..start + length)
            .filter(move |it| it.end <= end)
    });
    let written = word.concat();
    let distance =
        |beginning: &Range<usize>| strsim::osa_distance(&text[beginning.clone()].concat(), &written);
    let (distance, best) = beginnings.map(|it| (distance(&it), it)).min_by_key(|(distance, _)| *distance)?;
    (distance <= most).then_some(best)
}

fn begins_word(text: &[String], at: usize) -> bool {
    is_letter(text, at) && (at == 0 || !is_letter(text, at - 1))
}

fn is_letter(text: &[String], at: usize) -> bool {
    text.get(at).is_some_and(|grapheme| grapheme.starts_with(char::is_alphanumeric))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'a>(query: &str, texts: &[&'a str]) -> Vec<&'a str> {
        find(query, texts.iter().copied()).into_iter().map(|found| texts[found.index]).collect()
    }

    #[test]
    fn letters_in_order_match_and_the_best_match_is_first() {
        let rooms = ["random", "chat-general", "general", "dev"];
        assert_eq!(found("", &rooms), rooms);
        assert_eq!(found("gen", &rooms), ["general", "chat-general"]);
        assert_eq!(found("chgn", &rooms), ["chat-general"]);
        assert_eq!(found("GENERAL chat", &rooms), ["chat-general"]);
        assert_eq!(found("vd", &rooms), [""; 0]);
    }

    #[test]
    fn signs_match_themselves_and_accents_are_ignored() {
        assert_eq!(found("!^", &["a!^b", "ab"]), ["a!^b"]);
        assert_eq!(found("buro", &["büro 7"]), ["büro 7"]);
    }

    #[test]
    fn whole_words_are_found_in_the_order_of_the_texts() {
        let texts = ["room above or below", "go to a room", "read the book more", "ROOMS"];
        let found = |query| -> Vec<usize> {
            find_words(query, texts.iter().copied()).iter().map(|found| found.index).collect()
        };
        assert_eq!(found("room"), [0, 1, 3]);
        assert_eq!(found("to room"), [1]);
        assert_eq!(found(""), [0, 1, 2, 3]);
        assert_eq!(found("zebra"), [0; 0]);
        assert_eq!(find_words("buro É", ["B\u{fc}ro e\u{301}t"].into_iter())[0].matched, [0, 1, 2, 3, 5]);
        assert_eq!(found("rdbk"), [0; 0], "letters in order are no word");
        assert_eq!((found("raed"), found("raed mroe"), found("abvoe")), (vec![2], vec![2], vec![0]));
        assert_eq!((found("bok"), found("boko")), (vec![], vec![2]), "short words are not corrected");
        let marked = find_words("oo", ["a room"].into_iter());
        assert_eq!(marked, [FuzzyMatch { index: 0, matched: vec![3, 4] }]);
        let marked = find_words("rooom", ["a room"].into_iter());
        assert_eq!(marked, [FuzzyMatch { index: 0, matched: vec![2, 3, 4, 5] }]);
    }

    #[test]
    fn matches_are_counted_in_graphemes() {
        let found = find("b日", ["a👩\u{200d}🚀b-日本"].into_iter());
        assert_eq!(found, [FuzzyMatch { index: 0, matched: vec![2, 4] }]);
    }
}
