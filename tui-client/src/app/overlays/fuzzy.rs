//! Fuzzy matching: texts that contain the letters of a query in order, the best match first.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A text that matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct FuzzyMatch {
    /// Index among the texts.
    pub(in crate::app) index: usize,
    /// Indexes of the graphemes that match, ascending and each once.
    pub(in crate::app) matched: Vec<u32>,
}

/// Finds the texts that match each word of `query`, ignoring case and accents. Equally good texts keep their order.
/// An empty query matches all.
pub(in crate::app) fn find<'a>(query: &str, texts: impl Iterator<Item = &'a str>) -> Vec<FuzzyMatch> {
    let mut config = Config::DEFAULT;
    config.prefer_prefix = true;
    let mut matcher = Matcher::new(config);
    let pattern = Pattern::new(query, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy);
    let mut letters = Vec::new();
    let mut found: Vec<(u32, FuzzyMatch)> = texts
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
    fn matches_are_counted_in_graphemes() {
        let found = find("b日", ["a👩\u{200d}🚀b-日本"].into_iter());
        assert_eq!(found, [FuzzyMatch { index: 0, matched: vec![2, 4] }]);
    }
}
