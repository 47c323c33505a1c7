//! Matching of texts with a query: [`find`] by letters in order, the best match first; [`find_words`] by whole words, in
//! the order of the texts.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

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
    let mut found = scored(query, texts, AtomKind::Fuzzy);
    found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    found.into_iter().map(|(_, found)| found).collect()
}

/// Finds the texts that contain each word of `query`, ignoring case and accents, in their order. If there is none, finds
/// those with the letters of each word in order. An empty query matches all.
#[must_use]
pub fn find_words<'a>(query: &str, texts: impl Iterator<Item = &'a str> + Clone) -> Vec<FuzzyMatch> {
    let whole = scored(query, texts.clone(), AtomKind::Substring);
    let found = if whole.is_empty() { scored(query, texts, AtomKind::Fuzzy) } else { whole };
    found.into_iter().map(|(_, found)| found).collect()
}

/// Returns the matches in the order of the texts, each with its score.
fn scored<'a>(query: &str, texts: impl Iterator<Item = &'a str>, kind: AtomKind) -> Vec<(u32, FuzzyMatch)> {
    let mut config = Config::DEFAULT;
    config.prefer_prefix = true;
    let mut matcher = Matcher::new(config);
    let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, kind);
    let mut letters = Vec::new();
    texts
        .enumerate()
        .filter_map(|(index, text)| {
            let mut graphemes = Vec::new();
            let score = pattern.indices(Utf32Str::new(text, &mut letters), &mut matcher, &mut graphemes)?;
            graphemes.sort_unstable();
            graphemes.dedup();
            Some((score, FuzzyMatch { index, matched: graphemes }))
        })
        .collect()
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
        assert_eq!(found("rdbk"), [2], "letters in order, because no text contains the word");
        let marked = find_words("oo", ["a room"].into_iter());
        assert_eq!(marked, [FuzzyMatch { index: 0, matched: vec![3, 4] }]);
    }

    #[test]
    fn matches_are_counted_in_graphemes() {
        let found = find("b日", ["a👩\u{200d}🚀b-日本"].into_iter());
        assert_eq!(found, [FuzzyMatch { index: 0, matched: vec![2, 4] }]);
    }
}
