//! Tests of tokens and queries.

use proptest::prelude::*;
use realtime_shared::name::TEXT_CHARS;

use super::{Query, Words};

fn tokens(text: &str) -> Vec<String> {
    Words::of(text).iter().map(str::to_owned).collect()
}

fn finds(query: &str, text: &str) -> bool {
    Query::parse(query).matches(&Words::of(text))
}

#[test]
fn words_have_no_case_and_no_diacritics() {
    assert_eq!(tokens("Hello, WORLD_2!"), ["hello", "world", "2"]);
    assert_eq!(tokens("Ünïcödé Straße ΣΊΣΥΦΟΣ İstanbul"), ["unicode", "strasse", "σισυφοσ", "istanbul"]);
    assert_eq!(tokens("ﬁne ＡＢＣ x² co\u{AD}op"), ["fine", "abc", "x2", "coop"]);
    assert_eq!(tokens("שָׁלוֹם مُحَمَّد"), ["שלום", "محمد"]);
    assert_eq!(tokens("हिन्दी"), ["हिन्दी"], "vowel signs are letters");
    assert_eq!(tokens("한국어"), ["한국어"]);
    assert_eq!(tokens("… 🎉 --"), [""; 0]);
}

#[test]
fn a_run_without_spaces_has_a_token_for_each_character() {
    assert_eq!(tokens("東京都"), ["東京", "京都", "都"]);
    assert_eq!(tokens("第3回 x"), ["第", "3", "回", "x"]);
    assert_eq!(tokens("がか"), ["がか", "か"], "a voiced letter is another letter");
    assert_eq!(tokens("ｶﾞ"), ["ガ"]);
    assert_eq!(tokens("สวัสดี").len(), 6);
}

#[test]
fn all_words_must_match_in_any_order() {
    assert!(finds("release friday", "the FRIDAY of the Release"));
    assert!(!finds("release friday", "the release"));
    assert!(finds("straße", "STRASSE") && finds("cafe", "Café") && finds("CAFÉ", "cafe"));
    assert!(!finds("", "text") && !finds("!? \"\"", "!? text"));
}

#[test]
fn the_last_word_matches_as_a_prefix_and_others_do_not() {
    assert!(finds("rel", "release") && finds("the rel", "the release") && finds("r", "release"));
    assert!(!finds("rel the", "the release"));
    assert!(!finds("release", "rel"));
    assert!(!finds("\"rel\"", "release"), "a closed phrase ends with a whole word");
    assert!(finds("\"next fri", "next friday"), "an open one does not");
    assert!(finds("\"next fri\" we", "next fri we’ll see"));
}

#[test]
fn the_words_of_a_phrase_follow_one_another() {
    for query in ["\"next friday\"", "“next friday”", "next-friday", "next.friday"] {
        assert!(finds(query, "it is next Friday!"), "{query}");
        assert!(!finds(query, "friday next"), "{query}");
        assert!(!finds(query, "next good friday"), "{query}");
    }
    assert!(finds("\"a b\" c", "c a b") && !finds("\"a b\" c", "a b"));
    assert!(finds("x\"a b\"", "a b x"));
}

#[test]
fn text_without_spaces_matches_by_substrings() {
    let text = "本日第3回東京大会です";
    for query in ["東京", "京大", "東京大会", "第3回", "3回東", "回東京大", "会", "本", "です 東京"]
    {
        assert!(finds(query, text), "{query}");
    }
    for query in ["東大", "京東", "大東", "第回", "4回", "会で大"] {
        assert!(!finds(query, text), "{query}");
    }
    assert!(finds("สวัสดี", "สวัสดีครับ") && finds("ครับ", "สวัสดีครับ") && !finds("ดีสวัส", "สวัสดีครับ"));
}

#[test]
fn long_words_and_texts_are_cut() {
    let long = "x".repeat(TEXT_CHARS);
    assert!(finds(&long[..100], &long));
    assert_eq!(tokens(&long).len(), 1);
    let grows = "\u{FDFA}".repeat(TEXT_CHARS);
    assert!((1_000..4_096).contains(&tokens(&grows).len()), "{}", tokens(&grows).len());
}

fn letters() -> impl Strategy<Value = String> {
    prop_oneof![
        "[aAáÁbB]{1,3}",
        "[東京都大会]{1,4}",
        any::<String>(),
        Just("\"".to_owned()),
        Just(" ".to_owned()),
        "[ﬁßİſ\u{301}\u{3099}かｶﾞ한ก็]{1,4}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop::collection::vec(letters(), 0..12).prop_map(|parts| parts.concat())
}

/// Characters as a naive search compares them.
fn plain(text: &str) -> String {
    format!(" {}", tokens(text).join(" "))
}

proptest! {
    #[test]
    fn every_text_has_tokens_of_one_normal_form(text in text()) {
        for token in Words::of(&text).iter() {
            prop_assert!(!token.is_empty() && !token.contains(char::is_whitespace));
            prop_assert!(token.chars().all(|c| !c.is_ascii() || c.is_ascii_digit() || c.is_ascii_lowercase()), "{token:?}");
        }
        let again: Vec<_> = Words::of(&text).iter().map(str::to_owned).collect();
        prop_assert_eq!(tokens(&text), again);
    }

    #[test]
    fn a_reused_list_has_the_tokens_of_the_new_text_only(one in text(), other in text()) {
        let mut words = Words::of(&one);
        words.replace(&other);
        prop_assert_eq!(words, Words::of(&other));
    }

    #[test]
    fn every_query_is_read_and_a_text_is_found_by_its_own_words(query in text(), other in text()) {
        let _ = finds(&query, &other);
        let without_quotes = query.replace(|c: char| "\"“”„‟«»＂".contains(c), " ");
        prop_assert_eq!(finds(&without_quotes, &query), !tokens(&without_quotes).is_empty());
    }

    #[test]
    fn a_run_without_spaces_is_found_by_exactly_its_substrings(run in "[東京都大会]{2,8}", part in "[東京都大会]{1,4}") {
        prop_assert_eq!(finds(&part, &run), run.contains(&part));
        prop_assert_eq!(finds(&format!("\"{part}\""), &format!("x {run}y")), run.contains(&part));
    }

    #[test]
    fn words_are_found_like_the_words_of_a_naive_search(
        words in prop::collection::vec("[ab]{1,3}", 1..6),
        query in prop::collection::vec("[abAB]{1,3}", 1..4),
    ) {
        let (last, first) = query.split_last().expect("a word");
        let has = |word: &String| words.contains(&word.to_lowercase());
        let naive = first.iter().all(has) && words.iter().any(|word| word.starts_with(&last.to_lowercase()));
        prop_assert_eq!(finds(&query.join(" "), &words.join(" ")), naive);
        let phrase = format!(" {} ", query.join(" ").to_lowercase());
        let naive = format!("{} ", plain(&words.join(" "))).contains(&phrase);
        prop_assert_eq!(finds(&format!("\"{}\"", query.join(" ")), &words.join(" ")), naive);
    }
}
