//! What a query finds: texts that have its letters in their order, the best first.

use nucleo_matcher::pattern::{AtomKind, CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A text that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct FuzzyMatch {
    /// Which of the texts.
    pub(in crate::app) index: usize,
    /// Its graphemes that the query has, by number, each once and in their order.
    pub(in crate::app) matched: Vec<u32>,
}

/// Finds `query` in `texts`: each of its words, in whatever case and with or without accents. Equally good ones stay in
/// their order, and an empty query finds all.
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
    fn letters_in_their_order_are_enough_and_the_best_is_first() {
        let rooms = ["random", "chat-general", "general", "dev"];
        assert_eq!(found("", &rooms), rooms);
        assert_eq!(found("gen", &rooms), ["general", "chat-general"]);
        assert_eq!(found("chgn", &rooms), ["chat-general"]);
        assert_eq!(found("GENERAL chat", &rooms), ["chat-general"]);
        assert_eq!(found("vd", &rooms), [""; 0]);
    }

    #[test]
    fn signs_are_letters_too() {
        assert_eq!(found("!^", &["a!^b", "ab"]), ["a!^b"]);
        assert_eq!(found("buro", &["büro 7"]), ["büro 7"]);
    }

    #[test]
    fn what_matched_is_told_in_graphemes() {
        let found = find("b日", ["a👩\u{200d}🚀b-日本"].into_iter());
        assert_eq!(found, [FuzzyMatch { index: 0, matched: vec![2, 4] }]);
    }
}
