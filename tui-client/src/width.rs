//! Widths in cells of a terminal: the only place that judges them.
//!
//! Terminals disagree about some graphemes: `unicode-width` follows Unicode, tmux and many others follow the `wcwidth` of
//! the C library, character by character. A grapheme gets the larger of both widths, so that no terminal writes it over
//! its neighbour. A terminal with the smaller width shows a blank cell after it.
//!
//! The test `talk/widths` compares the judgement with tmux.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Joins the characters around it into one picture. tmux gives the character after it no cell of its own.
const JOINER: char = '\u{200D}';

/// Characters to which some terminals give more cells than `unicode-width`: first, last, cells. In order.
const WIDER: &[(char, char, usize)] = &[
    // Signs of Arabic and Syriac that enclose what follows.
    ('\u{605}', '\u{605}', 1),
    ('\u{70F}', '\u{70F}', 1),
    ('\u{890}', '\u{891}', 1),
    ('\u{8E2}', '\u{8E2}', 1),
    // Spacing marks that extend a grapheme (`Mc` with `Grapheme_Extend`), and letters that precede one.
    ('\u{9BE}', '\u{9BE}', 1),
    ('\u{9D7}', '\u{9D7}', 1),
    ('\u{B3E}', '\u{B3E}', 1),
    ('\u{B57}', '\u{B57}', 1),
    ('\u{BBE}', '\u{BBE}', 1),
    ('\u{BD7}', '\u{BD7}', 1),
    ('\u{CC0}', '\u{CC0}', 1),
    ('\u{CC2}', '\u{CC2}', 1),
    ('\u{CC7}', '\u{CC8}', 1),
    ('\u{CCA}', '\u{CCB}', 1),
    ('\u{CD5}', '\u{CD6}', 1),
    ('\u{D3E}', '\u{D3E}', 1),
    ('\u{D4E}', '\u{D4E}', 1),
    ('\u{D57}', '\u{D57}', 1),
    ('\u{DCF}', '\u{DCF}', 1),
    ('\u{DDF}', '\u{DDF}', 1),
    ('\u{1715}', '\u{1715}', 1),
    ('\u{1734}', '\u{1734}', 1),
    ('\u{1B35}', '\u{1B35}', 1),
    ('\u{1B3B}', '\u{1B3B}', 1),
    ('\u{1B3D}', '\u{1B3D}', 1),
    ('\u{1B43}', '\u{1B44}', 1),
    ('\u{1BAA}', '\u{1BAA}', 1),
    ('\u{1BF2}', '\u{1BF3}', 1),
    // Tone marks of Hangul.
    ('\u{302E}', '\u{302F}', 2),
    // Circled numbers on black squares, of ambiguous width.
    ('\u{3248}', '\u{324F}', 2),
    ('\u{A8FA}', '\u{A8FA}', 1),
    ('\u{A953}', '\u{A953}', 1),
    ('\u{A9C0}', '\u{A9C0}', 1),
    ('\u{111C0}', '\u{111C0}', 1),
    ('\u{111C2}', '\u{111C3}', 1),
    ('\u{11235}', '\u{11235}', 1),
    ('\u{1133E}', '\u{1133E}', 1),
    ('\u{1134D}', '\u{1134D}', 1),
    ('\u{11357}', '\u{11357}', 1),
    ('\u{113B8}', '\u{113B8}', 1),
    ('\u{113C2}', '\u{113C2}', 1),
    ('\u{113C5}', '\u{113C5}', 1),
    ('\u{113C7}', '\u{113C9}', 1),
    ('\u{113CF}', '\u{113CF}', 1),
    ('\u{114B0}', '\u{114B0}', 1),
    ('\u{114BD}', '\u{114BD}', 1),
    ('\u{115AF}', '\u{115AF}', 1),
    ('\u{116B6}', '\u{116B6}', 1),
    ('\u{11930}', '\u{11930}', 1),
    ('\u{1193D}', '\u{1193D}', 1),
    ('\u{1193F}', '\u{1193F}', 1),
    ('\u{11941}', '\u{11941}', 1),
    ('\u{11A84}', '\u{11A89}', 1),
    ('\u{11D46}', '\u{11D46}', 1),
    ('\u{11F41}', '\u{11F41}', 1),
    ('\u{16FF0}', '\u{16FF1}', 2),
    ('\u{1D165}', '\u{1D166}', 1),
    ('\u{1D16D}', '\u{1D172}', 1),
    // Places of emoji to come, which newer terminals show wide.
    ('\u{1F6D8}', '\u{1F6DF}', 2),
    ('\u{1F6ED}', '\u{1F6EF}', 2),
    ('\u{1F6FD}', '\u{1F6FF}', 2),
    ('\u{1FA70}', '\u{1FAFF}', 2),
];

/// Cells of a text: the sum of its graphemes' cells.
#[must_use]
pub fn of(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.graphemes(true).map(of_grapheme).sum() }
}

/// Cells of a grapheme.
#[must_use]
pub fn of_grapheme(grapheme: &str) -> usize {
    if grapheme.len() == 1 {
        return 1;
    }
    let mut is_joined = false;
    let mut apart = 0;
    let mut chars = 0;
    for c in grapheme.chars() {
        chars += 1;
        if c == JOINER {
            is_joined = true;
        } else if !std::mem::take(&mut is_joined) {
            apart += of_char(c);
        }
    }
    // Half a flag: some terminals show a letter in two cells.
    let is_half_flag = chars == 1 && grapheme.chars().all(|c| matches!(c, '\u{1F1E6}'..='\u{1F1FF}'));
    grapheme.width().max(apart).max(if is_half_flag { 2 } else { 0 })
}

fn of_char(c: char) -> usize {
    let wider = WIDER.binary_search_by(|(first, last, _)| {
        if *last < c {
            std::cmp::Ordering::Less
        } else if *first > c {
            std::cmp::Ordering::Greater
        } else {
            std::cmp::Ordering::Equal
        }
    });
    c.width().unwrap_or(0).max(wider.map_or(0, |at| WIDER[at].2))
}

/// True if some terminals give the character no cell: a combining mark, a joiner.
#[must_use]
pub fn may_be_zero(c: char) -> bool {
    c.width() == Some(0)
}

/// True for characters of two cells, most of them of scripts without spaces between words.
#[must_use]
pub fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

/// True if every terminal shows the grapheme in one cell. The letters of Latin, Greek, Cyrillic and Armenian, common
/// punctuation, arrows, lines and shapes are certain; whatever combines, is wide or is new is not.
#[must_use]
pub fn is_certain(grapheme: &str) -> bool {
    let mut chars = grapheme.chars();
    let (Some(c), None) = (chars.next(), chars.next()) else { return false };
    match c {
        ' '..='~' => true,
        '\u{A1}'..='\u{AC}'
        | '\u{AE}'..='\u{2FF}'
        | '\u{370}'..='\u{482}'
        | '\u{48A}'..='\u{58A}'
        | '\u{1E00}'..='\u{1FFE}'
        | '\u{2010}'..='\u{2027}'
        | '\u{2030}'..='\u{205E}'
        | '\u{20A0}'..='\u{20BF}'
        | '\u{2100}'..='\u{25FF}'
        | '✓'
        | '✗'
        | '\u{FFFD}' => c.width() == Some(1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order() {
        let mut before = '\0';
        for (first, last, cells) in WIDER {
            assert!(before < *first && first <= last && (1..=2).contains(cells), "{first:?}");
            before = *last;
        }
    }

    #[test]
    fn a_disputed_grapheme_gets_the_larger_width() {
        for (grapheme, cells) in [
            ("a", 1),
            ("é", 1),
            ("e\u{301}", 1),
            ("日", 2),
            ("বা", 2),
            ("কো", 2),
            ("கா", 2),
            ("क्ष", 2),
            ("ที่", 1),
            ("กำ", 2),
            ("각", 2),
            ("👩\u{200d}👩\u{200d}👧\u{200d}👦", 2),
            ("👍🏽", 4),
            ("🇩🇪", 2),
            ("🇪", 2),
            ("៘", 3),
            ("\u{1FAC7}", 2),
        ] {
            assert_eq!(of_grapheme(grapheme), cells, "{grapheme:?}");
        }
        assert_eq!(of("বাংলা a"), 7);
    }

    #[test]
    fn certain_graphemes_are_one_cell_wide() {
        for c in '\0'..=char::MAX {
            let grapheme = c.to_string();
            assert!(!is_certain(&grapheme) || (of_grapheme(&grapheme) == 1 && !c.is_control()), "{c:?}");
        }
        for uncertain in ["e\u{301}", "日", "🇪", "ה", "ก", "\u{ad}", "☁", "⌚"] {
            assert!(!is_certain(uncertain), "{uncertain:?}");
        }
    }
}
