//! Emphasis, code and links within a line.
//!
//! The line is read into tokens. Then each closing mark is paired with its opening one. At most one mark of a kind is
//! open at a time, so a search compares at most three.

use unicode_segmentation::UnicodeSegmentation;

use super::address;
use super::span::{Span, SpanKind};
use crate::width;

/// Kinds of emphasis marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EmphasisMark {
    Bold,
    Star,
    Underscore,
}

#[derive(Debug)]
struct Token<'a> {
    at: usize,
    text: &'a str,
    what: TokenKind,
}

#[derive(Debug)]
enum TokenKind {
    Piece(SpanKind),
    EmphasisMark {
        mark: EmphasisMark,
        opens: bool,
        closes: bool,
        /// The mark has a counterpart.
        is_paired: bool,
    },
}

/// Spans of a line in order; none if nothing is left.
pub(super) fn spans(line: &str) -> Vec<Span<'_>> {
    if line.is_empty() {
        return Vec::new();
    }
    // Every link contains a colon.
    if !line.bytes().any(|byte| matches!(byte, b'*' | b'_' | b'`' | b':')) {
        return vec![Span { at: 0, text: line, kind: SpanKind::Text, bold: false, italic: false }];
    }
    let mut tokens = InlineReader::new(line).read();
    pair(&mut tokens);
    join(line, &tokens)
}

struct InlineReader<'a> {
    line: &'a str,
    graphemes: Vec<(usize, &'a str)>,
    tokens: Vec<Token<'a>>,
    /// Start of the words that are not in a token yet.
    words: usize,
}

impl<'a> InlineReader<'a> {
    fn new(line: &'a str) -> Self {
        Self { line, graphemes: line.grapheme_indices(true).collect(), tokens: Vec::new(), words: 0 }
    }

    fn read(mut self) -> Vec<Token<'a>> {
        let mut at = 0;
        while let Some(&(_, grapheme)) = self.graphemes.get(at) {
            at += match grapheme {
                "`" => self.code(at),
                "*" | "_" => self.emphasis(at, grapheme),
                "h" | "H" | "m" | "M" => self.link(at),
                _ => 1,
            };
        }
        self.end_words(self.line.len());
        self.tokens
    }

    /// Offset of the grapheme at an index.
    fn offset(&self, index: usize) -> usize {
        self.graphemes.get(index).map_or(self.line.len(), |(offset, _)| *offset)
    }

    /// Number of consecutive graphemes from `at` on that are `wanted`.
    fn run(&self, at: usize, wanted: &str) -> usize {
        self.graphemes[at..].iter().take_while(|(_, grapheme)| *grapheme == wanted).count()
    }

    fn end_words(&mut self, end: usize) {
        if self.words < end {
            self.push(self.words, end, TokenKind::Piece(SpanKind::Text));
        }
    }

    fn push(&mut self, from: usize, to: usize, what: TokenKind) {
        self.tokens.push(Token { at: from, text: &self.line[from..to], what });
        self.words = to;
    }

    /// Reads code between two runs of the same number of backticks. Returns the number of graphemes read.
    fn code(&mut self, at: usize) -> usize {
        let ticks = self.run(at, "`");
        let mut end = at + ticks;
        while end < self.graphemes.len() {
            match self.run(end, "`") {
                0 => end += 1,
                run if run == ticks => {
                    let (open, from, to) = (self.offset(at), self.offset(at + ticks), self.offset(end));
                    self.end_words(open);
                    self.push(from, to, TokenKind::Piece(SpanKind::Code));
                    self.words = self.offset(end + ticks);
                    return end + ticks - at;
                }
                run => end += run,
            }
        }
        ticks
    }

    /// Reads a run of marks. A run that is longer than any mark is text.
    fn emphasis(&mut self, at: usize, sign: &str) -> usize {
        let length = self.run(at, sign);
        let before = at.checked_sub(1).and_then(|before| self.graphemes[before].1.chars().next_back());
        let after = self.graphemes.get(at + length).and_then(|(_, after)| after.chars().next());
        let opens = may_stand_before_mark(before) && after.is_some_and(|c| !c.is_whitespace());
        // `src/*` is a path, and `\*` is a star. Behind a link the mark counts.
        let is_after_words = self.words < self.offset(at);
        let is_of_path = |c: char| is_after_words && matches!(c, '\\' | '/');
        let closes =
            may_stand_after_mark(after) && before.is_some_and(|c| !c.is_whitespace() && !is_of_path(c));
        let marks: &[EmphasisMark] = match (sign, length) {
            ("_", 1) => &[EmphasisMark::Underscore],
            ("*", 1) => &[EmphasisMark::Star],
            ("*", 2) => &[EmphasisMark::Bold],
            ("*", 3) if closes => &[EmphasisMark::Star, EmphasisMark::Bold],
            ("*", 3) => &[EmphasisMark::Bold, EmphasisMark::Star],
            _ => return length,
        };
        if opens || closes {
            let mut from = self.offset(at);
            self.end_words(from);
            for &mark in marks {
                let to = from + if mark == EmphasisMark::Bold { 2 } else { 1 };
                self.push(from, to, TokenKind::EmphasisMark { mark, opens, closes, is_paired: false });
                from = to;
            }
        }
        length
    }

    fn link(&mut self, at: usize) -> usize {
        let start = self.offset(at);
        if self.line[..start].chars().next_back().is_some_and(is_of_word) {
            return 1;
        }
        let length = address::length(&self.line[start..]);
        if length == 0 {
            return 1;
        }
        self.end_words(start);
        self.push(start, start + length, TokenKind::Piece(SpanKind::Link));
        self.graphemes[at..].iter().take_while(|(offset, _)| *offset < start + length).count()
    }
}

/// True if a word, and so emphasis, may begin after this character.
fn may_stand_before_mark(c: Option<char>) -> bool {
    c.is_none_or(|c| c.is_whitespace() || is_wide(c) || "([{<\"'“‘«„*_~-–—:>".contains(c))
}

/// True if a word, and so emphasis, may end before this character.
fn may_stand_after_mark(c: Option<char>) -> bool {
    c.is_none_or(|c| c.is_whitespace() || is_wide(c) || ".,;:!?)]}>\"'”’»“*_~-–—…".contains(c))
}

/// True for letters of scripts without spaces between words.
fn is_wide(c: char) -> bool {
    width::is_wide(c)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() && !is_wide(c)
}

/// Pairs each closing mark with its opening one.
fn pair(tokens: &mut [Token<'_>]) {
    let mut open: Vec<(EmphasisMark, usize)> = Vec::new();
    for at in 0..tokens.len() {
        let TokenKind::EmphasisMark { mark, opens, closes, .. } = tokens[at].what else { continue };
        match open.iter().rposition(|(other, _)| *other == mark) {
            Some(place) if closes => {
                let begin = open[place].1;
                open.truncate(place);
                for end in [begin, at] {
                    if let TokenKind::EmphasisMark { is_paired, .. } = &mut tokens[end].what {
                        *is_paired = true;
                    }
                }
            }
            None if opens => open.push((mark, at)),
            _ => {}
        }
    }
}

/// Turns tokens into spans. Paired marks are removed, others become words.
fn join<'a>(line: &'a str, tokens: &[Token<'a>]) -> Vec<Span<'a>> {
    let mut spans: Vec<Span<'a>> = Vec::with_capacity(tokens.len());
    // Emphasis with stars and with underscores may be nested.
    let (mut bold, mut star, mut underscore) = (false, false, false);
    for token in tokens {
        let kind = match token.what {
            TokenKind::EmphasisMark { mark, is_paired: true, .. } => {
                match mark {
                    EmphasisMark::Bold => bold = !bold,
                    EmphasisMark::Star => star = !star,
                    EmphasisMark::Underscore => underscore = !underscore,
                }
                continue;
            }
            TokenKind::EmphasisMark { .. } => SpanKind::Text,
            TokenKind::Piece(kind) => kind,
        };
        let span = Span { at: token.at, text: token.text, kind, bold, italic: star || underscore };
        match spans.last_mut() {
            Some(last)
                if last.at + last.text.len() == span.at
                    && (last.kind, last.bold, last.italic) == (SpanKind::Text, span.bold, span.italic)
                    && span.kind == SpanKind::Text =>
            {
                last.text = &line[last.at..span.at + span.text.len()];
            }
            _ => spans.push(span),
        }
    }
    spans
}
