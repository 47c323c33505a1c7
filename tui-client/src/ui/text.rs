//! Text in cells: width by grapheme, wrapping, cutting.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

pub(super) use crate::width::{of as width, of_grapheme as cells};

/// The longest start of `text` that fits into `cells`. `sign`, one cell wide, replaces the end of a cut text.
pub(super) fn cut(text: &str, cells: usize, sign: &str) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = take(text, cells.saturating_sub(1)).to_owned();
    if cells > 0 {
        kept.push_str(sign);
    }
    kept
}

/// The longest start of `text` that fits into `cells`.
fn take(text: &str, cells: usize) -> &str {
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += self::cells(grapheme);
        if used > cells {
            return &text[..at];
        }
    }
    text
}

/// Breaks `text` into rows of at most `cells`: at newlines, at spaces, beside wide characters, and within a word only if
/// it is longer than a row. A grapheme that is wider than a row gets its own.
pub(super) fn wrap(text: &str, cells: usize) -> Vec<&str> {
    wrap_at(text, cells).into_iter().map(|(_, row)| row).collect()
}

/// Breaks `text` as [`wrap`] does. Returns the rows with their offsets in the text.
pub(super) fn wrap_at(text: &str, cells: usize) -> Vec<(usize, &str)> {
    let mut rows = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        let ranges = wrapped(line.grapheme_indices(true), line.len(), cells);
        rows.extend(ranges.into_iter().map(|row| (start + row.start, &line[row])));
        start += line.len() + 1;
    }
    rows
}

/// Breaks a line as [`wrap`] does. The line is given by its graphemes with their offsets in a text that ends at `end`;
/// hidden text may lie between them. Returns the rows as ranges of the text.
pub(super) fn wrapped<'a>(
    line: impl Iterator<Item = (usize, &'a str)>,
    end: usize,
    cells: usize,
) -> Vec<Range<usize>> {
    let room = cells.max(1);
    let mut rows = Vec::new();
    let mut start = 0;
    let mut used = 0;
    // End of the row at the last possible break, start of the next row, and the width used up to it.
    let mut candidate: Option<(usize, usize)> = None;
    let mut since = 0;
    for (at, grapheme) in line {
        let wide = self::cells(grapheme);
        if wide > 1 && used > 0 {
            (candidate, since) = (Some((at, at)), 0);
        }
        if used + wide > room && used > 0 {
            if grapheme == " " {
                candidate = Some((at, at + 1));
            }
            let (end, next) = candidate.take().unwrap_or((at, at));
            rows.push(start..end);
            start = next;
            used = if next >= at { 0 } else { since };
            if next > at {
                continue;
            }
        }
        used += wide;
        since += wide;
        if grapheme == " " {
            (candidate, since) = (Some((at, at + 1)), 0);
        } else if wide > 1 {
            (candidate, since) = (Some((at + grapheme.len(), at + grapheme.len())), 0);
        }
    }
    rows.push(start..end.max(start));
    rows
}

/// Breaks `line` into rows of at most `cells`, wherever a row is full.
pub(super) fn broken(line: &str, cells: usize) -> Vec<&str> {
    let mut rows = Vec::new();
    let mut start = 0;
    let mut used = 0;
    for (at, grapheme) in line.grapheme_indices(true) {
        let wide = self::cells(grapheme);
        if used + wide > cells && used > 0 {
            rows.push(&line[start..at]);
            (start, used) = (at, 0);
        }
        used += wide;
    }
    rows.push(&line[start..]);
    rows
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_break_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("a\n\n  b", 9), ["a", "", "  b"]);
        assert_eq!(wrap("", 9), [""]);
        assert_eq!(wrap("日本語日本語", 5), ["日本", "語日", "本語"]);
        assert_eq!(wrap("ab 日本語", 6), ["ab 日", "本語"]);
        assert_eq!(wrap("日本", 1), ["日", "本"]);
    }

    #[test]
    fn a_family_is_two_cells_wide() {
        assert_eq!(width("👩\u{200d}👩\u{200d}👧\u{200d}👦"), 2);
        assert_eq!(width("日本 a"), 6);
    }

    #[test]
    fn a_cut_text_ends_with_a_sign() {
        assert_eq!(cut("alexandra", 6, "…"), "alexa…");
        assert_eq!(cut("日本語", 5, "…"), "日本…");
        assert_eq!(cut("日本語", 4, "…"), "日…");
        assert_eq!([2, 1, 0].map(|cells| cut("ab", cells, "~")), ["ab", "~", ""]);
    }

    proptest! {
        #[test]
        fn rows_fit_and_hold_all_but_spaces_at_breaks(text in "[a-z 日👩é]{0,60}", cells in 2usize..20) {
            let rows = wrap(&text, cells);
            prop_assert!(rows.iter().all(|row| width(row) <= cells), "{rows:?}");
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&rows.concat()), bare(&text));
        }
    }
}
