//! Checked names, texts and ids: each value that exists is valid.
//!
//! Every length limit of the wire is defined here and nowhere else. Names have no invisible characters, so that two
//! different rooms do not look the same on a screen.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use ulid::Ulid;
use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::timestamp::Timestamp;

/// Longest room name and user id, in Unicode scalar values.
pub const NAME_CHARS: usize = 64;
/// Longest message text, in Unicode scalar values.
pub const TEXT_CHARS: usize = 4_000;
/// Longest `client_msg_id`, `ref` and `nonce`, in Unicode scalar values.
pub const TOKEN_CHARS: usize = 64;
/// Longest topic, reason and search query, in Unicode scalar values.
pub const LINE_CHARS: usize = 250;
/// The beginning of the name of a direct room, and the number of letters after it, which are from [`BASE32`].
pub(crate) const DIRECT_PREFIX: &str = "dm:";
pub(crate) const DIRECT_LETTERS: usize = 26;
/// The alphabet of base32 (RFC 4648), in lower case.
pub(crate) const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The reason why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("is empty")]
    Empty,
    /// Longer than this number of characters.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// A character that [`is_name_char`] refuses.
    #[error("has the character U+{0:04X}, which names may not have")]
    Character(u32),
    /// White space at the start or the end.
    #[error("has white space at its start or end")]
    Padding,
}

/// The reason why a text cannot be a message, or a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    #[error("is empty")]
    Empty,
    #[error("is longer than {TEXT_CHARS} characters")]
    TooLong,
    /// A control character other than newline and tab.
    #[error("has the control character U+{0:04X}; only newline and tab are text")]
    Control(u32),
    /// A line that is longer than [`LINE_CHARS`].
    #[error("is longer than {LINE_CHARS} characters")]
    LongLine,
    /// A line with a control character or a line separator.
    #[error("has the character U+{0:04X}, which a single line may not have")]
    NotOneLine(u32),
}

/// Returns true if a name may have the character `c`: it is visible, or combines with a visible one.
///
/// The function refuses controls, line and paragraph separators, bidi controls, zero-width characters, variation
/// selectors, tags, invisible fillers, interlinear annotations and noncharacters.
#[must_use]
pub fn is_name_char(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{2800}' | '\u{3164}' | '\u{FDD0}'..='\u{FDEF}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}')
        || u32::from(c) & 0xFFFE == 0xFFFE)
}

/// Returns true if an id that the server repeats (`client_msg_id`, `ref`, `nonce`) may have the character `c`.
///
/// The function refuses controls, line and paragraph separators, and bidi controls: in a log or on a terminal they
/// would change other text.
#[must_use]
pub fn is_token_char(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'))
}

fn check_name(text: &str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_CHARS && text.chars().count() > NAME_CHARS {
        return Err(NameError::TooLong(NAME_CHARS));
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(NameError::Padding);
    }
    // Most names, at the cost of one comparison a byte. Each posted frame has a name.
    if is_printable_ascii(text) {
        return Ok(());
    }
    match text.chars().find(|&c| !is_name_char(c)) {
        Some(c) => Err(NameError::Character(c.into())),
        None => Ok(()),
    }
}

fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

fn check_token(text: &str) -> Result<(), NameError> {
    check_stored_token(text)?;
    check_nonce(text)
}

/// The rules for a `client_msg_id` that is in a log already, perhaps from a version with fewer rules.
fn check_stored_token(text: &str) -> Result<(), NameError> {
    if text.is_empty() { Err(NameError::Empty) } else { check_token_length(text) }
}

fn check_echo(text: &str) -> Result<(), NameError> {
    check_token_length(text)?;
    check_nonce(text)
}

fn check_token_length(text: &str) -> Result<(), NameError> {
    if text.len() > TOKEN_CHARS && text.chars().count() > TOKEN_CHARS {
        return Err(NameError::TooLong(TOKEN_CHARS));
    }
    Ok(())
}

fn check_nonce(text: &str) -> Result<(), NameError> {
    if is_printable_ascii(text) {
        return Ok(());
    }
    match text.chars().find(|&c| !is_token_char(c)) {
        Some(c) => Err(NameError::Character(c.into())),
        None => Ok(()),
    }
}

fn check_text(text: &str) -> Result<(), TextError> {
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > TEXT_CHARS && text.chars().count() > TEXT_CHARS {
        return Err(TextError::TooLong);
    }
    if has_no_control_byte(text) {
        return Ok(());
    }
    match text.chars().find(|&c| c.is_control() && c != '\n' && c != '\t') {
        Some(c) => Err(TextError::Control(c.into())),
        None => Ok(()),
    }
}

/// True for most texts without control characters, newline and tab apart, and for no other text.
fn has_no_control_byte(text: &str) -> bool {
    /// First byte of U+0080 to U+009F, and of a few other characters.
    const UPPER_CONTROL: u8 = 0xC2;
    let may_be_control =
        |byte: u8| (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0x7F || byte == UPPER_CONTROL;
    // Without an early end, many bytes are compared at once.
    text.bytes().fold(0, |any, byte| any | u8::from(may_be_control(byte))) == 0
}

/// The rules for a text in a log: that of a deleted message is empty.
fn check_stored_text(text: &str) -> Result<(), TextError> {
    if text.is_empty() { Ok(()) } else { check_text(text) }
}

fn check_line(text: &str) -> Result<(), TextError> {
    if text.len() > LINE_CHARS && text.chars().count() > LINE_CHARS {
        return Err(TextError::LongLine);
    }
    match text.chars().find(|&c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        Some(c) => Err(TextError::NotOneLine(c.into())),
        None => Ok(()),
    }
}

/// Deserializes a string and parses it without a copy.
pub(crate) fn read_str<'de, D, T, E>(deserializer: D, parse: fn(&str) -> Result<T, E>) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    E: fmt::Display,
{
    struct Parse<T, E>(fn(&str) -> Result<T, E>);
    impl<T, E: fmt::Display> serde::de::Visitor<'_> for Parse<T, E> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }
        fn visit_str<F: serde::de::Error>(self, text: &str) -> Result<T, F> {
            (self.0)(text).map_err(F::custom)
        }
    }
    deserializer.deserialize_str(Parse(parse))
}

/// Defines a checked, shared, immutable string.
macro_rules! checked {
    ($(#[$doc:meta])* $name:ident, $check:path, $error:ty) => {
        checked!($(#[$doc])* $name, $check, $error, read: $check);
    };
    // `read` is the check of a value in a frame of a server or a file.
    ($(#[$doc:meta])* $name:ident, $check:path, $error:ty, read: $check_read:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and copies it.
            pub fn new(text: &str) -> Result<Self, $error> {
                $check(text)?;
                Ok(Self(text.into()))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                Self::new(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                read_str(deserializer, |text| {
                    $check_read(text)?;
                    Ok::<_, $error>(Self(text.into()))
                })
            }
        }
    };
}

checked!(
    /// The name of a room: 1–64 characters that [`is_name_char`] accepts, no white space at either end.
    RoomName, check_name, NameError
);
checked!(
    /// The id of a user (`sub` in a token). It follows the rules of a [`RoomName`].
    UserId, check_name, NameError
);
checked!(
    /// A client's id for a message: 1–64 characters that [`is_token_char`] accepts, random, new for each message. The
    /// server stores one message for each user, room and id.
    ///
    /// An id that is deserialized may have other characters: logs have entries that are older than this rule.
    ClientMsgId, check_token, NameError, read: check_stored_token
);
checked!(
    /// A client's id for a request, copied into the answer: at most 64 characters that [`is_token_char`] accepts.
    Ref, check_echo, NameError
);
checked!(
    /// A client's id for a ping, copied into the pong: characters that [`is_token_char`] accepts. Only the frame's size
    /// limits its length.
    Nonce, check_nonce, NameError
);
checked!(
    /// The text of a message: 1–4,000 characters, not trimmed, no control characters except newline and tab. The text of
    /// a deleted message is empty.
    Text, check_text, TextError, read: check_stored_text
);
checked!(
    /// A single line: a topic or a reason. At most 250 characters, perhaps none, without control characters.
    Line, check_line, TextError
);

impl Text {
    /// The text of a deleted message.
    #[must_use]
    pub fn deleted() -> Self {
        Self("".into())
    }

    /// Returns true if it is the text of a deleted message.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Line {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Default for Line {
    fn default() -> Self {
        Self("".into())
    }
}

impl RoomName {
    /// Returns the name in Unicode normalization form C; `None` if it is in that form.
    ///
    /// Names that look alike and differ in their form are different rooms. So a server founds rooms in this form only.
    #[must_use]
    pub fn to_nfc(&self) -> Option<String> {
        nfc(&self.0)
    }

    /// Returns true if the name is reserved: for direct rooms (`dm:`), which only their users may use, or for later use
    /// (`sys:`).
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with(DIRECT_PREFIX) || self.0.starts_with("sys:")
    }

    /// Returns true if the name is that of a [direct room](crate::DirectPair): `dm:` and 26 letters.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        self.0.strip_prefix(DIRECT_PREFIX).is_some_and(|letters| {
            letters.len() == DIRECT_LETTERS && letters.bytes().all(|letter| BASE32.contains(&letter))
        })
    }

    /// A name that is known to be valid.
    pub(crate) fn of_checked(name: &str) -> Self {
        debug_assert!(check_name(name).is_ok());
        Self(name.into())
    }
}

impl UserId {
    /// Returns the id in Unicode normalization form C, in which a server compares users. Fails if that form is too long.
    pub fn to_nfc(&self) -> Result<Self, NameError> {
        nfc(&self.0).map_or_else(|| Ok(self.clone()), |normal| Self::new(&normal))
    }
}

/// The text in normalization form C; `None` if it is in that form.
fn nfc(text: &str) -> Option<String> {
    // Most names are ASCII, which has one form.
    (!text.is_ascii() && !is_nfc(text)).then(|| text.nfc().collect())
}

/// The identity of an entry: a ULID, generated by the instance that accepted the entry. Ids have no order.
///
/// Stored as big-endian bytes: the alignment of a `u128` would enlarge every type with an id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId([u8; 16]);

/// Space for the text of an [`EntryId`].
pub(crate) type EntryIdText = [u8; ulid::ULID_LEN];

impl EntryId {
    /// An id from a time and the low 80 bits of `random`.
    #[must_use]
    pub fn from_parts(ts: Timestamp, random: u128) -> Self {
        Self::from_u128(Ulid::from_parts(ts.millis(), random).0)
    }

    /// The time in the id, at which the entry was accepted.
    #[must_use]
    pub fn made_at(self) -> Timestamp {
        Timestamp::from_millis(self.ulid().timestamp_ms())
    }

    /// The id as a number. [`EntryId::from_u128`] is the inverse.
    #[must_use]
    pub fn to_u128(self) -> u128 {
        u128::from_be_bytes(self.0)
    }

    /// The id of a number from [`EntryId::to_u128`].
    #[must_use]
    pub fn from_u128(number: u128) -> Self {
        Self(number.to_be_bytes())
    }

    /// Writes the text of the id to a buffer.
    pub(crate) fn write(self, buffer: &mut EntryIdText) -> &str {
        self.ulid().array_to_str(buffer)
    }

    fn ulid(self) -> Ulid {
        Ulid(self.to_u128())
    }
}

impl FromStr for EntryId {
    type Err = ulid::DecodeError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // 26 letters of 5 bits have 130 bits. With a first letter above 7, two texts would be the same id.
        if text.starts_with(|first| !('0'..='7').contains(&first)) {
            return Err(ulid::DecodeError::InvalidChar);
        }
        Ulid::from_string(text).map(|ulid| Self::from_u128(ulid.0))
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.ulid(), f)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for EntryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.write(&mut EntryIdText::default()))
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        read_str(deserializer, str::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_names_have_the_rules_of_all_names() {
        for c in (0..128_u8).map(char::from) {
            assert_eq!(RoomName::new(&format!("a{c}b")).is_ok(), is_name_char(c), "{c:?}");
        }
    }

    #[test]
    fn names_accept_visible_characters() {
        for good in ["a", "chat-general", "büro 7", "日本", "🦀", &"x".repeat(64), &"ü".repeat(64)] {
            assert!(RoomName::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn names_refuse_invisible_characters_padding_and_excess_length() {
        use NameError::{Character, Empty, Padding, TooLong};
        for (bad, why) in [
            ("", Empty),
            (" a", Padding),
            ("a\u{3000}", Padding),
            ("a\nb", Character(10)),
            ("a\u{1b}[2J", Character(0x1b)),
            ("a\u{9b}2J", Character(0x9b)),
            ("a\u{202e}b", Character(0x202e)),
            ("a\u{2066}b", Character(0x2066)),
            ("a\u{200b}b", Character(0x200b)),
            ("a\u{200d}b", Character(0x200d)),
            ("a\u{feff}", Character(0xfeff)),
            ("a\u{2028}b", Character(0x2028)),
            ("\u{3164}", Character(0x3164)),
            ("a\u{e0041}", Character(0xe0041)),
            ("a\u{1ffff}", Character(0x1ffff)),
            (&"ü".repeat(65), TooLong(64)),
        ] {
            assert_eq!(RoomName::new(bad), Err(why), "{bad:?}");
            assert_eq!(UserId::new(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_name_has_one_normalization_form() {
        let room = |name| RoomName::new(name).expect("a name");
        for (name, form) in [
            ("caf\u{e9}", None),
            ("cafe\u{301}", Some("caf\u{e9}")),
            ("lobby", None),
            ("\u{1100}\u{1161}", Some("\u{ac00}")),
            ("\u{212b}", Some("\u{c5}")),
            ("a\u{323}\u{307}", Some("\u{1ea1}\u{307}")),
            ("a\u{307}\u{323}", Some("\u{1ea1}\u{307}")),
            ("\u{958}", Some("\u{915}\u{93c}")),
            ("ﬁle", None),
        ] {
            assert_eq!(room(name).to_nfc().as_deref(), form, "{name:?}");
        }
        let user = |id: &str| UserId::new(id).expect("a user id");
        assert_eq!(user("Ame\u{301}lie").to_nfc(), Ok(user("Am\u{e9}lie")));
        assert_eq!(user("Am\u{e9}lie").to_nfc(), Ok(user("Am\u{e9}lie")));
        assert_eq!(user(&"\u{958}".repeat(64)).to_nfc(), Err(NameError::TooLong(64)));
    }

    #[test]
    fn ids_that_are_repeated_refuse_controls_and_bidi_controls() {
        let controls =
            ['\0', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{85}', '\u{9b}', '\u{2028}', '\u{2029}'];
        let bidi = ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'];
        for bad in controls.into_iter().chain(bidi) {
            let (text, why) = (format!("a{bad}b"), NameError::Character(bad.into()));
            assert_eq!(ClientMsgId::new(&text), Err(why), "{bad:?}");
            assert_eq!(Ref::new(&text), Err(why), "{bad:?}");
            assert_eq!(Nonce::new(&text), Err(why), "{bad:?}");
        }
        for good in [" ", "a b", "ü🦀", "{\"a\":1}", "\u{200d}", "\u{feff}"] {
            assert!(ClientMsgId::new(good).is_ok() && Ref::new(good).is_ok() && Nonce::new(good).is_ok());
        }
        assert_eq!(ClientMsgId::new(""), Err(NameError::Empty));
        assert!(Ref::new("").is_ok() && Nonce::new("").is_ok());
        assert!(Nonce::new(&"x".repeat(60_000)).is_ok());
    }

    #[test]
    fn an_id_in_a_log_may_be_older_than_the_rules() {
        let id: ClientMsgId = serde_json::from_str(r#""a\nb""#).expect("an id");
        assert_eq!(id.as_str(), "a\nb");
        assert!(serde_json::from_str::<ClientMsgId>("\"\"").is_err());
        assert!(serde_json::from_str::<Ref>(r#""a\nb""#).is_err());
    }

    #[test]
    fn texts_keep_newline_and_tab_and_are_not_trimmed() {
        assert_eq!(Text::new(" a\n\tb ").expect("a text").as_str(), " a\n\tb ");
        assert_eq!(Text::new(""), Err(TextError::Empty));
        assert_eq!(Text::new("\r"), Err(TextError::Control(13)));
        assert_eq!(Text::new("\u{7f}"), Err(TextError::Control(0x7f)));
        assert!(Text::new(&"ü".repeat(4_000)).is_ok());
        assert_eq!(Text::new(&"ü".repeat(4_001)), Err(TextError::TooLong));
    }

    /// Texts of the most frequent characters are checked in another way than others.
    #[test]
    fn a_text_refuses_exactly_the_control_characters() {
        for c in ('\0'..='\u{17f}').chain(['\u{2028}', '\u{fffd}', '🦀']) {
            let is_refused = c.is_control() && c != '\n' && c != '\t';
            let refused = Err(TextError::Control(c.into()));
            for text in [format!("{c}"), format!("{}{c}ü", "x".repeat(40))] {
                let checked = Text::new(&text).map(|text| text.as_str().to_owned());
                assert_eq!(checked, if is_refused { refused.clone() } else { Ok(text) }, "{c:?}");
            }
        }
    }

    #[test]
    fn only_the_text_of_a_deleted_message_is_empty() {
        assert_eq!(serde_json::from_str::<Text>("\"\"").expect("a text"), Text::deleted());
        assert!(Text::deleted().is_empty() && !Text::new("a").expect("a text").is_empty());
    }

    #[test]
    fn a_line_has_at_most_250_characters_and_no_control_characters() {
        assert!(Line::new("").expect("a line").is_empty());
        assert!(Line::new(&"ü".repeat(250)).is_ok());
        assert_eq!(Line::new(&"ü".repeat(251)), Err(TextError::LongLine));
        for bad in ['\n', '\t', '\u{1b}', '\u{85}', '\u{2028}'] {
            assert_eq!(Line::new(&format!("a{bad}")), Err(TextError::NotOneLine(bad.into())), "{bad:?}");
        }
    }

    #[test]
    fn each_entry_id_has_exactly_one_text() {
        let largest = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
        let id: EntryId = largest.parse().expect("an id");
        assert_eq!(id.to_u128(), u128::MAX);
        assert_eq!(id.to_string(), largest);
        assert_eq!(largest.to_lowercase().parse::<EntryId>(), Ok(id));
        for bad in
            ["", "8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "7ZZZZZZZZZZZZZZZZZZZZZZZZ", "7ZZZZZZZZZZZZZZZZZZZZZZZZU"]
        {
            assert!(bad.parse::<EntryId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_that_begin_with_dm_are_reserved() {
        assert!(RoomName::new("dm:alice").expect("a name").is_reserved());
        assert!(RoomName::new("sys:hooks").expect("a name").is_reserved());
        assert!(!RoomName::new("dmz").expect("a name").is_reserved());
        assert!(!RoomName::new("dm:alice").expect("a name").is_direct());
    }
}
