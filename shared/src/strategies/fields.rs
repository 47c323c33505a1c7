//! Generators of the fields of frames.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use unicode_normalization::UnicodeNormalization;

use crate::field::{EMOJI_NAME_CHARS, Emoji, MENTIONS, Mentions, Posting, SLOW_MODE_SECONDS, SlowMode};
use crate::name::{ClientMsgId, EntryId, LINE_CHARS, Line, Nonce, Ref, RoomName, Text, UserId};
use crate::name::{NAME_CHARS, TEXT_CHARS, TOKEN_CHARS, is_name_char, is_token_char};
use crate::position::{Epoch, Position, Seq};
use crate::timestamp::Timestamp;

/// Longest unlimited string (`prefix`, `token`, `nonce`, the server's messages), in characters. Only the frame's size
/// limits them.
const FREE_CHARS: usize = 200;

/// Characters that parsers often mishandle: quotes, escapes, separators, combining and wide characters, surrogate
/// pairs.
const TRICKY: &[char] = &[
    '"',
    '\\',
    '/',
    '{',
    '}',
    '<',
    '&',
    ' ',
    '#',
    ':',
    'ü',
    'é',
    'Ж',
    '日',
    '\u{301}',
    '🦀',
    '\u{FFFD}',
    '\u{10FFFD}',
];

pub(super) fn character() -> impl Strategy<Value = char> {
    prop_oneof![6 => prop::char::range('a', 'z'), 2 => select(TRICKY), 1 => any::<char>()]
}

/// Mostly short strings, some up to the maximum length.
pub(super) fn string(
    character: impl Strategy<Value = char> + Clone + 'static,
    chars: RangeInclusive<usize>,
) -> impl Strategy<Value = String> {
    let (least, most) = chars.into_inner();
    let collect = |chars: Vec<char>| chars.into_iter().collect::<String>();
    prop_oneof![
        8 => vec(character.clone(), least..=most.min(24)).prop_map(collect),
        1 => vec(character.clone(), least..=most.min(400)).prop_map(collect),
        1 => (character, least..=most).prop_map(|(one, count)| one.to_string().repeat(count)),
    ]
    .boxed()
}

pub(super) fn free_string() -> impl Strategy<Value = String> {
    string(any::<char>(), 0..=FREE_CHARS)
}

/// A name in normalization form C, in which a server founds rooms and compares users.
pub(super) fn name() -> impl Strategy<Value = String> {
    let name_char = character().prop_map(|c| if is_name_char(c) { c } else { 'x' }).boxed();
    string(name_char, 1..=NAME_CHARS).prop_map(|name| {
        let name: String = name.nfc().take(NAME_CHARS).collect();
        match name.trim() {
            "" => "x".into(),
            trimmed => trimmed.into(),
        }
    })
}

/// A room's name; some are reserved (`dm:…`).
pub fn room_name() -> impl Strategy<Value = RoomName> {
    prop_oneof![
        9 => name(),
        1 => name().prop_map(|name| format!("dm:{}", name.chars().take(NAME_CHARS - 3).collect::<String>().trim_end())),
    ]
    .prop_map(|name| checked(RoomName::new(&name)))
}

pub fn user_id() -> impl Strategy<Value = UserId> {
    name().prop_map(|name| checked(UserId::new(&name)))
}

/// The text of a message, with newlines, tabs, invisible and bidi characters, which are all valid.
pub fn text() -> impl Strategy<Value = Text> {
    let text_char =
        prop_oneof![8 => character(), 1 => select(&['\n', '\t', '\u{202E}', '\u{200B}', '\u{FEFF}'])]
            .prop_map(|c| if c.is_control() && c != '\n' && c != '\t' { 'x' } else { c })
            .boxed();
    string(text_char, 1..=TEXT_CHARS).prop_map(|text| checked(Text::new(&text)))
}

pub(super) fn token_char() -> impl Strategy<Value = char> + Clone + 'static {
    any::<char>().prop_map(|c| if is_token_char(c) { c } else { 'x' }).boxed()
}

pub fn client_msg_id() -> impl Strategy<Value = ClientMsgId> {
    string(token_char(), 1..=TOKEN_CHARS).prop_map(|id| checked(ClientMsgId::new(&id)))
}

/// The `ref` of a request.
pub fn reference() -> impl Strategy<Value = Ref> {
    string(token_char(), 0..=TOKEN_CHARS).prop_map(|reference| checked(Ref::new(&reference)))
}

/// The `nonce` of a ping.
pub fn nonce() -> impl Strategy<Value = Nonce> {
    string(token_char(), 0..=FREE_CHARS).prop_map(|nonce| checked(Nonce::new(&nonce)))
}

/// A position: the start, or after any entry of any log.
pub fn position() -> impl Strategy<Value = Position> {
    let at = (epoch(), seq(), entry_id()).prop_map(|(epoch, seq, id)| match seq {
        Seq::ZERO => Position::Start,
        seq => Position::At { epoch, seq, id },
    });
    prop_oneof![1 => Just(Position::Start), 4 => at]
}

/// An emoji, in one or two forms, or the name of one.
pub fn emoji() -> impl Strategy<Value = Emoji> {
    let known = select(&[
        "👍",
        "❤",
        "❤\u{FE0F}",
        "🇩🇪",
        "1\u{FE0F}\u{20E3}",
        "👩\u{200D}💻",
        "👍🏽",
        "🏴\u{200D}☠\u{FE0F}",
    ])
    .prop_map(str::to_owned);
    let name =
        (1..=EMOJI_NAME_CHARS, "[a-z0-9_+-]").prop_map(|(count, one)| format!(":{}:", one.repeat(count)));
    prop_oneof![4 => known, 1 => name].prop_map(|text| checked(Emoji::new(&text)))
}

pub(super) fn mentions() -> impl Strategy<Value = Mentions> {
    prop_oneof![4 => vec(user_id(), 0..4), 1 => vec(user_id(), MENTIONS)]
        .prop_map(|users| checked(Mentions::new(users)))
}

/// A single line, perhaps an empty one.
pub fn line() -> impl Strategy<Value = Line> {
    let line_char = character().prop_map(|c| if Line::new(&c.to_string()).is_ok() { c } else { 'x' }).boxed();
    string(line_char, 0..=LINE_CHARS).prop_map(|text| checked(Line::new(&text)))
}

pub(super) fn slow_mode() -> impl Strategy<Value = SlowMode> {
    (0..=SLOW_MODE_SECONDS).prop_map(|seconds| SlowMode::new(seconds).expect("at most a day"))
}

pub(super) fn posting() -> impl Strategy<Value = Posting> {
    select(&[Posting::Everyone, Posting::Moderators])
}

pub(super) fn checked<T, E: std::fmt::Display>(value: Result<T, E>) -> T {
    value.unwrap_or_else(|error| panic!("a strategy generated a value that {error}"))
}

pub(super) fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![
        entry_id().prop_map(Epoch::from_id),
        "[ -~]{1,64}".prop_map(|text| Epoch::new(&text).expect("1 to 64 bytes")),
    ]
}

pub(super) fn seq() -> impl Strategy<Value = Seq> {
    prop_oneof![4 => 0..10_000_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)].prop_map(Seq::new)
}

pub(super) fn entry_id() -> impl Strategy<Value = EntryId> {
    any::<u128>().prop_map(EntryId::from_u128)
}

pub(super) fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}
