//! Replacement of lone surrogates: JSON escapes may contain them, Rust strings may not.

use std::borrow::Cow;

/// Replaces each escape of a lone surrogate by U+FFFD.
pub(super) fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    // The search for one byte is the fastest, and most texts have no escapes.
    if !(text.contains('\\') && (text.contains("\\ud") || text.contains("\\uD"))) {
        return Cow::Borrowed(text);
    }
    let bytes = text.as_bytes();
    let mut fixed = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            at += 1;
            continue;
        }
        let length = match (escaped_unit(bytes, at), escaped_unit(bytes, at + 6)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                fixed.push_str(&text[copied..at]);
                fixed.push_str("\\uFFFD");
                copied = at + 6;
                6
            }
            _ => 2,
        };
        at += length;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    fixed.push_str(&text[copied..]);
    Cow::Owned(fixed)
}

/// The UTF-16 code unit of the escape `\uXXXX` at byte `at`.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let escape = bytes.get(at..at + 6)?;
    if !escape.starts_with(b"\\u") {
        return None;
    }
    let digits = std::str::from_utf8(&escape[2..]).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}
