//! Sanitizer: remote text → text that is safe to show.
//!
//! Every remote string (a text, a name, an error) becomes a [`Line`] or a [`Block`] before the model stores it, and the
//! screen accepts nothing else. Only this module creates them.
//!
//! Invariants of the result:
//! - It contains no control character except the newlines of a block. A complete escape sequence and a single control
//!   become one U+FFFD each; the text after an unfinished sequence stays.
//! - It contains no bidi mark, override or isolate, line separator, tag, filler, soft hyphen, variation selector
//!   (ratatui 0.30.2 draws U+FE0F wrongly) or other invisible character; they are removed.
//! - Its only zero-width characters are combining marks, and a joiner between two emoji.
//! - A grapheme has at most [`CLUSTER_CHARS`] characters, and at most [`MARKS`] marks in a row.
//! - It has at most [`LINE_CHARS`] or [`BLOCK_CHARS`] characters.
//!
//! Sanitizing is idempotent: the decision about a character depends only on the characters kept before it.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use unicode_segmentation::UnicodeSegmentation;

use crate::width;

/// Most combining marks in a row on a base: Vietnamese needs two, Hebrew with points and accents four.
pub const MARKS: usize = 4;
/// Most characters of a grapheme: a Sanskrit conjunct has nine, a family with skin tones eleven.
pub const CLUSTER_CHARS: usize = 16;
/// Longest line, in characters. Names have at most 64, errors of the server some more.
pub const LINE_CHARS: usize = 1_024;
/// Longest block, in characters: a message of [`realtime_shared::name::TEXT_CHARS`] tabs.
pub const BLOCK_CHARS: usize = TAB.len() * realtime_shared::name::TEXT_CHARS;

/// Replacement of a tab in a block.
const TAB: &str = "    ";
/// Longest escape sequence, in characters. A longer one counts as text behind a single control.
const SEQUENCE_CHARS: usize = 256;
/// Replacement of controls and escape sequences.
const REPLACEMENT: char = '\u{FFFD}';
/// Base of a combining mark that has none.
const DOTTED_CIRCLE: char = '\u{25CC}';
/// Joins emoji into one grapheme.
const JOINER: char = '\u{200D}';

/// Text for one line of a screen: no newline, no tab. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Line(Arc<str>);

/// Text for several lines of a screen, separated by newlines.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Block {
    text: Box<str>,
    /// Boxed, because few texts have tabs.
    tabs: Option<Box<TabOffsets>>,
}

/// Offsets of the spaces that replace a tab, ascending. [`BLOCK_CHARS`] characters have fewer bytes than 2^16.
#[derive(Clone, PartialEq, Eq, Hash)]
struct TabOffsets(Box<[u16]>);

/// Sanitizes `text` for one line: newlines and tabs become spaces.
#[must_use]
pub fn line(text: &str) -> Line {
    Line(clean(text, TextKind::Line, &mut Vec::new()).into())
}

/// Sanitizes `text` for several lines: newlines stay, and a tab becomes four spaces.
#[must_use]
pub fn block(text: &str) -> Block {
    let mut tabs = Vec::new();
    let text: Box<str> = clean(text, TextKind::Block, &mut tabs).into();
    // The end of a text that is too long is cut.
    tabs.retain(|at| text.get(usize::from(*at)..).is_some_and(|rest| rest.starts_with(TAB)));
    let tabs = (!tabs.is_empty()).then(|| Box::new(TabOffsets(tabs.into())));
    Block { text, tabs }
}

impl Line {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Block {
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the ranges of spaces that replace a tab, in order.
    pub fn tabs(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let offsets = self.tabs.as_ref().map_or(&[][..], |tabs| &tabs.0);
        offsets.iter().map(|at| usize::from(*at)..usize::from(*at) + TAB.len())
    }

    /// Returns the memory of the text, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.text.len() + self.tabs.as_ref().map_or(0, |tabs| size_of::<u16>() * tabs.0.len())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TextKind {
    Line,
    Block,
}

impl TextKind {
    const fn limit(self) -> usize {
        match self {
            Self::Line => LINE_CHARS,
            Self::Block => BLOCK_CHARS,
        }
    }

    const fn newline(self) -> &'static str {
        match self {
            Self::Line => " ",
            Self::Block => "\n",
        }
    }

    const fn tab(self) -> &'static str {
        match self {
            Self::Line => " ",
            Self::Block => TAB,
        }
    }
}

/// Cleans `text`, and adds the offsets of the replaced tabs.
fn clean<'a>(text: &'a str, kind: TextKind, tabs: &mut Vec<u16>) -> Cow<'a, str> {
    let plain = |b: u8| matches!(b, b' '..=b'~') || (b == b'\n' && kind == TextKind::Block);
    if text.len() <= kind.limit() && text.bytes().all(plain) {
        return Cow::Borrowed(text);
    }
    let mut kept = Kept::new(text.len().min(4 * kind.limit()), kind.limit());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let mut read = c.len_utf8();
        match c {
            '\r' if rest[read..].starts_with('\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => kept.push_plain(kind.newline()),
            '\t' => {
                tabs.extend(u16::try_from(kept.text.len()));
                kept.push_plain(kind.tab());
            }
            _ if c.is_control() => {
                read = sequence_len(rest);
                kept.push(REPLACEMENT);
            }
            _ if is_noncharacter(c) => kept.push(REPLACEMENT),
            _ if is_invisible(c) => {}
            _ => kept.push(c),
        }
        if kept.is_full() {
            break;
        }
        rest = &rest[read..];
    }
    Cow::Owned(kept.text)
}

/// The text kept so far, with the grapheme that may still grow.
struct Kept {
    text: String,
    chars: usize,
    limit: usize,
    /// The last grapheme is `text[cluster..]`.
    cluster: usize,
    cluster_chars: usize,
    /// Number of marks at the end of the last grapheme.
    marks: usize,
    /// A joiner is pending until an emoji follows.
    joiner: bool,
    full: bool,
}

impl Kept {
    fn new(bytes: usize, limit: usize) -> Self {
        Self {
            text: String::with_capacity(bytes),
            chars: 0,
            limit,
            cluster: 0,
            cluster_chars: 0,
            marks: 0,
            joiner: false,
            full: false,
        }
    }

    const fn is_full(&self) -> bool {
        self.full
    }

    /// Appends newlines and spaces.
    fn push_plain(&mut self, text: &str) {
        self.joiner = false;
        for c in text.chars() {
            self.begin(c);
        }
    }

    /// Appends `c` if the rules allow it.
    fn push(&mut self, c: char) {
        if c == JOINER {
            self.joiner = true;
            return;
        }
        let joiner = std::mem::take(&mut self.joiner);
        if c.is_ascii() {
            self.begin(c);
        } else if joiner && self.ends_with_emoji() && is_pictographic(c) {
            if self.cluster_chars + 2 <= CLUSTER_CHARS {
                self.append(JOINER);
                self.append(c);
                self.marks = 0;
            } else {
                self.begin(c);
            }
        } else if self.would_grow(c) {
            self.grow(c);
        } else if !width::may_be_zero(c) {
            self.begin(c);
        } else if is_one_grapheme(&['a', c]) {
            self.begin(DOTTED_CIRCLE);
            self.grow(c);
        } else {
            self.begin(REPLACEMENT);
        }
    }

    /// Begins a grapheme.
    fn begin(&mut self, c: char) {
        self.cluster = self.text.len();
        self.cluster_chars = 0;
        self.marks = 0;
        self.append(c);
    }

    /// Extends the last grapheme, within its bounds.
    fn grow(&mut self, c: char) {
        let is_mark = width::may_be_zero(c);
        if self.cluster_chars < CLUSTER_CHARS && !(is_mark && self.marks >= MARKS) {
            self.marks = if is_mark { self.marks + 1 } else { 0 };
            self.append(c);
        }
    }

    fn append(&mut self, c: char) {
        if self.chars < self.limit {
            self.text.push(c);
            self.chars += 1;
            self.cluster_chars += 1;
        } else if !self.full {
            self.full = true;
            while self.text.len() > self.cluster {
                self.text.pop();
            }
            if self.text.chars().count() == self.limit {
                self.text.pop();
            }
            self.text.push('…');
        }
    }

    fn last_grapheme(&self) -> &str {
        &self.text[self.cluster..]
    }

    /// True if `c` would become part of the last grapheme.
    fn would_grow(&self, c: char) -> bool {
        let last = self.last_grapheme();
        let mut with = String::with_capacity(last.len() + c.len_utf8());
        with.push_str(last);
        with.push(c);
        !last.is_empty() && with.graphemes(true).nth(1).is_none()
    }

    /// True if the last grapheme ends with an emoji, or one with a skin tone.
    fn ends_with_emoji(&self) -> bool {
        let mut back = self.last_grapheme().chars().rev();
        let last = match back.next() {
            Some('\u{1F3FB}'..='\u{1F3FF}') => back.next(),
            last => last,
        };
        last.is_some_and(is_pictographic)
    }
}

/// True if a joiner can join `c` to the emoji before it (UAX #29, rule GB11).
fn is_pictographic(c: char) -> bool {
    !c.is_ascii() && is_one_grapheme(&['\u{1F600}', JOINER, c]) && !is_one_grapheme(&['a', c])
}

fn is_one_grapheme(chars: &[char]) -> bool {
    chars.iter().collect::<String>().graphemes(true).nth(1).is_none()
}

const fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{FDD0}'..='\u{FDEF}') || (c as u32) & 0xFFFE == 0xFFFE
}

/// Characters that are invisible or change how others are shown: bidi controls, zero-width characters except the emoji
/// joiner, variation selectors, fillers, tags, annotations, and formats of scripts that terminals do not lay out.
const fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{13430}'..='\u{13455}' | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Length in bytes of the escape sequence at the start of `text` (ECMA-48). If the control begins no sequence, or the
/// sequence does not end, returns the length of the control.
fn sequence_len(text: &str) -> usize {
    let mut chars = text.char_indices().take(SEQUENCE_CHARS).peekable();
    let first = chars.next().map_or(0, |(_, c)| c.len_utf8());
    let introducer = match text.chars().next() {
        Some('\u{1B}') => match chars.next() {
            Some((_, c @ '\u{40}'..='\u{5F}')) => char::from_u32(u32::from(c) + 0x40),
            Some((at, '\u{30}'..='\u{7E}')) => return at + 1,
            Some((_, '\u{20}'..='\u{2F}')) => {
                return chars
                    .find(|(_, c)| !matches!(c, '\u{20}'..='\u{2F}'))
                    .filter(|(_, c)| matches!(c, '\u{30}'..='\u{7E}'))
                    .map_or(first, |(at, _)| at + 1);
            }
            _ => None,
        },
        other => other,
    };
    match introducer {
        // CSI: parameters and intermediates, then a final byte.
        Some('\u{9B}') => chars
            .find(|(_, c)| !matches!(c, '\u{20}'..='\u{3F}'))
            .filter(|(_, c)| matches!(c, '\u{40}'..='\u{7E}'))
            .map_or(first, |(at, _)| at + 1),
        // DCS, SOS, OSC, PM, APC: anything until the string terminator, or xterm's BEL.
        Some('\u{90}' | '\u{98}' | '\u{9D}'..='\u{9F}') => {
            while let Some((at, c)) = chars.next() {
                match c {
                    '\u{7}' => return at + 1,
                    '\u{9C}' => return at + c.len_utf8(),
                    '\u{1B}' if matches!(chars.peek(), Some((_, '\\'))) => return at + 2,
                    _ => {}
                }
            }
            first
        }
        // The other two-character sequences.
        Some('\u{80}'..='\u{9F}') if text.starts_with('\u{1B}') => first + 1,
        _ => first,
    }
}

#[cfg(test)]
mod tests;
