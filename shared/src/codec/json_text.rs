//! JSON text that is written part by part.

use serde::Serialize;

/// JSON text under construction.
pub(super) struct JsonText(Vec<u8>);

impl JsonText {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self(Vec::with_capacity(bytes))
    }

    /// Appends a text that is JSON already, or a part of it.
    pub(super) fn raw(&mut self, json: &str) {
        self.0.extend_from_slice(json.as_bytes());
    }

    /// Appends a string.
    pub(super) fn string(&mut self, text: &str) {
        if has_escapes(text) {
            return self.value(text);
        }
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    /// Appends a value of this crate's types, which cannot fail.
    pub(super) fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        serde_json::to_writer(&mut self.0, value).expect("a value without failing parts");
    }

    pub(super) fn into_string(self) -> String {
        String::from_utf8(self.0).expect("JSON is UTF-8")
    }
}

/// Returns true if the text has characters that JSON escapes in a string.
fn has_escapes(text: &str) -> bool {
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    // Without an early end, many bytes are compared at once.
    text.bytes().fold(0, |any, byte| any | u8::from(is_escaped(byte))) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_the_one_that_serde_json_writes() {
        for c in ('\0'..='\u{ff}').chain(['\u{2028}', '🦀']) {
            for text in [format!("{c}"), format!("{}{c}x", "y".repeat(40))] {
                let mut json = JsonText::with_capacity(0);
                json.string(&text);
                assert_eq!(json.into_string(), serde_json::to_string(&text).expect("a string"), "{c:?}");
            }
        }
    }
}
