//! Words after an `@`: the users that a text without a list of mentions may mention.

use unicode_normalization::char::is_combining_mark;

use crate::field::MENTIONS;
use crate::name::UserId;

/// The users that the text may mention, each once, in Unicode normalization form C: for each `@word` the user of that id.
/// At most 20; there may be no such users.
///
/// A word has letters, digits, `_`, `-` and `.`, and ends with none of the last two. The `@` follows none of these
/// characters, so a mail address has no such word.
#[must_use]
pub fn named_users(text: &str) -> Vec<UserId> {
    let mut users = Vec::new();
    for (at, _) in text.match_indices('@') {
        if text[..at].chars().next_back().is_some_and(is_word_char) {
            continue;
        }
        let rest = &text[at + 1..];
        let end = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
        let word = rest[..end].trim_end_matches(['.', '-']);
        let Some(user) = UserId::new(word).ok().and_then(|user| user.to_nfc().ok()) else { continue };
        if !users.contains(&user) {
            users.push(user);
            if users.len() == MENTIONS {
                break;
            }
        }
    }
    users
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.') || is_combining_mark(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        named_users(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn words_after_an_at_sign_are_named() {
        for (text, expected) in [
            ("hello", &[][..]),
            ("@bob", &["bob"]),
            ("hello @bob, @alice-2: (@carol_x) @dan.", &["bob", "alice-2", "carol_x", "dan"]),
            ("@alice.smith... @bob's", &["alice.smith", "bob"]),
            ("@bob and @bob", &["bob"]),
            ("alice@example.org .@x @ @@bob @-", &["bob"]),
            ("@花子 @Zoë @Zoe\u{308}", &["花子", "Zoë"]),
            ("line\n@bob\t@carol", &["bob", "carol"]),
        ] {
            assert_eq!(names(text), expected, "{text:?}");
        }
    }

    #[test]
    fn at_most_20_users_are_named() {
        let words: Vec<_> = (0..30).map(|number| format!("@u{number}")).collect();
        assert_eq!(names(&words.join(" ")).len(), MENTIONS);
        assert!(names(&format!("@{}", "a".repeat(65))).is_empty(), "no user id");
    }
}
