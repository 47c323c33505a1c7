use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use super::*;
use crate::sanitize::block;

/// The shown text with its styles in brackets: `{b text}` bold, `i` italic, `c` code, `l` a link, `@` a mention; `> ` a
/// quote, `# ` the title of a block, `| ` its lines.
fn shown(text: &str) -> String {
    let text = block(text);
    let mut markup = Markup::parse(&text);
    mark_mentions_of_you(&mut markup);
    let lines: Vec<String> = markup.parts.iter().map(part).collect();
    lines.join("\n")
}

fn part(part: &Part<'_>) -> String {
    match part {
        Part::Line(spans) => spans.iter().map(span).collect(),
        Part::Quote(spans) => format!("> {}", spans.iter().map(span).collect::<String>()),
        Part::Title(title) => format!("# {title}"),
        Part::Code(code) => format!("| {code}"),
    }
}

fn span(span: &Span<'_>) -> String {
    let mut look = String::new();
    look.extend(span.bold.then_some('b'));
    look.extend(span.italic.then_some('i'));
    look.extend(match span.kind {
        SpanKind::Text => None,
        SpanKind::Code => Some('c'),
        SpanKind::Link => Some('l'),
        SpanKind::Mention => Some('@'),
    });
    if look.is_empty() { span.text.to_owned() } else { format!("{{{look} {}}}", span.text) }
}

#[track_caller]
fn assert_shown(cases: &[(&str, &str)]) {
    for (typed, expected) in cases {
        assert_eq!(shown(typed), *expected, "{typed}");
    }
}

/// Checks that the texts stay as typed.
#[track_caller]
fn assert_plain(cases: &[&str]) {
    for typed in cases {
        assert_eq!(shown(typed), *typed);
    }
}

#[test]
fn emphasis_is_between_words() {
    assert_shown(&[
        ("**bold** and *italic* or _italic_", "{b bold} and {i italic} or {i italic}"),
        ("***both***", "{bi both}"),
        ("**bold *both* bold**", "{b bold }{bi both}{b  bold}"),
        ("*a _b_ c*", "{i a }{i b}{i  c}"),
        ("(*so*), \"_so_\"!", "({i so}), \"{i so}\"!"),
        ("日本**重要**です", "日本{b 重要}です"),
        ("**snake_case**", "{b snake_case}"),
        ("*one* two *three", "{i one} two *three"),
        ("**a *b** c", "{b a *b} c"),
        ("*5 * 3 = 15*", "{i 5 * 3 = 15}"),
        ("**3 > 2**", "{b 3 > 2}"),
    ]);
    assert_plain(&[
        "snake_case and _private",
        "trailing_ and more",
        "__init__ and ____",
        "2*3*4 = 24, 2**3**4",
        "a * b * c",
        "* an item\n* another",
        "*.rs, src/*, *.toml",
        "price* and other*",
        "****",
        "**",
        "*",
        "\\*so\\* and *so\\*",
        "*over\na line*",
    ]);
}

#[test]
fn inline_code_is_unchanged() {
    assert_shown(&[
        ("run `ls  -l *.rs` now", "run {c ls  -l *.rs} now"),
        ("``a`b``", "{c a`b}"),
        ("**`x`**", "{bc x}"),
        ("`*a*` *b*", "{c *a*} {i b}"),
        ("```one line```", "{c one line}"),
        ("`https://example.org`", "{c https://example.org}"),
    ]);
    assert_plain(&["a ` b", "``a`", "don`t", "``"]);
}

#[test]
fn blocks_of_code_are_unchanged() {
    assert_shown(&[
        (
            "see\n```rust\nfn main() {\n    **x** `y`\n\n}\n```\nso",
            "see\n# rust\n| fn main() {\n|     **x** `y`\n| \n| }\nso",
        ),
        ("```\n> a\n```", "| > a"),
        ("```\n```", ""),
        ("```\na\n```\n```\nb", "| a\n```\nb"),
    ]);
    assert_plain(&["```\nnot closed", "```", "a\n```", " ```\na\n```"]);
}

#[test]
fn a_quote_is_one_line() {
    assert_shown(&[("> so *it* is\nno", "> so {i it} is\nno"), ("> > deep", "> > deep"), (">", "> ")]);
    assert_plain(&[">:(", ">_<", "a > b", ">>1", "> \u{301}a", "*\u{301}a*", "```\u{301}\n```"]);
}

#[test]
fn links_end_where_the_address_does() {
    let link = |text: &str| {
        let text = block(text);
        Markup::parse(&text).links().map(|target| target.to_string()).collect::<Vec<_>>().join(" ")
    };
    for (text, address) in [
        ("see https://example.org.", "https://example.org"),
        ("(http://example.org/a_(b))", "http://example.org/a_(b)"),
        ("[x](https://example.org/)", "https://example.org/"),
        ("<https://example.org/?a=1&b=2#c>, so", "https://example.org/?a=1&b=2#c"),
        ("*https://example.org/a_b_c*", "https://example.org/a_b_c"),
        ("\"https://example.org\"?!", "https://example.org"),
        ("HTTPS://EXAMPLE.ORG/a", "HTTPS://EXAMPLE.ORG/a"),
        ("http://[::1]:8000/x]", "http://[::1]:8000/x"),
        ("見て：https://example.org/日本。", "https://example.org/%E6%97%A5%E6%9C%AC"),
        ("https://bücher.example", "https://b%C3%BCcher.example"),
        ("mailto:bob@example.org, https://example.org", "mailto:bob@example.org https://example.org"),
        ("> https://example.org", "https://example.org"),
        ("xhttps://example.org", ""),
        ("https:// http://. http://[ mailto:bob mailto:@x mailto:a b@x https", ""),
        ("mailto:mailto:bob@example.org", "mailto:mailto:bob@example.org"),
        ("javascript:alert(1) file:///etc/passwd ws://example.org data:x", ""),
        ("`https://example.org`", ""),
    ] {
        assert_eq!(link(text), address, "{text}");
    }
    assert_eq!(shown("**https://example.org/**"), "{bl https://example.org/}");
}

#[test]
fn a_target_is_an_address_in_visible_ascii() {
    for text in
        ["", "example.org", "https://example.org.", "https://example.org b", "-x", "https://a\u{1b}\\"]
    {
        assert_eq!(Target::new(text), None, "{text}");
    }
    let long = format!("https://example.org/{}", "x".repeat(2_000));
    assert_eq!(Target::new(&long), None);
    let of = |text| Target::new(text).is_some_and(|target| target.is_web());
    assert_eq!((of("http://x"), of("mailto:a@b")), (true, false));
}

#[test]
fn a_mention_is_a_whole_word() {
    assert_shown(&[
        ("@You: you, your **YOU**!", "@{@ You}: {@ you}, your {b@ YOU}!"),
        ("https://you.example/you", "{l https://you.example/you}"),
        ("you\u{301} youyou", "you\u{301} youyou"),
    ]);
}

/// Marks mentions of the user `you`.
pub(crate) fn mark_mentions_of_you(markup: &mut Markup<'_>) {
    markup.mark_mentions(&MentionPattern::new("you").expect("a name"), []);
}

#[test]
fn an_action_is_one_italic_line() {
    let action = |text: &str| {
        let text = block(text);
        Markup::parse(&text).action().map(|spans| spans.iter().map(span).collect::<String>())
    };
    assert_eq!(action("*waves*").as_deref(), Some("{i waves}"));
    assert_eq!(action("_runs `make`_").as_deref(), Some("{i runs }{ic make}"));
    for text in ["waves", "*a* b", "*a*\n*b*", "> *a*", "**a**", "", "*a* *b*"] {
        assert_eq!(action(text), None, "{text}");
    }
    for text in ["waves", "says *hi*", "sees a_b and 2*3", "looks\nup", "likes https://example.org/a_b"] {
        assert!(action(&write_action(text)).is_some(), "{text}: {}", write_action(text));
    }
    assert_eq!(write_action("waves"), "*waves*");
}

/// Typical text of users, with the difficult cases.
pub(crate) fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-z]{1,5}",
        3 => "[*_`>\\\\]{1,4}",
        3 => Just(" ".to_owned()),
        1 => Just("\n".to_owned()),
        1 => Just("\n```\n".to_owned()),
        1 => Just("\n> ".to_owned()),
        2 => "(https?|mailto)://?[a-z.@()\\[\\]*_é日]{0,12}[.)\\]]{0,3}",
        1 => Just("you".to_owned()),
        1 => "[日本👩🇩🇪\u{301}\u{200d}\u{600}\u{d4e}\u{1100}\u{1161}]{1,4}",
        1 => "\\PC{0,4}",
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

/// The characters that `whole` has beyond `part`; `None` if `part` is not a subsequence.
fn left_out(whole: &str, part: &str) -> Option<String> {
    let mut part = part.chars().peekable();
    let mut missing = String::new();
    for c in whole.chars() {
        if part.next_if_eq(&c).is_none() {
            missing.push(c);
        }
    }
    part.next().is_none().then_some(missing)
}

proptest! {
    #[test]
    fn only_marks_are_left_out_and_no_grapheme_is_split(text in typed()) {
        let text = block(&text);
        let mut markup = Markup::parse(&text);
        mark_mentions_of_you(&mut markup);
        let mut kept = String::new();
        for part in &markup.parts {
            match part {
                Part::Line(spans) | Part::Quote(spans) => {
                    prop_assert!(spans.iter().all(|span| !span.text.is_empty()));
                    prop_assert!(spans.is_sorted_by(|a, b| a.at + a.text.len() <= b.at));
                    kept.extend(spans.iter().map(|span| span.text));
                }
                Part::Title(code) | Part::Code(code) => kept.push_str(code),
            }
        }
        let whole = text.as_str().replace('\n', "");
        let missing = left_out(&whole, &kept);
        prop_assert!(missing.is_some_and(|missing| missing.chars().all(|c| "*_`> ".contains(c))), "{markup:?}");
        let whole: Vec<usize> = text.as_str().grapheme_indices(true).map(|(at, _)| at).collect();
        for (line, offset) in lines(&markup, text.as_str()) {
            for span in line {
                let start = offset + span.at;
                prop_assert!(whole.contains(&start), "{span:?}");
                let end = start + span.text.len();
                prop_assert!(whole.contains(&end) || end == text.as_str().len(), "{span:?}");
            }
        }
    }

    #[test]
    fn addresses_are_visible_ascii(text in typed()) {
        let text = block(&text);
        for target in Markup::parse(&text).links() {
            prop_assert!(target.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{target}");
            let scheme = target.as_str().split(':').next().unwrap_or_default().to_ascii_lowercase();
            prop_assert!(["http", "https", "mailto"].contains(&scheme.as_str()), "{target}");
        }
    }

    #[test]
    fn text_without_marks_is_one_span(text in "[a-z 日é.,!?-]{1,40}") {
        let text = block(&text);
        let plain = Span { at: 0, text: text.as_str(), kind: SpanKind::Text, bold: false, italic: false };
        prop_assert_eq!(Markup::parse(&text).parts, vec![Part::Line(vec![plain])]);
    }
}

/// Spans of each line, and the offset in the text that they count from.
fn lines<'a, 'b>(markup: &'b Markup<'a>, text: &'a str) -> Vec<(&'b [Span<'a>], usize)> {
    let spans = markup.parts.iter().filter_map(|part| match part {
        Part::Line(spans) | Part::Quote(spans) => Some(spans.as_slice()),
        Part::Title(_) | Part::Code(_) => None,
    });
    spans
        .filter_map(|spans| {
            let first = spans.first()?;
            Some((spans, first.text.as_ptr().addr() - text.as_ptr().addr() - first.at))
        })
        .collect()
}
