//! Tokens of a text: its words without case and diacritics, and substrings of texts without spaces.
//!
//! A run of characters of a script without spaces has a token for each of its characters: the character and the next one;
//! for the last, the character alone. So a substring of the run is a sequence of tokens.

use unicode_normalization::UnicodeNormalization;

use super::script::{Class, is_diacritic, is_ignored};

/// Most characters of a word. The rest of a longer word is not searched.
const WORD_CHARS: usize = 32;
/// Most tokens of a text, and most characters of its normalized form. The rest of a longer text is not searched. Only
/// texts that grow a lot when they are normalized have more.
const MAX_TOKENS: usize = 4_096;
const MAX_CHARS: usize = 16_384;

/// The tokens of a text, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// All tokens, one after the other.
    text: String,
    /// Ends of the tokens in `text`.
    ends: Vec<u32>,
    /// Number of tokens of the run without spaces at the end; 0 if a word is at the end.
    last_run: usize,
}

impl Words {
    pub(crate) fn of(text: &str) -> Self {
        let mut words = Self::default();
        words.replace(text);
        words
    }

    /// Takes over the tokens of another text, and reuses the memory.
    pub(crate) fn replace(&mut self, text: &str) {
        self.text.clear();
        self.ends.clear();
        self.last_run = 0;
        if text.is_ascii() {
            self.add_ascii(text);
        } else {
            self.add_normalized(&normalized(text));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> &str {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[index] as usize]
    }

    /// Number of tokens of the run without spaces at the end; 0 if a word is at the end.
    pub(super) fn last_run(&self) -> usize {
        self.last_run
    }

    fn add_ascii(&mut self, text: &str) {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        for word in words.take(MAX_TOKENS) {
            self.text.push_str(&word[..word.len().min(WORD_CHARS)]);
            self.end_token();
        }
        self.text.make_ascii_lowercase();
    }

    fn add_normalized(&mut self, text: &str) {
        let mut word_chars = 0;
        // The character of a run whose token is not complete.
        let mut in_run = None;
        for c in text.chars().chain(std::iter::once(' ')) {
            let class = Class::of(c);
            if word_chars > 0 && class != Class::Word {
                self.end_token();
                word_chars = 0;
            }
            let continues = in_run.is_some();
            if let Some(before) = in_run.take() {
                self.text.push(before);
                if class == Class::Unspaced {
                    self.text.push(c);
                }
                self.end_token();
                self.last_run += 1;
            }
            if self.len() >= MAX_TOKENS {
                return;
            }
            match class {
                Class::Word => {
                    if word_chars < WORD_CHARS {
                        self.text.push(c);
                    }
                    word_chars += 1;
                    self.last_run = 0;
                }
                Class::Unspaced => {
                    if !continues {
                        self.last_run = 0;
                    }
                    in_run = Some(c);
                }
                Class::Space => {}
            }
        }
    }

    fn end_token(&mut self) {
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
    }
}

/// A text without case, diacritics and invisible characters; letters that only look different are the same.
fn normalized(text: &str) -> String {
    let plain = |c: &char| !is_diacritic(*c) && !is_ignored(*c);
    // The capital of some letters has several letters: ß is SS. The small letters of capitals have new diacritics.
    let folded = text.nfkd().filter(plain).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    // A small letter may be a compatibility character again, and its capital a composed one.
    let folded: String = folded.take(MAX_CHARS).collect();
    folded.nfkd().filter(plain).nfc().collect()
}
