//! Mentions: borders of names, addresses, marks, and names that nobody has.

use proptest::prelude::*;

use super::super::tests::typed;
use super::*;
use crate::sanitize::block;

fn pattern(name: &str) -> MentionPattern {
    MentionPattern::new(name).expect("a name")
}

/// The text with its mentions of `name` in brackets.
fn marked(text: &str, name: &str, members: &[&str]) -> String {
    let text = block(text);
    let mut markup = Markup::parse(&text);
    markup.mark_mentions(&pattern(name), members.iter().copied());
    let shown = markup.parts.iter().map(|part| match part {
        Part::Line(spans) | Part::Quote(spans) => spans
            .iter()
            .map(|span| match span.kind {
                SpanKind::Mention => format!("[{}]", span.text),
                _ => span.text.to_owned(),
            })
            .collect::<String>(),
        Part::Title(text) | Part::Code(text) => (*text).to_owned(),
    });
    let shown = shown.collect::<Vec<_>>().join("\n");
    let is_in = pattern(name).is_in(&text, members.iter().copied());
    assert_eq!(is_in, shown.contains('['), "{text}");
    shown
}

#[track_caller]
fn assert_marked(name: &str, cases: &[&str]) {
    for expected in cases {
        let text = expected.replace(['[', ']'], "");
        assert_eq!(marked(&text, name, &[]), *expected, "for {name}");
    }
}

#[test]
fn a_mention_is_a_whole_name() {
    assert_marked(
        "alice",
        &[
            "[alice]",
            "@[Alice]: ([ALICE]), \"[alice]\"! [alice]; [alice]...",
            "[alice]/bob: -[alice]- 👋[alice]👋 …[alice]—so",
            "bob,[alice],carol",
            "alice-2: alice_bot: alice2 malice 2alice alice_ _alice",
            "x-alice alice.smith dr.alice alice.example.org www.alice.com",
            "#alice $alice CORP\\alice",
            "alices aliceé alice\u{301}",
        ],
    );
}

#[test]
fn the_name_may_be_in_another_normal_form_or_width() {
    assert_marked("Zo\u{eb}", &["[Zoe\u{308}]: [ZO\u{cb}] [zo\u{eb}]!", "Zoe zoee\u{308}"]);
    assert_marked("Zoe\u{308}", &["[Zo\u{eb}]:"]);
    assert_marked("ΟΔΥΣΣΕΥΣ", &["[Οδυσσευς] [οδυσσευσ]"]);
    assert_marked("alice", &["[ａｌｉｃｅ]：見て"]);
}

#[test]
fn borders_follow_the_scripts() {
    assert_marked("alice", &["[alice]さん、[alice]님, 见[alice]了", "ねえ@[alice]さん", "[alice]ですalice2"]);
    assert_marked("花子", &["[花子]さん", "今日は[花子]と[花子]様"]);
    assert_marked("マリ", &["[マリ]さん", "マリオ", "アマリ"]);
    assert_marked("철수", &["[철수]님", "[철수]야!", "김철수"]);
    assert_marked("สมชาย", &["[สมชาย]ครับ"]);
    assert_marked("анна", &["[Анна], [анна]!", "Аннаа жанна"]);
    assert_marked("علي", &["يا [علي]!"]);
}

#[test]
fn apostrophes_join_words_or_contract_them() {
    assert_marked(
        "alice",
        &["[alice]'s [alice]’s [alice]'ll l'[alice] d’[alice] qu'[Alice]", "o'alice", "'[alice]'"],
    );
    assert_marked("don", &["don't DON’T [don]'s [don]"]);
    assert_marked("t", &["don't", "can’t"]);
}

#[test]
fn a_name_of_one_letter_must_be_addressed() {
    assert_marked("a", &["@[a] a cat", "[A]: a cat", "  [a], see", "so a: b", "a"]);
    assert_marked("花", &["@[花]さん", "花見"]);
    assert_marked("🦊", &["the [🦊] is here"]);
}

#[test]
fn addresses_paths_links_and_code_contain_no_mention() {
    assert_marked(
        "alice",
        &[
            "alice@example.org bob@alice alice.b@example.org b.alice@example.org x+alice@example.org",
            "<alice@example.org>, (bob@alice.example)",
            "/home/alice ~/alice ./alice ../alice/x irc://alice ssh://alice@host:22",
            "https://alice.example/alice mailto:alice@example.org",
            "bob/[alice] [alice] @ example.org [alice]@",
        ],
    );
    for code in ["`alice`", "`@alice` x", "```\nalice\n```"] {
        assert!(!marked(code, "alice", &[]).contains('['), "{code}");
    }
}

#[test]
fn marks_are_not_part_of_a_word() {
    assert_eq!(marked("**alice** _alice_ *alice:*", "alice", &[]), "[alice] [alice] [alice]:");
    assert_eq!(marked("**ali**ce", "alice", &[]), "**ali**ce", "not emphasis");
    assert_eq!(marked("**alice**-2 `x`-alice", "alice", &[]), "alice-2 x-[alice]");
    assert_eq!(marked("> alice\n> x", "alice", &[]), "[alice]\nx");
}

#[test]
fn the_longest_name_of_a_member_is_mentioned() {
    let members = ["alice", "alice smith", "bob"];
    assert_eq!(marked("alice smith: alice", "alice", &members), "alice smith: [alice]");
    assert_eq!(marked("alice smith: alice", "alice smith", &members), "[alice smith]: alice");
    assert_eq!(marked("alice smithy", "alice", &members), "[alice] smithy");
    assert_eq!(marked("花子さん", "花子", &["花子さん"]), "花子さん");
}

#[test]
fn a_name_that_nobody_has_is_found() {
    let unknown = |text: &str| find_unknown_name(&block(text), ["alice", "bob smith", "花子"]);
    for text in
        ["@alice, @Bob Smith: @花子さん!", "bob@example.org `@zoe` https://x.example/@zoe", "@ @@ @-", "zoe"]
    {
        assert_eq!(unknown(text), None, "{text}");
    }
    for (text, name) in [
        ("@zoe: hi", "zoe"),
        ("@alice and @Zoe.", "Zoe"),
        ("@alice-2, see", "alice-2"),
        ("> @zoe\nso", "zoe"),
        ("**@zoe**", "zoe"),
        ("@bob", "bob"),
    ] {
        assert_eq!(unknown(text).as_deref(), Some(name), "{text}");
    }
}

#[test]
fn a_blank_name_is_no_pattern() {
    assert_eq!(MentionPattern::new(" "), None);
    assert_eq!(MentionPattern::new(""), None);
}

proptest! {
    #[test]
    fn a_marked_text_is_the_text(text in typed(), name in "(you|[a-c日é]{1,3}|\\PC{1,4})") {
        let Some(pattern) = MentionPattern::new(&name) else { return Ok(()) };
        let text = block(&text);
        let plain = Markup::parse(&text);
        let mut markup = plain.clone();
        markup.mark_mentions(&pattern, ["you", "you 2"]);
        for (plain, marked) in plain.parts.iter().zip(&markup.parts) {
            let (Part::Line(plain), Part::Line(marked)) = (plain, marked) else { continue };
            let shown = |spans: &[Span<'_>]| spans.iter().map(|span| span.text).collect::<String>();
            prop_assert_eq!(shown(plain), shown(marked));
            prop_assert!(marked.iter().all(|span| !span.text.is_empty()));
        }
        let is_marked = markup != plain;
        prop_assert_eq!(pattern.is_in(&text, ["you", "you 2"]), is_marked);
    }

    #[test]
    fn a_name_at_its_own_is_a_mention(name in "[a-z]{2,8}|[а-я]{2,8}|[ぁ-ん]{2,4}|[가-힣]{2,4}") {
        for text in [format!("@{name}: hi"), format!("hi {name}!"), format!("({name})"), name.to_uppercase()] {
            prop_assert!(pattern(&name).is_in(&block(&text), []), "{}", text);
        }
    }
}
