//! Faults of a configuration, with their lines.

use std::fmt;
use std::ops::Range;

use crate::sanitize::{self, Line};

/// Longest text of a fault, in characters.
const FAULT_CHARS: usize = 240;

/// Longest name for which a similar one is suggested, in bytes.
const NAME_BYTES: usize = 40;

/// A fault with a text that is safe to show and that names the fix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line, from 1. `None`: the fault concerns the whole text.
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
    /// Writes `12: what`, to follow the file's name and a colon.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{line}: {}", self.what),
            None => write!(f, " {}", self.what),
        }
    }
}

/// A fault at a place of the text.
#[derive(Debug)]
pub(super) struct FaultAt {
    /// Range in bytes.
    pub(super) span: Range<usize>,
    pub(super) what: String,
}

impl FaultAt {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self { span, what: what.into() }
    }
}

/// Offsets at which the lines of a text begin, except the first.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1).collect())
    }

    /// Number of the line that contains the byte at `place`.
    pub(super) fn number(&self, place: usize) -> usize {
        1 + self.0.partition_point(|begin| *begin <= place)
    }

    /// Range of a line without its newline, in a text of `bytes` bytes.
    pub(super) fn range(&self, number: usize, bytes: usize) -> Range<usize> {
        let begin = number.checked_sub(2).and_then(|before| self.0.get(before)).copied().unwrap_or(0);
        begin..self.0.get(number - 1).map_or(bytes, |next| next - 1)
    }
}

/// Returns `; did you mean …?` if one of `known` is similar to `name`, otherwise an empty text.
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
