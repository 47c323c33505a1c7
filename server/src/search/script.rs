//! Classes of characters.

use unicode_normalization::char::is_combining_mark;

/// Class of a character in a normalized text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Part of a word.
    Word,
    /// Part of a script that is written without spaces between words.
    Unspaced,
    /// Between words.
    Space,
}

impl Class {
    pub(super) fn of(c: char) -> Self {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() { Self::Word } else { Self::Space }
        } else if is_unspaced(c) {
            Self::Unspaced
        } else if c.is_alphanumeric() || is_combining_mark(c) {
            Self::Word
        } else {
            Self::Space
        }
    }
}

/// True for the letters and marks of scripts without spaces between words: Thai, Lao, Tibetan, Myanmar, Khmer, kana,
/// bopomofo, Yi and Han.
fn is_unspaced(c: char) -> bool {
    let in_block = matches!(c,
        '\u{0E01}'..='\u{0E3A}' | '\u{0E40}'..='\u{0E4E}' | '\u{0E81}'..='\u{0EC6}' | '\u{0EC8}'..='\u{0ECE}'
        | '\u{0EDC}'..='\u{0EDF}' | '\u{0F40}'..='\u{0FBC}' | '\u{1000}'..='\u{103F}' | '\u{1050}'..='\u{108F}'
        | '\u{1780}'..='\u{17D3}' | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{3035}'
        | '\u{3041}'..='\u{3096}' | '\u{3099}'..='\u{309A}' | '\u{309D}'..='\u{309F}' | '\u{30A1}'..='\u{30FA}'
        | '\u{30FC}'..='\u{30FF}' | '\u{3105}'..='\u{312F}' | '\u{31A0}'..='\u{31BF}' | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{A000}'..='\u{A48C}' | '\u{F900}'..='\u{FAD9}'
        | '\u{1B000}'..='\u{1B16F}' | '\u{20000}'..='\u{2FA1D}' | '\u{30000}'..='\u{3347F}');
    in_block && (c.is_alphanumeric() || is_combining_mark(c))
}

/// True for marks that a search ignores: accents, and the vowel signs of Hebrew and Arabic. The vowel and tone signs of
/// other scripts are letters for a search, and so are the voicing marks of kana.
pub(super) fn is_diacritic(c: char) -> bool {
    matches!(c,
        '\u{0300}'..='\u{036F}' | '\u{0483}'..='\u{0487}' | '\u{0591}'..='\u{05BD}' | '\u{05BF}' | '\u{05C1}'..='\u{05C2}'
        | '\u{05C4}'..='\u{05C5}' | '\u{05C7}' | '\u{0610}'..='\u{061A}' | '\u{064B}'..='\u{065F}' | '\u{0670}'
        | '\u{06D6}'..='\u{06DC}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}' | '\u{20D0}'..='\u{20FF}'
        | '\u{FE20}'..='\u{FE2F}')
}

/// True for invisible characters inside of words, which a search ignores: soft hyphens, joiners, the tatweel.
pub(super) fn is_ignored(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{034F}' | '\u{0640}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}
