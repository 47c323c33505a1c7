//! Emphasis, code and links in one line.
//!
//! The line is read into pieces and marks; then each mark that closes looks for the one that opened. At most one mark
//! of a kind is open at a time, so that is looked for among three.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

use super::address;
use super::span::{Kind, Span};

/// What emphasis is written with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Bold,
    Star,
    Underscore,
}

#[derive(Debug)]
struct Token<'a> {
    at: usize,
    text: &'a str,
    what: What,
}

#[derive(Debug)]
enum What {
    Piece(Kind),
    Mark {
        mark: Mark,
        opens: bool,
        closes: bool,
        /// It has its counterpart.
        is_paired: bool,
    },
}

/// The spans of a line, in their order; none where nothing is in it.
pub(super) fn spans(line: &str) -> Vec<Span<'_>> {
    if line.is_empty() {
        return Vec::new();
    }
    // A link has a colon.
    if !line.bytes().any(|byte| matches!(byte, b'*' | b'_' | b'`' | b':')) {
        return vec![Span { at: 0, text: line, kind: Kind::Text, bold: false, italic: false }];
    }
    let mut tokens = Reader::new(line).read();
    pair(&mut tokens);
    join(line, &tokens)
}

struct Reader<'a> {
    line: &'a str,
    graphemes: Vec<(usize, &'a str)>,
    tokens: Vec<Token<'a>>,
    /// Where the words begin that are in no token yet.
    words: usize,
}

impl<'a> Reader<'a> {
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

    /// Where the grapheme of that index begins.
    fn offset(&self, index: usize) -> usize {
        self.graphemes.get(index).map_or(self.line.len(), |(offset, _)| *offset)
    }

    /// How many graphemes are `wanted`, one after another from `at` on.
    fn run(&self, at: usize, wanted: &str) -> usize {
        self.graphemes[at..].iter().take_while(|(_, grapheme)| *grapheme == wanted).count()
    }

    fn end_words(&mut self, end: usize) {
        if self.words < end {
            self.push(self.words, end, What::Piece(Kind::Text));
        }
    }

    fn push(&mut self, from: usize, to: usize, what: What) {
        self.tokens.push(Token { at: from, text: &self.line[from..to], what });
        self.words = to;
    }

    /// Code between two runs of as many backticks; how many graphemes were read.
    fn code(&mut self, at: usize) -> usize {
        let ticks = self.run(at, "`");
        let mut end = at + ticks;
        while end < self.graphemes.len() {
            match self.run(end, "`") {
                0 => end += 1,
                run if run == ticks => {
                    let (open, from, to) = (self.offset(at), self.offset(at + ticks), self.offset(end));
                    self.end_words(open);
                    self.push(from, to, What::Piece(Kind::Code));
                    self.words = self.offset(end + ticks);
                    return end + ticks - at;
                }
                run => end += run,
            }
        }
        ticks
    }

    /// A run of marks. More than there are meanings is text.
    fn emphasis(&mut self, at: usize, sign: &str) -> usize {
        let length = self.run(at, sign);
        let before = at.checked_sub(1).and_then(|before| self.graphemes[before].1.chars().next_back());
        let after = self.graphemes.get(at + length).and_then(|(_, after)| after.chars().next());
        let opens = may_stand_before_mark(before) && after.is_some_and(|c| !c.is_whitespace());
        // `src/*` is a path, and `\*` a star; after a link the mark is one.
        let is_after_words = self.words < self.offset(at);
        let is_of_path = |c: char| is_after_words && matches!(c, '\\' | '/');
        let closes =
            may_stand_after_mark(after) && before.is_some_and(|c| !c.is_whitespace() && !is_of_path(c));
        let marks: &[Mark] = match (sign, length) {
            ("_", 1) => &[Mark::Underscore],
            ("*", 1) => &[Mark::Star],
            ("*", 2) => &[Mark::Bold],
            ("*", 3) if closes => &[Mark::Star, Mark::Bold],
            ("*", 3) => &[Mark::Bold, Mark::Star],
            _ => return length,
        };
        if opens || closes {
            let mut from = self.offset(at);
            self.end_words(from);
            for &mark in marks {
                let to = from + if mark == Mark::Bold { 2 } else { 1 };
                self.push(from, to, What::Mark { mark, opens, closes, is_paired: false });
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
        self.push(start, start + length, What::Piece(Kind::Link));
        self.graphemes[at..].iter().take_while(|(offset, _)| *offset < start + length).count()
    }
}

/// Emphasis begins where a word may.
fn may_stand_before_mark(c: Option<char>) -> bool {
    c.is_none_or(|c| c.is_whitespace() || is_wide(c) || "([{<\"'“‘«„*_~-–—:>".contains(c))
}

/// Emphasis ends where a word may.
fn may_stand_after_mark(c: Option<char>) -> bool {
    c.is_none_or(|c| c.is_whitespace() || is_wide(c) || ".,;:!?)]}>\"'”’»“*_~-–—…".contains(c))
}

/// Letters of scripts that have no spaces between words.
fn is_wide(c: char) -> bool {
    c.width() == Some(2)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() && !is_wide(c)
}

/// Finds for each mark that closes the one that opened.
fn pair(tokens: &mut [Token<'_>]) {
    let mut open: Vec<(Mark, usize)> = Vec::new();
    for at in 0..tokens.len() {
        let What::Mark { mark, opens, closes, .. } = tokens[at].what else { continue };
        match open.iter().rposition(|(other, _)| *other == mark) {
            Some(place) if closes => {
                let begin = open[place].1;
                open.truncate(place);
                for end in [begin, at] {
                    if let What::Mark { is_paired, .. } = &mut tokens[end].what {
                        *is_paired = true;
                    }
                }
            }
            None if opens => open.push((mark, at)),
            _ => {}
        }
    }
}

/// Tokens → spans: marks that have a counterpart are left out, others are words.
fn join<'a>(line: &'a str, tokens: &[Token<'a>]) -> Vec<Span<'a>> {
    let mut spans: Vec<Span<'a>> = Vec::with_capacity(tokens.len());
    // Stars and underscores may be nested in each other.
    let (mut bold, mut star, mut underscore) = (false, false, false);
    for token in tokens {
        let kind = match token.what {
            What::Mark { mark, is_paired: true, .. } => {
                match mark {
                    Mark::Bold => bold = !bold,
                    Mark::Star => star = !star,
                    Mark::Underscore => underscore = !underscore,
                }
                continue;
            }
            What::Mark { .. } => Kind::Text,
            What::Piece(kind) => kind,
        };
        let span = Span { at: token.at, text: token.text, kind, bold, italic: star || underscore };
        match spans.last_mut() {
            Some(last)
                if last.at + last.text.len() == span.at
                    && (last.kind, last.bold, last.italic) == (Kind::Text, span.bold, span.italic)
                    && span.kind == Kind::Text =>
            {
                last.text = &line[last.at..span.at + span.text.len()];
            }
            _ => spans.push(span),
        }
    }
    spans
}
