//! Writer of JSON in any layout: a [`Style`] decides on escapes and white space.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// A layout of JSON: patterns of escapes and white space, applied in turn and repeated.
#[derive(Debug, Clone)]
pub(super) struct Style {
    escapes: Vec<Escape>,
    gaps: Vec<&'static str>,
}

/// The form of the next character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// Unescaped, or the short escape if JSON requires one.
    Short,
    /// Escaped UTF-16 code units in lower case.
    Lower,
    /// Escaped UTF-16 code units in upper case.
    Upper,
    /// A lone surrogate for U+FFFD, which decodes to U+FFFD; [`Escape::Short`] for other characters.
    Lone,
}

pub(super) fn style() -> impl Strategy<Value = Style> {
    let escape = prop_oneof![
        6 => Just(Escape::Short),
        1 => Just(Escape::Lower),
        1 => Just(Escape::Upper),
        1 => Just(Escape::Lone),
    ];
    let gap = prop_oneof![4 => Just(""), 1 => select(&[" ", "\n", "\t", "\r\n ", "   "])];
    (vec(escape, 1..16), vec(gap, 1..16)).prop_map(|(escapes, gaps)| Style { escapes, gaps })
}

/// Writer of one text in a [`Style`].
pub(super) struct Writer<'a> {
    style: &'a Style,
    text: String,
    characters: usize,
    gaps: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(style: &'a Style) -> Self {
        Self { style, text: String::new(), characters: 0, gaps: 0 }
    }

    /// Writes an object with these fields in this order. The values are JSON text.
    pub(super) fn object(mut self, fields: &[(String, String)]) -> String {
        self.gap();
        self.text.push('{');
        for (index, (key, value)) in fields.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.gap();
            self.string(key);
            self.gap();
            self.text.push(':');
            self.gap();
            self.text.push_str(value);
            self.gap();
        }
        self.gap();
        self.text.push('}');
        self.gap();
        self.text
    }

    /// Writes a value.
    pub(super) fn value(mut self, value: &Value) -> String {
        self.any(value);
        self.text
    }

    fn any(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.string(text),
            Value::Object(fields) => {
                self.text.push('{');
                for (index, (key, value)) in fields.iter().enumerate() {
                    if index > 0 {
                        self.text.push(',');
                    }
                    self.gap();
                    self.string(key);
                    self.text.push(':');
                    self.gap();
                    self.any(value);
                }
                self.text.push('}');
            }
            other => self.text.push_str(&other.to_string()),
        }
    }

    fn gap(&mut self) {
        self.text.push_str(self.style.gaps[self.gaps % self.style.gaps.len()]);
        self.gaps += 1;
    }

    fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            let escape = self.style.escapes[self.characters % self.style.escapes.len()];
            self.characters += 1;
            match (escape, c) {
                (Escape::Lower, _) => self.units(c, |unit| format!("\\u{unit:04x}")),
                (Escape::Upper, _) => self.units(c, |unit| format!("\\u{unit:04X}")),
                (Escape::Lone, '\u{FFFD}') => self.text.push_str("\\uDEAD"),
                (Escape::Lone, '/') => self.text.push_str("\\/"),
                (_, '"') => self.text.push_str("\\\""),
                (_, '\\') => self.text.push_str("\\\\"),
                (_, '\n') => self.text.push_str("\\n"),
                (_, '\t') => self.text.push_str("\\t"),
                (_, '\u{8}') => self.text.push_str("\\b"),
                (_, '\0'..='\u{1F}') => self.units(c, |unit| format!("\\u{unit:04x}")),
                _ => self.text.push(c),
            }
        }
        self.text.push('"');
    }

    fn units(&mut self, c: char, escaped: impl Fn(u16) -> String) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            self.text.push_str(&escaped(*unit));
        }
    }
}
