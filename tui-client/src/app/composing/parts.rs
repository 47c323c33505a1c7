//! Parts of a text that is longer than a message.
//!
//! A part ends between paragraphs, lines, sentences or words, the best of these in its second half, and never within a
//! grapheme. A block of code that goes on in the next part is closed in the one and opened in the other.

use unicode_segmentation::UnicodeSegmentation;

/// Begins and ends a block of code.
const FENCE: &str = "```";

/// Least characters of a part: a fence, a letter and a fence in lines of their own.
const LEAST: usize = 12;

/// Splits `text` into parts of at most `most` characters. A blank part is left out. A text is one part if a part would
/// be too short.
pub(super) fn split(text: &str, most: usize) -> Vec<String> {
    if most < LEAST {
        return vec![text.to_owned()];
    }
    let mut parts = Vec::new();
    let mut rest = text;
    // The line that opens the block of code in which the rest begins.
    let mut opening: Option<&str> = None;
    while !rest.trim().is_empty() {
        let start = opening.map(|line| format!("{line}\n")).unwrap_or_default();
        let left = most.saturating_sub(start.chars().count());
        if rest.chars().count() <= left {
            parts.push(format!("{start}{}", rest.trim_end()));
            break;
        }
        let end = end_of_part(rest, left.saturating_sub(FENCE.len() + 1).max(1), opening.is_some());
        let (part, next) = rest.split_at(end);
        opening = open_block(part, opening);
        if !part.trim().is_empty() {
            let close = if opening.is_some() { "\n```" } else { "" };
            parts.push(format!("{start}{}{close}", part.trim_end()));
        }
        // Spaces begin a line of code, but no other part.
        rest = if opening.is_some() { next.strip_prefix('\n').unwrap_or(next) } else { next.trim_start() };
        // The repeated line must leave space for the code.
        opening = opening.map(|line| if line.chars().count() * 2 > most { FENCE } else { line });
    }
    parts
}

/// The offset at which a part of at most `most` characters ends.
fn end_of_part(text: &str, most: usize, is_code: bool) -> usize {
    let limit = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    let window = &text[..limit];
    let half = text.char_indices().nth(most / 2).map_or(0, |(at, _)| at);
    let last = |found: Option<usize>| found.filter(|at| *at > half);
    let line = || last(window.rfind('\n'));
    let sentence = || {
        let ends = window.match_indices(['.', '!', '?', '。', '！', '？', '…']);
        last(ends.map(|(at, sign)| at + sign.len()).rfind(|end| {
            let next = text[*end..].chars().next();
            next.is_some_and(char::is_whitespace) || !window[..*end].ends_with(['.', '!', '?'])
        }))
    };
    let word = || last(window.rfind(char::is_whitespace));
    let grapheme = || {
        let ends = text.grapheme_indices(true).map(|(at, grapheme)| at + grapheme.len());
        ends.take_while(|end| *end <= limit).last()
    };
    let paragraph = last(window.rfind("\n\n")).filter(|_| !is_code);
    // A grapheme that is longer than a part is cut.
    paragraph.or_else(line).or_else(sentence).or_else(word).or_else(grapheme).unwrap_or(limit)
}

/// The line that opens the block of code in which `part` ends, if it does. `opening` is that in which it begins.
fn open_block<'a>(part: &'a str, opening: Option<&'a str>) -> Option<&'a str> {
    part.lines().map(str::trim).filter(|line| line.starts_with(FENCE)).fold(
        opening,
        |open, line| match open {
            Some(_) => None,
            None => Some(line),
        },
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_split_at_the_best_place() {
        let split = |text: &str| split(text, 24);
        assert_eq!(split("short"), ["short"]);
        assert_eq!(split("one two three\n\nfour five six"), ["one two three", "four five six"]);
        assert_eq!(split("one two three.\nfour five six"), ["one two three.", "four five six"]);
        assert_eq!(split("one two three. four five six"), ["one two three.", "four five six"]);
        assert_eq!(split("one two three four five six"), ["one two three four", "five six"]);
        assert_eq!(split(&"x".repeat(45)), ["x".repeat(20), "x".repeat(20), "x".repeat(5)]);
        assert_eq!(split(" \n "), [""; 0]);
    }

    #[test]
    fn a_block_of_code_is_closed_and_opened_again() {
        let text = "```rs\nlet a = 1;\n  let b = 2;\n  let c = 3;\n```\nend";
        let parts = split(text, 36);
        assert_eq!(parts, ["```rs\nlet a = 1;\n  let b = 2;\n```", "```rs\n  let c = 3;\n```\nend"]);
    }

    proptest! {
        /// The line that opens a block of code is repeated, so it has no title here.
        #[test]
        fn parts_fit_and_have_all_words_in_order(
            lines in proptest::collection::vec(
                prop_oneof![3 => "[a-z é👩\u{200d}.]{0,60}", 1 => Just(FENCE.to_owned())],
                0..12,
            ),
            most in LEAST..60,
        ) {
            let text = lines.join("\n");
            let parts = split(&text, most);
            prop_assert!(parts.iter().all(|part| part.chars().count() <= most), "{parts:?}");
            prop_assert!(parts.iter().all(|part| !part.trim().is_empty()), "{parts:?}");
            let bare = |text: &str| text.replace(|c: char| c.is_whitespace() || c == '`', "");
            prop_assert_eq!(bare(&parts.concat()), bare(&text));
        }
    }
}
