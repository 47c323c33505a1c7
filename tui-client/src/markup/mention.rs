//! Mentions of a user in the shown part of a text.
//!
//! A mention is the name as a word, in any case and any normal form. Code and links contain none. The borders of the
//! word follow the scripts of the name and of its neighbour:
//!
//! | neighbour | example | mention |
//! | --- | --- | --- |
//! | space, punctuation, `@` before, emoji | `@alice:`, `(alice)` | yes |
//! | letter of another script | `aliceさん` | yes |
//! | letter, digit or `_` of the same script | `alice2`, `alice_bot`, `malice` | no |
//! | letter of a script without spaces between words | `花子さん` | yes |
//! | Hangul after a name in Hangul: a particle | `철수님` | yes |
//! | `-` or `.` with a letter or digit behind | `alice-2`, `alice.example` | no |
//! | apostrophe | `alice's`, `l'alice` | yes, except in `don't` |
//! | the rest of a mail address, a path or a name of a room | `alice@example.org`, `/home/alice`, `#alice` | no |
//!
//! The borders in scripts without spaces are those of UAX #29. A name of one letter is an ordinary word, so it needs
//! `@` before it, or a colon or a comma behind it at the start of the line.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_script::{Script, UnicodeScript};
use unicode_segmentation::UnicodeSegmentation;

use super::parse::Markup;
use super::span::{Part, Span, SpanKind};
use crate::sanitize::Block;

/// Stands for code and links, which are no part of a word.
const OBJECT: &str = "\u{FFFC}";
/// Small sigma at the end of a word.
const FINAL_SIGMA: char = 'ς';
/// Words that are joined to a name by an apostrophe, in French and Italian.
const ELISIONS: [&str; 15] =
    ["c", "d", "j", "l", "m", "n", "s", "t", "qu", "lorsqu", "puisqu", "jusqu", "dell", "all", "un"];

/// The name of a user, for comparison with texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MentionPattern {
    /// Folded graphemes; never empty.
    name: Vec<String>,
    is_one_letter: bool,
}

impl MentionPattern {
    /// `None` if the name is blank.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let name: Vec<String> = name.trim().graphemes(true).map(folded).collect();
        let is_one_letter = name.len() == 1 && name[0].starts_with(char::is_alphanumeric);
        (!name.is_empty()).then_some(Self { name, is_one_letter })
    }

    /// True if the text mentions the user. `members` are the names of the room: if a longer name stands at a place, the
    /// longest one is mentioned there.
    #[must_use]
    pub fn is_in<'n>(&self, text: &Block, members: impl IntoIterator<Item = &'n str>) -> bool {
        if !self.may_be_in(text.as_str()) {
            return false;
        }
        let rivals = self.rivals(members);
        Markup::parse(text).parts.iter().any(|part| match part {
            Part::Line(spans) | Part::Quote(spans) => {
                !self.places(&ShownLine::new(spans), &rivals).is_empty()
            }
            Part::Title(_) | Part::Code(_) => false,
        })
    }

    /// False if the name is certainly not in the text.
    fn may_be_in(&self, text: &str) -> bool {
        !text.is_ascii() || text.to_ascii_lowercase().contains(&self.name.concat())
    }

    /// Names that contain the name and are longer.
    fn rivals<'n>(&self, members: impl IntoIterator<Item = &'n str>) -> Vec<Self> {
        let others = members.into_iter().filter(|name| name.len() > self.name.len()).filter_map(Self::new);
        others.filter(|other| other.name.len() > self.name.len() && other.contains(self)).collect()
    }

    fn contains(&self, part: &Self) -> bool {
        self.name.windows(part.name.len()).any(|window| window == part.name)
    }

    /// Mentions in a line: ordered, disjoint ranges of its graphemes.
    fn places(&self, line: &ShownLine<'_>, rivals: &[Self]) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = Vec::new();
        for start in 0..line.graphemes.len() {
            let range = start..start + self.name.len();
            let is_free = places.last().is_none_or(|last| last.end <= start);
            if is_free && self.is_word(line, start) && !rivals.iter().any(|rival| rival.covers(line, &range))
            {
                places.push(range);
            }
        }
        places
    }

    /// True if a mention of this name contains the range.
    fn covers(&self, line: &ShownLine<'_>, range: &Range<usize>) -> bool {
        let first = range.end.saturating_sub(self.name.len());
        (first..=range.start).any(|start| self.is_word(line, start))
    }

    /// True if a mention begins at this grapheme.
    fn is_word(&self, line: &ShownLine<'_>, start: usize) -> bool {
        let end = start + self.name.len();
        if line.folded.get(start..end) != Some(self.name.as_slice()) {
            return false;
        }
        let is_free = line.begins_word(start) && line.ends_word(end) && !line.is_in_address(start..end);
        is_free && (!self.is_one_letter || line.is_addressed(start, end))
    }
}

/// Returns the first word behind an `@` that is none of the `names`.
#[must_use]
pub fn find_unknown_name<'n>(text: &Block, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    if !text.as_str().contains(['@', '＠']) {
        return None;
    }
    let markup = Markup::parse(text);
    let lines = markup.parts.iter().filter_map(|part| match part {
        Part::Line(spans) | Part::Quote(spans) => Some(ShownLine::new(spans)),
        Part::Title(_) | Part::Code(_) => None,
    });
    let lines: Vec<ShownLine<'_>> = lines.collect();
    let mut words: Vec<(&ShownLine<'_>, Range<usize>)> =
        lines.iter().flat_map(|line| line.addressees().map(move |word| (line, word))).collect();
    for pattern in names.into_iter().filter_map(MentionPattern::new) {
        if words.is_empty() {
            return None;
        }
        words.retain(|(line, word)| !pattern.is_word(line, word.start));
    }
    let (line, word) = words.into_iter().next()?;
    Some(line.graphemes[word].iter().map(|(_, grapheme)| *grapheme).collect())
}

impl Markup<'_> {
    /// Marks mentions of the user.
    pub fn mark_mentions<'n>(
        &mut self,
        pattern: &MentionPattern,
        members: impl IntoIterator<Item = &'n str>,
    ) {
        let rivals = pattern.rivals(members);
        for part in &mut self.parts {
            if let Part::Line(spans) | Part::Quote(spans) = part {
                let line = ShownLine::new(spans);
                let places: Vec<_> =
                    pattern.places(&line, &rivals).into_iter().map(|range| line.bytes(range)).collect();
                if !places.is_empty() {
                    *spans = spans.iter().flat_map(|span| split(*span, &places)).collect();
                }
            }
        }
    }
}

/// Splits a span at places, which are given in terms of [`Span::at`].
fn split<'a>(span: Span<'a>, places: &[Range<usize>]) -> Vec<Span<'a>> {
    if matches!(span.kind, SpanKind::Link | SpanKind::Code) {
        return vec![span];
    }
    let (begin, end) = (span.at, span.at + span.text.len());
    let mut spans = Vec::new();
    let mut push = |range: Range<usize>, kind| {
        if !range.is_empty() {
            let text = &span.text[range.start - begin..range.end - begin];
            spans.push(Span { at: range.start, text, kind, ..span });
        }
    };
    let mut from = begin;
    for place in places.iter().filter(|place| place.start < end && begin < place.end) {
        let (start, stop) = (place.start.max(begin), place.end.min(end));
        push(from..start, span.kind);
        push(start..stop, SpanKind::Mention);
        from = stop;
    }
    push(from..end, span.kind);
    spans
}

/// A line as shown: without marks, and with one [`OBJECT`] for each piece of code and each link.
struct ShownLine<'a> {
    /// Graphemes with their offsets in the line.
    graphemes: Vec<(usize, &'a str)>,
    folded: Vec<String>,
}

impl<'a> ShownLine<'a> {
    fn new(spans: &[Span<'a>]) -> Self {
        let mut graphemes = Vec::new();
        for span in spans {
            if matches!(span.kind, SpanKind::Code | SpanKind::Link) {
                graphemes.push((span.at, OBJECT));
            } else {
                graphemes.extend(span.text.grapheme_indices(true).map(|(at, text)| (span.at + at, text)));
            }
        }
        let folded = graphemes.iter().map(|(_, grapheme)| folded(grapheme)).collect();
        Self { graphemes, folded }
    }

    /// Bytes of a range of graphemes that is not empty.
    fn bytes(&self, range: Range<usize>) -> Range<usize> {
        let (start, _) = self.graphemes[range.start];
        let (last, text) = self.graphemes[range.end - 1];
        start..last + text.len()
    }

    /// First character of a grapheme; `None` beyond the line.
    fn char(&self, at: Option<usize>) -> Option<char> {
        self.graphemes.get(at?).and_then(|(_, grapheme)| grapheme.chars().next())
    }

    fn begins_word(&self, start: usize) -> bool {
        let (Some(first), before) = (self.char(Some(start)), self.char(start.checked_sub(1))) else {
            return false;
        };
        let further = self.char(start.checked_sub(2));
        match before {
            None => true,
            Some('\'' | '’') if further.is_some_and(is_of_word) => self.is_elision(start - 1),
            Some('-' | '.') => !further.is_some_and(is_of_word),
            Some('#' | '$' | '\\') => false,
            Some(before) => !joins(before, first),
        }
    }

    fn ends_word(&self, end: usize) -> bool {
        let (Some(last), after) = (self.char(end.checked_sub(1)), self.char(Some(end))) else { return false };
        let further = self.char(Some(end + 1));
        match after {
            None => true,
            Some('\'' | '’') if further.is_some_and(is_of_word) => !self.is_negation(end + 1),
            Some('-' | '.') => !further.is_some_and(is_of_word),
            // A particle.
            Some(after) if last.script() == Script::Hangul && after.script() == Script::Hangul => end > 1,
            Some(after) => !joins(last, after),
        }
    }

    /// True if the letters before the apostrophe are a word that is joined to the next one.
    fn is_elision(&self, apostrophe: usize) -> bool {
        let letters = self.folded[..apostrophe].iter().rev();
        let count = letters.take_while(|letter| letter.starts_with(char::is_alphanumeric)).count();
        ELISIONS.contains(&self.folded[apostrophe - count..apostrophe].concat().as_str())
    }

    /// True if `t` follows, and the word ends: `don't`.
    fn is_negation(&self, at: usize) -> bool {
        self.folded[at] == "t" && !self.char(Some(at + 1)).is_some_and(is_of_word)
    }

    /// True if the range is in a mail address, in a path, or behind the scheme of an address.
    fn is_in_address(&self, range: Range<usize>) -> bool {
        let is_space = |at: usize| self.char(Some(at)).is_none_or(|c| c.is_whitespace() || c == '\u{FFFC}');
        let start = (0..range.start).rev().find(|&at| is_space(at)).map_or(0, |space| space + 1);
        let end = (range.end..self.graphemes.len()).find(|&at| is_space(at)).unwrap_or(self.graphemes.len());
        let char = |at| self.char(Some(at));
        let is_mail = (start + 1..end).any(|at| {
            let is_sign = char(at) == Some('@')
                && char(at - 1).is_some_and(is_of_mail)
                && char(at + 1).is_some_and(is_spaced);
            is_sign && (at.min(range.end)..at.max(range.start)).all(|at| char(at).is_some_and(is_of_mail))
        });
        let is_path = match (char(start), char(start + 1)) {
            (Some('/'), _) | (Some('~'), Some('/')) => true,
            (Some('.'), Some('/' | '.')) => (start..range.start).any(|at| char(at) == Some('/')),
            _ => false,
        };
        let is_behind_scheme = (start..range.start.saturating_sub(2))
            .any(|at| char(at) == Some(':') && char(at + 1) == Some('/') && char(at + 2) == Some('/'));
        is_mail || is_path || is_behind_scheme
    }

    /// Words behind an `@`.
    fn addressees(&self) -> impl Iterator<Item = Range<usize>> {
        let is_sign = |at: usize| matches!(self.char(Some(at)), Some('@' | '＠'));
        let signs = (0..self.graphemes.len()).filter(move |&at| is_sign(at));
        let words = signs.map(|sign| {
            let rest = self.graphemes[sign + 1..].iter();
            let is_joint = |c: char| is_of_word(c) || "-.".contains(c);
            let length = rest.take_while(|(_, grapheme)| grapheme.starts_with(is_joint)).count();
            let word = sign + 1..sign + 1 + length;
            let surplus =
                word.clone().rev().take_while(|&at| self.char(Some(at)).is_some_and(|c| "-.".contains(c)));
            word.start..word.end - surplus.count()
        });
        words.filter(|word| !word.is_empty() && !self.is_in_address(word.clone()))
    }

    /// True if `@` is before the name, or a colon or a comma follows it at the start of the line.
    fn is_addressed(&self, start: usize, end: usize) -> bool {
        let is_first = (0..start).all(|at| self.char(Some(at)).is_some_and(char::is_whitespace));
        let before = self.char(start.checked_sub(1));
        matches!(before, Some('@' | '＠'))
            || (is_first && matches!(self.char(Some(end)), Some(':' | ',' | '：' | '，' | '、')))
    }
}

/// Grapheme for comparison: in small letters, and in the normal form NFKC.
fn folded(grapheme: &str) -> String {
    if grapheme.is_ascii() {
        return grapheme.to_ascii_lowercase();
    }
    let small = grapheme.nfkc().flat_map(char::to_lowercase);
    small.map(|c| if c == FINAL_SIGMA { 'σ' } else { c }).nfkc().collect()
}

/// True for letters, digits and the sign that joins words of a name.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_of_mail(c: char) -> bool {
    is_spaced(c) || "._%+-@".contains(c)
}

/// True for letters and digits of scripts with spaces between words.
fn is_spaced(c: char) -> bool {
    is_of_word(c)
        && !is_of_unspaced_script(c)
        && c.script() != Script::Hangul
        && c.script() != Script::Katakana
}

/// True if two neighbours are of one word.
fn joins(a: char, b: char) -> bool {
    let is_common = |script| matches!(script, Script::Common | Script::Inherited);
    let (script_a, script_b) = (a.script(), b.script());
    is_of_word(a)
        && is_of_word(b)
        && (is_common(script_a) || is_common(script_b) || (script_a == script_b && !is_of_unspaced_script(a)))
}

/// True for scripts in which UAX #29 breaks words at every letter, because no space is between words.
fn is_of_unspaced_script(c: char) -> bool {
    use Script::{
        Bopomofo, Han, Hiragana, Khmer, Lao, Myanmar, New_Tai_Lue, Tai_Le, Tai_Tham, Tai_Viet, Thai,
    };
    matches!(
        c.script(),
        Bopomofo | Han | Hiragana | Khmer | Lao | Myanmar | New_Tai_Lue | Tai_Le | Tai_Tham | Tai_Viet | Thai
    )
}

#[cfg(test)]
mod tests;
