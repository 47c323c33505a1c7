//! Generators of typed frames and of their fields.
//!
//! Large strategies are boxed: a strategy's values live on the stack, and a union has room for all its parts.

use std::ops::RangeInclusive;

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use unicode_normalization::UnicodeNormalization;

use crate::error::ErrorCode;
use crate::event::{
    Ack, ClientEvent, ClientFrame, EntryEvent, ErrorEvent, History, Joined, LeaveReason, Left, Limits,
    Members, Message, Notice, Ping, Pong, Post, Recovery, Resync, RoomSummary, Rooms, ServerEvent,
    ServerFrame, SystemEvent, TokenExpiring, Typing, Welcome,
};
use crate::name::{ClientMsgId, EntryId, Nonce, Ref, RoomName, Text, UserId};
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

fn character() -> impl Strategy<Value = char> {
    prop_oneof![6 => prop::char::range('a', 'z'), 2 => select(TRICKY), 1 => any::<char>()]
}

/// Mostly short strings, some up to the maximum length.
fn string(
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

fn free_string() -> impl Strategy<Value = String> {
    string(any::<char>(), 0..=FREE_CHARS)
}

/// A name in normalization form C, in which a server founds rooms and compares users.
fn name() -> impl Strategy<Value = String> {
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

fn token_char() -> impl Strategy<Value = char> + Clone + 'static {
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

/// Every client event.
pub fn client_event() -> impl Strategy<Value = ClientEvent> {
    prop_oneof![
        (room_name(), of(position())).prop_map(|(room, since)| ClientEvent::JoinRoom { room, since }),
        room_name().prop_map(|room| ClientEvent::LeaveRoom { room }),
        (room_name(), text(), of(client_msg_id()))
            .prop_map(|(room, text, client_msg_id)| ClientEvent::Message(Post { room, text, client_msg_id })),
        (room_name(), any::<bool>()).prop_map(|(room, is_typing)| ClientEvent::Typing { room, is_typing }),
        of(nonce()).prop_map(|nonce| ClientEvent::Ping(Ping { nonce })),
        history_request(),
        room_name().prop_map(|room| ClientEvent::Members { room }),
        (of(free_string()), of(any::<u32>()))
            .prop_map(|(prefix, limit)| ClientEvent::ListRooms { prefix, limit }),
        free_string().prop_map(|token| ClientEvent::Refresh { token }),
        notice_request(),
    ]
    .boxed()
}

/// Every client frame, with or without a `ref`.
pub fn client_frame() -> impl Strategy<Value = ClientFrame> {
    (client_event(), of(reference())).prop_map(|(event, reference)| ClientFrame { event, reference })
}

/// Every server event except [`ServerEvent::Unknown`], which a server never sends.
pub fn server_event() -> impl Strategy<Value = ServerEvent> {
    let members = vec(user_id(), 0..12);
    let rooms = vec(room_summary(), 0..8);
    prop_oneof![
        4 => system_event().prop_map(ServerEvent::System),
        2 => entry_event().prop_map(ServerEvent::from),
        1 => (room_name(), user_id(), any::<bool>())
            .prop_map(|(room, user_id, is_typing)| ServerEvent::Typing(Typing { room, user_id, is_typing })),
        1 => (of(nonce()), timestamp()).prop_map(|(nonce, ts)| ServerEvent::Pong(Pong { nonce, ts })),
        1 => ack().prop_map(ServerEvent::Ack),
        1 => history().prop_map(ServerEvent::History),
        1 => (room_name(), members, any::<u64>()).prop_map(|(room, members, member_count)| {
            ServerEvent::Members(Members { room, members, member_count })
        }),
        1 => (rooms, any::<bool>()).prop_map(|(rooms, has_more)| ServerEvent::Rooms(Rooms { rooms, has_more })),
        1 => timestamp().prop_map(|expires_at| ServerEvent::Refreshed { expires_at }),
        2 => error().prop_map(ServerEvent::Error),
    ]
    .boxed()
}

/// Every server frame, with or without the `ref` of a request.
pub fn server_frame() -> impl Strategy<Value = ServerFrame> {
    (server_event(), of(reference())).prop_map(|(event, reference)| ServerFrame { event, reference })
}

/// An entry of every kind.
pub fn entry_event() -> impl Strategy<Value = EntryEvent> {
    message().prop_map(EntryEvent::Message)
}

fn message() -> impl Strategy<Value = Message> {
    (room_name(), user_id(), text(), seq(), entry_id(), timestamp(), of(client_msg_id()), of(epoch()))
        .prop_map(|(room, from, text, seq, id, ts, client_msg_id, epoch)| Message {
            room,
            from,
            text,
            seq,
            id,
            ts,
            client_msg_id,
            epoch,
        })
}

/// A page of history, with entries of every kind.
pub fn history() -> impl Strategy<Value = History> {
    (room_name(), of(epoch()), vec(entry_event().prop_map(ServerEvent::from), 0..5), any::<bool>())
        .prop_map(|(room, epoch, messages, has_more)| History { room, epoch, messages, has_more })
}

fn checked<T, E: std::fmt::Display>(value: Result<T, E>) -> T {
    value.unwrap_or_else(|error| panic!("a strategy generated a value that {error}"))
}

fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![
        entry_id().prop_map(Epoch::from_id),
        "[ -~]{1,64}".prop_map(|text| Epoch::new(&text).expect("1 to 64 bytes")),
    ]
}

fn seq() -> impl Strategy<Value = Seq> {
    prop_oneof![4 => 0..10_000_u64, 1 => any::<u64>(), 1 => Just(u64::MAX)].prop_map(Seq::new)
}

fn entry_id() -> impl Strategy<Value = EntryId> {
    any::<u128>().prop_map(EntryId::from_u128)
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_millis)
}

fn history_request() -> impl Strategy<Value = ClientEvent> {
    let side = prop_oneof![
        Just((None, None)),
        seq().prop_map(|before| (Some(before), None)),
        seq().prop_map(|after| (None, Some(after))),
    ];
    (room_name(), side, of(any::<u32>())).prop_map(|(room, (before, after), limit)| ClientEvent::History {
        room,
        before,
        after,
        limit,
    })
}

fn notice_request() -> impl Strategy<Value = ClientEvent> {
    let receiver = prop_oneof![
        Just((None, None)),
        room_name().prop_map(|room| (Some(room), None)),
        user_id().prop_map(|user_id| (None, Some(user_id))),
    ];
    (text(), receiver).prop_map(|(message, (room, user_id))| ClientEvent::Notice { message, room, user_id })
}

fn system_event() -> impl Strategy<Value = SystemEvent> {
    prop_oneof![
        (free_string(), user_id(), any::<u64>(), timestamp(), limits()).prop_map(
            |(message, user_id, online_count, expires_at, limits)| {
                SystemEvent::Welcome(Welcome { message, user_id, online_count, expires_at, limits })
            }
        ),
        joined().prop_map(SystemEvent::Joined),
        (free_string(), room_name(), user_id(), any::<u64>(), reason(), others()).prop_map(
            |(message, room, user_id, member_count, reason, (others, others_count))| {
                let left = Left { message, room, user_id, member_count, reason, others, others_count };
                SystemEvent::Left(left)
            }
        ),
        (free_string(), room_name(), position(), recovery()).prop_map(
            |(message, room, position, recovery)| {
                SystemEvent::Resync(Resync { message, room, position, recovery })
            }
        ),
        (free_string(), timestamp()).prop_map(|(message, expires_at)| SystemEvent::TokenExpiring(
            TokenExpiring { message, expires_at }
        )),
        (text(), user_id(), of(room_name())).prop_map(|(message, from, room)| SystemEvent::Notice(Notice {
            message,
            from,
            room
        })),
    ]
    .boxed()
}

fn limits() -> impl Strategy<Value = Limits> {
    any::<[u32; 4]>().prop_map(|[text_chars, frame_bytes, rooms, messages_per_second]| Limits {
        text_chars,
        frame_bytes,
        rooms,
        messages_per_second,
    })
}

fn joined() -> impl Strategy<Value = Joined> {
    (
        free_string(),
        room_name(),
        user_id(),
        vec(user_id(), 0..12),
        any::<u64>(),
        others(),
        of(position()),
        of(recovery()),
    )
        .prop_map(|(message, room, user_id, members, member_count, others, position, recovery)| {
            let (others, others_count) = others;
            Joined { message, room, user_id, members, member_count, others, others_count, position, recovery }
        })
}

/// Users that joined or left together with another one, and their number.
fn others() -> impl Strategy<Value = (Vec<UserId>, u64)> {
    (vec(user_id(), 0..4), 0_u64..100).prop_map(|(named, more)| {
        let count = named.len() as u64 + more;
        (named, count)
    })
}

fn recovery() -> impl Strategy<Value = Recovery> {
    any::<u64>().prop_flat_map(|replayed| {
        select(vec![
            Recovery::Complete { replayed },
            Recovery::Truncated { replayed },
            Recovery::Reset { replayed },
        ])
    })
}

fn reason() -> impl Strategy<Value = LeaveReason> {
    select(&[LeaveReason::Left, LeaveReason::Disconnected, LeaveReason::Kicked])
}

fn ack() -> impl Strategy<Value = Ack> {
    (room_name(), client_msg_id(), epoch(), seq(), entry_id(), timestamp(), any::<bool>()).prop_map(
        |(room, client_msg_id, epoch, seq, id, ts, duplicate)| Ack {
            room,
            client_msg_id,
            epoch,
            seq,
            id,
            ts,
            duplicate,
        },
    )
}

fn room_summary() -> impl Strategy<Value = RoomSummary> {
    (room_name(), any::<u64>(), position(), of(timestamp())).prop_map(
        |(room, member_count, position, last_ts)| RoomSummary { room, member_count, position, last_ts },
    )
}

fn error() -> impl Strategy<Value = ErrorEvent> {
    let code = select(ErrorCode::ALL);
    (code, free_string(), any::<bool>(), of(room_name()), of(client_msg_id()), of(any::<u64>())).prop_map(
        |(code, message, temporary, room, client_msg_id, retry_after_ms)| ErrorEvent {
            code,
            message,
            temporary,
            room,
            client_msg_id,
            retry_after_ms,
        },
    )
}
