//! What is wrong in a text, and in which line.

use std::fmt;
use std::ops::Range;

use crate::sanitize::{self, Line};

/// A fault is not longer than this, in characters, whatever the text has.
const FAULT_CHARS: usize = 240;

/// The longest name that another one is suggested for, in bytes.
const NAME_BYTES: usize = 40;

/// Something that is wrong. Its text says what, and what would be right; it is fit to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1. None: it is about the whole text.
    pub line: Option<usize>,
    what: Line,
}

impl Fault {
    pub(crate) fn new(line: Option<usize>, what: &str) -> Self {
        let mut short: String = what.chars().take(FAULT_CHARS).collect();
        if short.len() < what.len() {
            short.push('…');
        }
        Self { line, what: sanitize::line(&short) }
    }
}

impl fmt::Display for Fault {
    /// `12: what`, to be put behind the name of the file and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.what),
            None => write!(f, " {}", self.what),
        }
    }
}

/// Something that is wrong, at a place of the text.
#[derive(Debug)]
pub(super) struct Wrong {
    /// In bytes.
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

impl Wrong {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into() }
    }
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect())
    }

    /// The number of the line that has the byte at `place`.
    pub(super) fn number(&self, place: usize) -> usize {
        1 + self.0.partition_point(|begin| *begin <= place)
    }

    /// The line of that number without its newline, in a text of so many bytes.
    pub(super) fn range(&self, number: usize, bytes: usize) -> Range<usize> {
        let begin = number.checked_sub(2).and_then(|before| self.0.get(before)).copied().unwrap_or(0);
        begin..self.0.get(number - 1).map_or(bytes, |next| next - 1)
    }
}

/// `; did you mean …?`, where one of `known` is so like `name` that it may be meant; nothing otherwise.
pub(super) fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    if name.len() > NAME_BYTES {
        return String::new();
    }
    let name = name.to_lowercase().replace('-', "_");
    let distances = known.into_iter().map(|other| (strsim::damerau_levenshtein(&name, other), other));
    match distances.min_by_key(|(distance, _)| *distance) {
        Some((distance, other)) if distance <= 1 + other.len() / 4 && distance < other.len() => {
            format!("; did you mean `{other}`?")
        }
        _ => String::new(),
    }
}
