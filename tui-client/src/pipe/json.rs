//! Lines of JSON that are safe to show: the wire's objects, escaped.
//!
//! A line that the sanitizer leaves unchanged is printed unchanged. In any other line each control, zero-width and
//! unprintable character is written as `\u` and four digits. A JSON reader gets the same text, and a terminal gets
//! letters. Pipes are treated alike, since a terminal may be behind them.

use std::fmt::Write;

use realtime_shared::name::is_name_char;

use crate::{sanitize, width};

/// Escapes characters that a terminal might not show. In JSON they occur in strings only.
pub(super) fn escape(json: String) -> String {
    if sanitize::block(&json).as_str() == json {
        return json;
    }
    let mut escaped = String::with_capacity(2 * json.len());
    for c in json.chars() {
        if is_plain(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // A write to a string cannot fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn is_plain(c: char) -> bool {
    is_name_char(c) && !c.is_control() && !width::may_be_zero(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use realtime_shared::{EntryEvent, ServerEvent, codec};

    use super::*;
    use crate::pipe::feed::testing::message;
    use crate::pipe::printed::PrintedEntry;

    fn line(text: &str) -> String {
        PrintedEntry(EntryEvent::Message(message(1, text))).json()
    }

    fn is_harmless(c: char) -> bool {
        !c.is_control() && !width::may_be_zero(c) && is_name_char(c)
    }

    #[test]
    fn plain_json_is_unchanged() {
        for text in ["hello", "日本語", "Việt Nam", "👩\u{200D}👩\u{200D}👧", "e\u{301}", "a \"b\" \\"]
        {
            let json = codec::encode(&ServerEvent::from(message(1, text)));
            assert_eq!(line(text), json);
        }
    }

    #[test]
    fn characters_that_do_not_show_are_escaped() {
        let json = line("a\u{202e}b\u{200b}❤\u{fe0f}\u{e0041}日\n\t");
        assert!(json.contains(r"a\u202eb\u200b❤\ufe0f\udb40\udc41日\n\t"), "{json}");
    }

    proptest! {
        #[test]
        fn json_stays_the_same_and_harmless(text in any::<String>(), hostile in "[\u{1b}\u{9b}\u{200b}\u{202e}\u{301}\u{13430}a❤]{0,40}") {
            let json = serde_json::to_string(&[&text, &hostile]).expect("JSON");
            let escaped = escape(json.clone());
            let read: Vec<String> = serde_json::from_str(&escaped).expect("JSON");
            prop_assert_eq!(read, [text, hostile]);
            prop_assert!(escaped == json || escaped.chars().all(is_harmless), "{}", escaped);
            prop_assert!(!escaped.contains(char::is_control));
        }
    }
}
