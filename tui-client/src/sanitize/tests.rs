use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::*;

fn shown(text: &str) -> String {
    line(text).as_str().to_owned()
}

fn shown_block(text: &str) -> String {
    block(text).as_str().to_owned()
}

#[test]
fn plain_text_is_unchanged() {
    for text in [
        "hello, world ~!@#",
        "日本語 한국어 中文",
        "Việt Nam",
        "e\u{301}a\u{308}",
        "🦀 👍🏽 🇩🇪 👩\u{200D}👩\u{200D}👧\u{200D}👦",
        "👩🏽\u{200D}🚀",
        "שלום عربي",
        "र्त्स्न्य",
        "한\u{1100}\u{1161}\u{11A8}",
        "",
    ] {
        assert_eq!(shown(text), text);
        assert_eq!(shown_block(text), text);
    }
}

#[test]
fn escape_sequences_become_one_mark() {
    for sequence in [
        "\u{1b}[2J",
        "\u{1b}[38;5;196m",
        "\u{1b}[?1049h",
        "\u{1b}]0;title\u{7}",
        "\u{1b}]52;c;ZXZpbA==\u{1b}\\",
        "\u{1b}]8;;http://x\u{9c}",
        "\u{1b}P1$r\u{1b}\\",
        "\u{1b}_apc\u{1b}\\",
        "\u{1b}c",
        "\u{1b}(0",
        "\u{1b}M",
        "\u{9b}31m",
        "\u{9d}0;t\u{9c}",
        "\u{90}q\u{9c}",
        "\u{85}",
        "\u{7}",
        "\u{8}",
        "\u{7f}",
        "\u{0}",
    ] {
        assert_eq!(shown(&format!("a{sequence}b")), "a\u{FFFD}b", "{sequence:?}");
    }
}

#[test]
fn the_text_after_an_unfinished_sequence_stays() {
    assert_eq!(shown("\u{1b}]0;still here"), "\u{FFFD}]0;still here");
    assert_eq!(shown("\u{1b}[12"), "\u{FFFD}[12");
    assert_eq!(shown("\u{1b}"), "\u{FFFD}");
    assert_eq!(shown("\u{1b}[1\u{1b}[2Jx"), "\u{FFFD}[1\u{FFFD}x");
    let long = format!("\u{1b}]{}\u{7}", "x".repeat(SEQUENCE_CHARS));
    assert!(shown(&long).contains("xxx"));
}

#[test]
fn invisible_characters_are_removed() {
    let bidi =
        "\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\u{2069}\u{200e}\u{200f}\u{61c}";
    let zero = "\u{200b}\u{200c}\u{2060}\u{2064}\u{feff}\u{180e}\u{34f}\u{ad}\u{fe0f}\u{fe0e}\u{e0100}\u{e0041}\u{115f}\u{1160}\u{3164}\u{ffa0}";
    assert_eq!(shown(&format!("a{bidi}{zero}b")), "ab");
    assert_eq!(shown("❤\u{fe0f}"), "❤");
    assert_eq!(shown("❤\u{fe0f}\u{200d}🔥"), "❤\u{200d}🔥");
}

#[test]
fn a_joiner_needs_emoji_on_both_sides() {
    assert_eq!(shown("a\u{200d}b"), "ab");
    assert_eq!(shown("👩\u{200d}"), "👩");
    assert_eq!(shown("\u{200d}👩"), "👩");
    assert_eq!(shown("👩\u{200d}x"), "👩x");
    assert_eq!(shown("👩\u{200d}\u{200d}👧"), "👩\u{200d}👧");
    assert_eq!(shown("क\u{200d}ष"), "कष");
}

#[test]
fn stacks_of_marks_are_cut() {
    let zalgo = format!("a{}b", "\u{301}".repeat(500));
    assert_eq!(shown(&zalgo), format!("a{}b", "\u{301}".repeat(MARKS)));
    let family = vec!["👩"; 100].join("\u{200d}");
    assert!(shown(&family).graphemes(true).all(|g| g.chars().count() <= CLUSTER_CHARS));
    assert_eq!(shown("\u{301}a"), "\u{25cc}\u{301}a");
    assert_eq!(shown_block("x\n\u{301}"), "x\n\u{25cc}\u{301}");
}

#[test]
fn lines_and_blocks_differ_in_newlines_and_tabs() {
    assert_eq!(shown("a\nb\tc\r\nd\u{2028}e"), "a b c d e");
    assert_eq!(shown_block("a\nb\tc\r\nd\u{2028}e\rf"), "a\nb    c\nd\ne\nf");
    assert_eq!(shown("\u{FFFE}\u{FDD0}\u{10FFFF}"), "\u{FFFD}\u{FFFD}\u{FFFD}");
}

#[test]
fn lengths_are_bounded() {
    for text in ["x".repeat(LINE_CHARS + 1), "\t".repeat(LINE_CHARS + 1), "e\u{301}".repeat(LINE_CHARS)] {
        let cut = shown(&text);
        assert_eq!(shown(&cut), cut);
        assert!(cut.chars().count() <= LINE_CHARS && cut.ends_with('…'), "{}", cut.chars().count());
    }
    assert_eq!(shown_block(&"\t".repeat(4_000)).chars().count(), BLOCK_CHARS);
    assert!(shown_block(&"\t".repeat(4_001)).ends_with('…'));
}

/// Text of the difficult cases: formats, marks, emoji, jamo, joiners, escape sequences and letters, mixed.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "\\p{Cf}",
        "\\p{Cc}",
        "\\p{M}{1,6}",
        "[\u{1100}-\u{11FF}]{1,20}",
        "[\u{1F1E6}-\u{1F1FF}]",
        "[\u{1F3FB}-\u{1F3FF}]",
        "[👩👧❤🔥🏳🌈☠]\u{fe0f}?\u{200d}?",
        "[\u{600}-\u{605}\u{110BD}]",
        "[कषत]\u{94D}\u{200d}?",
        "\u{1b}[\\[\\]P_(][0-9;]{0,4}[a-zA-Z\u{7}]?",
        "[ -~]{0,3}",
        "\\PC{1,4}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn check(text: &str, is_block: bool) {
    let mut clusters = 0;
    for c in text.chars() {
        assert!(!c.is_control() || (is_block && c == '\n'), "control {c:?}");
        assert!(!is_invisible(c) && !is_noncharacter(c), "invisible {c:?}");
    }
    for grapheme in text.graphemes(true) {
        clusters += 1;
        assert!(grapheme.chars().count() <= CLUSTER_CHARS, "{grapheme:?}");
        assert!(width::of_grapheme(grapheme) <= 2 * CLUSTER_CHARS, "{grapheme:?}");
        assert!(grapheme == "\n" || width::of_grapheme(grapheme) > 0, "no width {grapheme:?} in {text:?}");
        let mut marks = 0;
        for c in grapheme.chars() {
            marks = if width::may_be_zero(c) && c != JOINER { marks + 1 } else { 0 };
            assert!(marks <= MARKS, "{grapheme:?}");
        }
        assert!(!grapheme.ends_with(JOINER) && !grapheme.starts_with(JOINER), "{grapheme:?}");
    }
    assert!(clusters <= BLOCK_CHARS);
}

#[test]
fn the_places_of_tabs_are_known() {
    let tabs = |text: &str| block(text).tabs().collect::<Vec<_>>();
    assert_eq!(tabs("a\tb\n\t\tc    d"), [1..5, 7..11, 11..15]);
    assert_eq!(tabs("\u{1b}[31m\t日\t"), [3..7, 10..14]);
    assert_eq!(tabs("no    tab"), []);
    // The last tab of a text that is too long is cut.
    let cut = block(&format!("{}\t\tx", "é".repeat(BLOCK_CHARS - 6)));
    assert!(cut.tabs().all(|tab| cut.as_str()[tab].chars().all(|c| c == ' ')));
    assert!(block("\t").bytes() > block("    ").bytes());
}

proptest! {
    #[test]
    fn no_forbidden_character_is_kept(text in nasty()) {
        check(&shown(&text), false);
        check(&shown_block(&text), true);
    }

    #[test]
    fn sanitizing_is_idempotent(text in nasty()) {
        let once = shown(&text);
        prop_assert_eq!(shown(&once), once);
        let once = shown_block(&text);
        prop_assert_eq!(shown_block(&once), once);
    }

    #[test]
    fn letters_are_unchanged(text in "[a-zA-Z0-9äöüß漢字かなカナ가-힣🦀🎉😀 .,!?-]{0,200}") {
        prop_assert_eq!(shown(&text), text.clone());
        prop_assert_eq!(shown_block(&text), text);
    }

    /// Among format characters only the joiner and the Arabic, Syriac and Kaithi number signs are kept.
    #[test]
    fn format_characters_are_removed(c in "\\p{Cf}") {
        let visible = matches!(c.chars().next(), Some(
            '\u{600}'..='\u{605}' | '\u{6DD}' | '\u{70F}' | '\u{890}' | '\u{891}' | '\u{8E2}'
            | '\u{110BD}' | '\u{110CD}'));
        let text = format!("a{c}b");
        prop_assert!(visible || !shown(&text).contains(&c));
    }
}
