//! Generators of typed frames.
//!
//! Large strategies are boxed: a strategy's values live on the stack, and a union has room for all its parts.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use super::fields::{
    checked, client_msg_id, emoji, entry_id, epoch, free_string, line, mentions, nonce, position, posting,
    reference, room_name, seq, slow_mode, text, timestamp, user_id,
};
use crate::claims::Role;
use crate::client_event::{ClientEvent, ClientFrame, HistoryRequest, Ping, Post, SearchRequest};
use crate::content::{Change, Content, Delete, Edit, MessageContent, Pin, Reaction, RoomChange};
use crate::entry::EntryFields;
use crate::entry_event::EntryEvent;
use crate::error::{ErrorCode, ErrorScope};
use crate::event::{
    Ack, Covers, ErrorEvent, Found, History, Joined, LeaveReason, Left, Members, Notice, Pong, Recovery,
    Resync, RoomSummary, Rooms, ServerEvent, ServerFrame, SystemEvent, TokenExpiring, Typing,
};
use crate::inbox::{Direct, Inbox, InboxRoom, LastMessage, Notify, NotifyReason, Read};
use crate::message::{Deleted, Message, ReactionCount};
use crate::name::{Line, Text, UserId};
use crate::settings::RoomSettings;
use crate::welcome::{Feature, Limits, ServerProgram, Welcome};

/// Every client event.
pub fn client_event() -> impl Strategy<Value = ClientEvent> {
    prop_oneof![
        1 => (room_name(), of(position())).prop_map(|(room, since)| ClientEvent::JoinRoom { room, since }),
        1 => room_name().prop_map(|room| ClientEvent::LeaveRoom { room }),
        5 => post().prop_map(ClientEvent::Post),
        1 => (room_name(), any::<bool>()).prop_map(|(room, is_typing)| ClientEvent::Typing { room, is_typing }),
        1 => of(nonce()).prop_map(|nonce| ClientEvent::Ping(Ping { nonce })),
        2 => history_request().prop_map(ClientEvent::History),
        1 => (room_name(), of(free_string()), of(any::<u32>()))
            .prop_map(|(room, prefix, limit)| ClientEvent::Members { room, prefix, limit }),
        1 => (of(free_string()), of(any::<u32>()))
            .prop_map(|(prefix, limit)| ClientEvent::ListRooms { prefix, limit }),
        1 => free_string().prop_map(|token| ClientEvent::Refresh { token }),
        1 => notice_request(),
        1 => user_id().prop_map(|user_id| ClientEvent::Direct { user_id }),
        1 => (room_name(), seq()).prop_map(|(room, seq)| ClientEvent::Read { room, seq }),
        1 => of(any::<u32>()).prop_map(|limit| ClientEvent::Inbox { limit }),
        1 => search_request().prop_map(ClientEvent::Search),
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
        4 => entry_event().prop_map(ServerEvent::from),
        1 => folded_message().prop_map(ServerEvent::from),
        1 => (room_name(), user_id(), any::<bool>())
            .prop_map(|(room, user_id, is_typing)| ServerEvent::Typing(Typing { room, user_id, is_typing })),
        1 => (of(nonce()), timestamp()).prop_map(|(nonce, ts)| ServerEvent::Pong(Pong { nonce, ts })),
        1 => ack().prop_map(ServerEvent::Ack),
        1 => history().prop_map(ServerEvent::History),
        1 => (room_name(), members, any::<u64>(), of(any::<bool>())).prop_map(
            |(room, members, member_count, has_more)| {
                ServerEvent::Members(Members { room, members, member_count, has_more })
            }
        ),
        1 => (rooms, any::<bool>()).prop_map(|(rooms, has_more)| ServerEvent::Rooms(Rooms { rooms, has_more })),
        1 => (room_name(), user_id()).prop_map(|(room, user_id)| ServerEvent::Direct(Direct { room, user_id })),
        1 => (room_name(), seq()).prop_map(|(room, seq)| ServerEvent::Read(Read { room, seq })),
        1 => inbox().prop_map(ServerEvent::Inbox),
        1 => notify().prop_map(ServerEvent::Notify),
        1 => found().prop_map(ServerEvent::Found),
        1 => timestamp().prop_map(|expires_at| ServerEvent::Refreshed { expires_at }),
        2 => error().prop_map(ServerEvent::Error),
    ]
    .boxed()
}

/// Every server frame, with or without the `ref` of a request.
pub fn server_frame() -> impl Strategy<Value = ServerFrame> {
    (server_event(), of(reference())).prop_map(|(event, reference)| ServerFrame { event, reference })
}

/// An entry of every kind, as it is stored.
pub fn entry_event() -> impl Strategy<Value = EntryEvent> {
    (content(), entry_fields()).prop_map(|(content, fields)| EntryEvent::new(content, fields))
}

/// The content of an entry of every kind, as a client submits it.
pub fn content() -> impl Strategy<Value = Content> {
    prop_oneof![message_content().prop_map(Content::Message), change().prop_map(Content::Change)].boxed()
}

/// A change of every kind, of any message.
pub fn change() -> impl Strategy<Value = Change> {
    let target = || (seq(), of(entry_id()));
    prop_oneof![
        (target(), text(), of(mentions())).prop_map(|((target, target_id), text, mentions)| {
            Change::Edit(Edit { target, target_id, text, mentions, deleted: false })
        }),
        (target(), of(line())).prop_map(|((target, target_id), reason)| Change::Delete(Delete {
            target,
            target_id,
            reason
        })),
        (target(), emoji(), any::<bool>()).prop_map(|((target, target_id), emoji, removed)| {
            Change::Reaction(Reaction { target, target_id, emoji, removed })
        }),
        (target(), any::<bool>()).prop_map(|((target, target_id), removed)| Change::Pin(Pin {
            target,
            target_id,
            removed
        })),
        room_change().prop_map(Change::Room),
    ]
    .boxed()
}

fn post() -> impl Strategy<Value = Post> {
    (room_name(), content(), of(client_msg_id())).prop_map(|(room, content, client_msg_id)| Post {
        room,
        content,
        client_msg_id,
    })
}

fn message_content() -> impl Strategy<Value = MessageContent> {
    (text(), of(seq()), of(mentions())).prop_map(|(text, reply_to, mentions)| MessageContent {
        text,
        reply_to,
        mentions,
    })
}

fn room_change() -> impl Strategy<Value = RoomChange> {
    let change = |topic, slow_mode, posting| RoomChange { topic, slow_mode, posting };
    prop_oneof![
        (line(), of(slow_mode()), of(posting())).prop_map(move |(a, b, c)| change(Some(a), b, c)),
        (of(line()), slow_mode(), of(posting())).prop_map(move |(a, b, c)| change(a, Some(b), c)),
        (of(line()), of(slow_mode()), posting()).prop_map(move |(a, b, c)| change(a, b, Some(c))),
    ]
}

fn entry_fields() -> impl Strategy<Value = EntryFields> {
    (room_name(), user_id(), seq(), entry_id(), timestamp(), of(client_msg_id()), of(epoch())).prop_map(
        |(room, from, seq, id, ts, client_msg_id, epoch)| EntryFields {
            room,
            from,
            seq,
            id,
            ts,
            client_msg_id,
            epoch,
        },
    )
}

/// A message with the changes of later entries, or a deleted one.
pub fn folded_message() -> impl Strategy<Value = Message> {
    let changes =
        (of(timestamp()), of(deleted()), vec(reaction_count(), 0..3), any::<bool>(), of(seq()), 0..9_u64);
    (message_content(), entry_fields(), changes)
        .prop_map(|(content, fields, (edited_ts, deleted, reactions, pinned, rev, replies))| {
            let message = Message::new(content, fields);
            if let Some(deleted) = deleted {
                return Message { rev, replies, ..message.tombstone(&deleted.by, deleted.ts) };
            }
            Message { edited_ts, reactions, pinned, rev, replies, ..message }
        })
        .boxed()
}

fn deleted() -> impl Strategy<Value = Deleted> {
    (user_id(), timestamp()).prop_map(|(by, ts)| Deleted { by, ts })
}

fn reaction_count() -> impl Strategy<Value = ReactionCount> {
    (emoji(), any::<u64>(), any::<bool>(), vec(user_id(), 0..3))
        .prop_map(|(emoji, count, mine, users)| ReactionCount { emoji, count, mine, users })
}

/// A page of history, with entries of every kind and folded messages.
pub fn history() -> impl Strategy<Value = History> {
    let entry =
        prop_oneof![entry_event().prop_map(ServerEvent::from), folded_message().prop_map(ServerEvent::from),];
    let covers = (seq(), seq(), seq()).prop_map(|(from, to, as_of)| Covers { from, to, as_of });
    let settings = (line(), slow_mode(), posting(), seq())
        .prop_map(|(topic, slow_mode, posting, rev)| RoomSettings { topic, slow_mode, posting, rev });
    let flags = any::<(bool, bool)>();
    (room_name(), of(epoch()), vec(entry, 0..5), flags, of(covers), of(settings)).prop_map(
        |(room, epoch, messages, (has_more, has_newer), covers, settings)| History {
            room,
            epoch,
            messages,
            has_more,
            has_newer,
            covers,
            settings,
        },
    )
}

fn found() -> impl Strategy<Value = Found> {
    (vec(folded_message().prop_map(ServerEvent::from), 0..3), any::<bool>(), any::<bool>())
        .prop_map(|(messages, has_more, complete)| Found { messages, has_more, complete })
}

fn inbox() -> impl Strategy<Value = Inbox> {
    let last = (user_id(), prop_oneof![4 => text(), 1 => Just(Text::deleted())], timestamp())
        .prop_map(|(from, text, ts)| LastMessage { from, text, ts });
    let numbers = (any::<u64>(), any::<u64>(), of(seq()), seq());
    let room = (room_name(), of(user_id()), numbers, position(), of(last)).prop_map(
        |(room, user_id, (unread, mentions, first_mention_seq, read_seq), position, last)| InboxRoom {
            room,
            user_id,
            unread,
            mentions,
            first_mention_seq,
            read_seq,
            position,
            last,
        },
    );
    (vec(room, 0..4), any::<bool>()).prop_map(|(rooms, has_more)| Inbox { rooms, has_more })
}

fn notify() -> impl Strategy<Value = Notify> {
    let reason = select(&[NotifyReason::Direct, NotifyReason::Mention]);
    (room_name(), seq(), user_id(), text(), reason).prop_map(|(room, seq, from, text, reason)| Notify {
        room,
        seq,
        from,
        text,
        reason,
    })
}

fn history_request() -> impl Strategy<Value = HistoryRequest> {
    let side = prop_oneof![
        Just((None, None)),
        seq().prop_map(|before| (Some(before), None)),
        seq().prop_map(|after| (None, Some(after))),
    ];
    let filter = prop_oneof![
        3 => Just((None, false)),
        1 => seq().prop_map(|thread| (Some(thread), false)),
        1 => Just((None, true)),
    ];
    let paged =
        (side, filter).prop_map(|((before, after), (thread, pinned))| (before, after, None, thread, pinned));
    let around = seq().prop_map(|around| (None, None, Some(around), None, false));
    (room_name(), prop_oneof![4 => paged, 1 => around], of(any::<u32>())).prop_map(
        |(room, (before, after, around, thread, pinned), limit)| HistoryRequest {
            room,
            before,
            after,
            around,
            thread,
            pinned,
            limit,
        },
    )
}

fn search_request() -> impl Strategy<Value = SearchRequest> {
    let query = line().prop_map(|query| if query.is_empty() { checked(Line::new("x")) } else { query });
    (query, of(room_name()), of(user_id()), of(timestamp()), of(any::<u32>()))
        .prop_map(|(query, room, from, before, limit)| SearchRequest { query, room, from, before, limit })
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
        welcome().prop_map(SystemEvent::Welcome),
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

fn welcome() -> impl Strategy<Value = Welcome> {
    let program = (free_string(), free_string()).prop_map(|(name, version)| ServerProgram { name, version });
    let later = (
        of(program),
        of(select(&[Role::User, Role::Admin])),
        of(vec(select(Feature::ALL), 0..Feature::ALL.len())),
    );
    (free_string(), user_id(), any::<u64>(), timestamp(), limits(), later).prop_map(
        |(message, user_id, online_count, expires_at, limits, (server, role, features))| Welcome {
            message,
            user_id,
            online_count,
            expires_at,
            limits,
            server,
            role,
            features,
        },
    )
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
        of(seq()),
    )
        .prop_map(
            |(message, room, user_id, members, member_count, others, position, recovery, read_seq)| {
                let (others, others_count) = others;
                Joined {
                    message,
                    room,
                    user_id,
                    members,
                    member_count,
                    others,
                    others_count,
                    position,
                    recovery,
                    read_seq,
                }
            },
        )
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
    (room_name(), any::<u64>(), position(), of(timestamp()), of(user_id())).prop_map(
        |(room, member_count, position, last_ts, user_id)| RoomSummary {
            room,
            member_count,
            position,
            last_ts,
            user_id,
        },
    )
}

fn error() -> impl Strategy<Value = ErrorEvent> {
    let code = select(ErrorCode::ALL);
    let scope = of(Just(ErrorScope::Room));
    (code, free_string(), any::<bool>(), of(room_name()), of(client_msg_id()), of(any::<u64>()), scope)
        .prop_map(|(code, message, temporary, room, client_msg_id, retry_after_ms, scope)| ErrorEvent {
            code,
            message,
            temporary,
            room,
            client_msg_id,
            retry_after_ms,
            scope,
        })
}
