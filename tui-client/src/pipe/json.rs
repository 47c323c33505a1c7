//! A message as a line of JSON: the wire's object, with its epoch wherever that is known.
//!
//! A line that the sanitizer would leave as it is goes as it is. In any other each character that is a control, has no
//! width of its own or is no mark on a screen is written as `\u` and four digits: for a reader of JSON that is the same
//! text, and for a terminal it is letters. This holds also where standard output is no terminal, since what is behind
//! it may be one.

use std::fmt::Write;

use realtime_shared::name::is_name_char;
use realtime_shared::{Message, ServerEvent, codec};
use unicode_width::UnicodeWidthChar;

use crate::sanitize;

/// The line, without its end.
pub(super) fn line(message: Message) -> String {
    escape(codec::encode(&ServerEvent::Message(message)))
}

/// Writes what a terminal might not show as it is in ASCII. Outside of strings JSON has no such character.
fn escape(json: String) -> String {
    if sanitize::block(&json).as_str() == json {
        return json;
    }
    let mut escaped = String::with_capacity(2 * json.len());
    for c in json.chars() {
        if is_plain(c) {
            escaped.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        }
    }
    escaped
}

fn is_plain(c: char) -> bool {
    is_name_char(c) && c.width().is_some_and(|width| width > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::pipe::feed::testing::message;

    fn is_harmless(c: char) -> bool {
        !c.is_control() && c.width().unwrap_or(0) > 0 && is_name_char(c)
    }

    #[test]
    fn what_is_plain_stays() {
        for text in ["hello", "日本語", "Việt Nam", "👩\u{200D}👩\u{200D}👧", "e\u{301}", "a \"b\" \\"]
        {
            let json = codec::encode(&ServerEvent::Message(message(1, text)));
            assert_eq!(line(message(1, text)), json);
        }
    }

    #[test]
    fn what_is_not_shown_is_escaped() {
        let json = line(message(1, "a\u{202e}b\u{200b}❤\u{fe0f}\u{e0041}日\n\t"));
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
