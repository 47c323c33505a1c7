//! The codec of frames, and the refusals of client frames.
//!
//! A client's frame is decoded in two steps. The first finds the fields and keeps their values as JSON text. The
//! second decodes the fields of the frame's `type` one by one, so that a refusal names the field and has the `ref`,
//! the room and the id of the frame. Unknown fields are ignored. If a field occurs twice, the last one counts.

mod encode;
mod entry_frame;
mod json_text;
mod server_frame;
mod surrogates;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use self::encode::{
    EncodedPage, SERVER_FRAME_BYTES, encode, encode_client, encode_found, encode_frame, encode_history,
    encode_with_members,
};
pub use self::entry_frame::{encode_around_seq, encode_entry};
use self::surrogates::replace_lone_surrogates;
use crate::client_event::{ClientEvent, ClientFrame, HistoryRequest, Ping, Post, SearchRequest};
use crate::content::{Change, Content, Delete, Edit, MessageContent, Pin, Reaction, RoomChange};
use crate::entry::EntryRef;
use crate::entry_event::EntryEvent;
use crate::error::ErrorCode;
use crate::event::ServerFrame;
use crate::field::Emoji;
use crate::name::{ClientMsgId, EntryId, Line, NameError, Ref, RoomName, Text, TextError};
use crate::position::Seq;

/// The expected value of `mentions`.
const MENTIONS: &str = "a list of at most 20 user ids";
/// Largest frame that a server accepts, in bytes.
pub const CLIENT_FRAME_BYTES: usize = 64 * 1024;

/// The reason why a text is not a client's frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON. The server closes the connection with 4002.
    #[error("not JSON")]
    NotJson,
    /// JSON, but not a valid frame. The server answers with an error.
    #[error("{}", .0.fault)]
    Refused(Box<Refusal>),
}

/// An invalid frame, with the fields that the error repeats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub fault: Fault,
    pub reference: Option<Ref>,
    /// The room, if its name is valid.
    pub room: Option<RoomName>,
    /// The id of the message, if it is valid.
    pub client_msg_id: Option<ClientMsgId>,
}

/// A defect of a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("a frame is a JSON object")]
    NotAnObject,
    #[error("`type` is missing")]
    NoType,
    #[error("unknown type")]
    UnknownType,
    /// A required field is missing.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// None of the fields is given, of which one is required.
    #[error("one of {0} is required")]
    Nothing(&'static str),
    /// A field has the wrong type: its name, and the expected value.
    #[error("`{0}` is not {1}")]
    Wrong(&'static str, &'static str),
    /// The frame has two fields that exclude each other.
    #[error("`{0}` and `{1}` exclude each other")]
    Both(&'static str, &'static str),
    /// The room's name is invalid.
    #[error("`room` {0}")]
    Room(NameError),
    /// The text is invalid: the name of its field, and the reason.
    #[error("`{0}` {1}")]
    Text(&'static str, TextError),
}

impl Fault {
    /// The error code of the refusal.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownType => ErrorCode::UnknownType,
            Self::Room(_) => ErrorCode::InvalidRoom,
            Self::Text(..) => ErrorCode::InvalidText,
            Self::NotAnObject
            | Self::NoType
            | Self::Missing(_)
            | Self::Nothing(_)
            | Self::Wrong(..)
            | Self::Both(..) => ErrorCode::BadRequest,
        }
    }
}

/// Decodes a server's frame.
///
/// A frame that this version cannot read is a [`ServerEvent::Unknown`](crate::ServerEvent::Unknown), alone or in a
/// page of history. Fails if the text is not a JSON object with a `type`.
pub fn decode_server(text: &str) -> Result<ServerFrame, serde_json::Error> {
    server_frame::decode(&replace_lone_surrogates(text))
}

/// Decodes an entry of a kind that this version can write, as it is stored; `None` if the text is no such entry.
#[must_use]
pub fn decode_entry(text: &str) -> Option<EntryEvent> {
    serde_json::from_str(&replace_lone_surrogates(text)).ok()
}

/// The reference to the entry in the text of a server's frame, of any `type`.
///
/// See [`ServerEvent::entry`](crate::ServerEvent::entry).
#[must_use]
pub fn entry_of(text: &str) -> Option<EntryRef> {
    decode_server(text).ok()?.event.entry()
}

/// Decodes a client's frame.
pub fn decode_client(text: &str) -> Result<ClientFrame, DecodeError> {
    let text = replace_lone_surrogates(text);
    let mut fields = Fields::default();
    match fields.read(&text) {
        Ok(()) => {}
        Err(_) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
            return Err(DecodeError::Refused(Box::new(Refusal {
                fault: Fault::NotAnObject,
                reference: None,
                room: None,
                client_msg_id: None,
            })));
        }
        Err(_) => return Err(DecodeError::NotJson),
    }
    let reference = match fields.reference() {
        Ok(reference) => reference,
        Err(fault) => return Err(fields.refused(fault, None)),
    };
    match fields.event() {
        Ok(event) => Ok(ClientFrame { event, reference }),
        Err(fault) => Err(fields.refused(fault, reference)),
    }
}

/// Defines `Fields`: the fields of all client frames, with their values as JSON text.
macro_rules! fields {
    ($($name:ident = $key:literal),* $(,)?) => {
        #[derive(Default)]
        struct Fields<'a> { $($name: Option<&'a RawValue>),* }

        impl<'a> Fields<'a> {
            fn read_entries<M: MapAccess<'a>>(&mut self, mut map: M) -> Result<(), M::Error> {
                while let Some(Borrowed(key)) = map.next_key::<Borrowed<'a>>()? {
                    match &*key {
                        $($key => self.$name = Some(map.next_value()?),)*
                        _ => { map.next_value::<IgnoredAny>()?; }
                    }
                }
                Ok(())
            }
        }
    };
}

fields! {
    kind = "type", reference = "ref", room = "room", since = "since", text = "text", client_msg_id = "client_msg_id",
    is_typing = "is_typing", nonce = "nonce", before = "before", after = "after", limit = "limit",
    prefix = "prefix", token = "token", message = "message", user_id = "user_id", reply_to = "reply_to",
    mentions = "mentions", target = "target", target_id = "target_id", reason = "reason", emoji = "emoji",
    removed = "removed", topic = "topic", slow_mode = "slow_mode", posting = "posting", around = "around",
    thread = "thread", pinned = "pinned", seq = "seq", query = "query", from = "from",
}

/// A string, borrowed if it has no escapes.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    /// Reads the fields of an object. They are read in place, because many fields are costly to move.
    fn read(&mut self, text: &'a str) -> Result<(), serde_json::Error> {
        struct Object<'f, 'a>(&'f mut Fields<'a>);
        impl<'a> Visitor<'a> for Object<'_, 'a> {
            type Value = ();
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'a>>(self, map: M) -> Result<(), M::Error> {
                self.0.read_entries(map)
            }
        }
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_map(Object(self))?;
        deserializer.end()
    }
}

impl Fields<'_> {
    fn event(&self) -> Result<ClientEvent, Fault> {
        let kind = self.kind.ok_or(Fault::NoType)?;
        let kind = string(kind, "type")?;
        match &*kind {
            "join_room" => Ok(ClientEvent::JoinRoom {
                room: self.room()?,
                since: optional(self.since, "since", "a position (`epoch`, `seq`, `id`)")?,
            }),
            "leave_room" => Ok(ClientEvent::LeaveRoom { room: self.room()? }),
            "typing" => Ok(ClientEvent::Typing {
                room: self.room()?,
                is_typing: optional(self.is_typing, "is_typing", "true or false")?.unwrap_or(true),
            }),
            "ping" => Ok(ClientEvent::Ping(Ping {
                nonce: checked(self.nonce, "nonce", "a string without control or bidi characters")?,
            })),
            "history" => self.history(),
            "members" => {
                let (room, prefix) = (self.room()?, self.prefix()?);
                Ok(ClientEvent::Members { room, prefix, limit: self.limit()? })
            }
            "list_rooms" => Ok(ClientEvent::ListRooms { prefix: self.prefix()?, limit: self.limit()? }),
            "refresh" => {
                let token = self.token.ok_or(Fault::Missing("token"))?;
                Ok(ClientEvent::Refresh { token: string(token, "token")?.into_owned() })
            }
            "notice" => self.notice(),
            "direct" => Ok(ClientEvent::Direct { user_id: required(self.user_id, "user_id", "a user id")? }),
            "read" => Ok(ClientEvent::Read { room: self.room()?, seq: required(self.seq, "seq", "a seq")? }),
            "inbox" => Ok(ClientEvent::Inbox { limit: self.limit()? }),
            "search" => self.search(),
            kind => self.post(kind),
        }
    }

    fn post(&self, kind: &str) -> Result<ClientEvent, Fault> {
        let content = match kind {
            "message" => None,
            "edit" => Some(Self::edit as fn(&Self) -> Result<Change, Fault>),
            "delete" => Some(Self::delete as _),
            "reaction" => Some(Self::reaction as _),
            "pin" => Some(Self::pin as _),
            "room" => Some(Self::room_change as _),
            _ => return Err(Fault::UnknownType),
        };
        Ok(ClientEvent::Post(Post {
            room: self.room()?,
            content: match content {
                None => self.message_content()?.into(),
                Some(change) => Content::Change(change(self)?),
            },
            client_msg_id: self.client_msg_id()?,
        }))
    }

    fn message_content(&self) -> Result<MessageContent, Fault> {
        Ok(MessageContent {
            text: text(self.text, "text")?,
            reply_to: optional(self.reply_to, "reply_to", "a seq")?,
            mentions: optional(self.mentions, "mentions", MENTIONS)?,
        })
    }

    fn edit(&self) -> Result<Change, Fault> {
        Ok(Change::Edit(Edit {
            target: self.target()?,
            target_id: self.target_id()?,
            text: text(self.text, "text")?,
            mentions: optional(self.mentions, "mentions", MENTIONS)?,
            deleted: false,
        }))
    }

    fn delete(&self) -> Result<Change, Fault> {
        let (target, target_id) = (self.target()?, self.target_id()?);
        Ok(Change::Delete(Delete { target, target_id, reason: line(self.reason, "reason")? }))
    }

    fn reaction(&self) -> Result<Change, Fault> {
        let (target, target_id) = (self.target()?, self.target_id()?);
        let emoji = required::<Emoji>(self.emoji, "emoji", "one emoji, or a name between two colons")?;
        Ok(Change::Reaction(Reaction { target, target_id, emoji, removed: flag(self.removed, "removed")? }))
    }

    fn pin(&self) -> Result<Change, Fault> {
        let (target, target_id) = (self.target()?, self.target_id()?);
        Ok(Change::Pin(Pin { target, target_id, removed: flag(self.removed, "removed")? }))
    }

    fn room_change(&self) -> Result<Change, Fault> {
        let change = RoomChange {
            topic: line(self.topic, "topic")?,
            slow_mode: optional(self.slow_mode, "slow_mode", "a number of seconds from 0 to 86,400")?,
            posting: optional(self.posting, "posting", "`everyone` or `moderators`")?,
        };
        if let RoomChange { topic: None, slow_mode: None, posting: None } = change {
            return Err(Fault::Nothing("`topic`, `slow_mode` and `posting`"));
        }
        Ok(Change::Room(change))
    }

    fn target(&self) -> Result<Seq, Fault> {
        required(self.target, "target", "a seq")
    }

    fn target_id(&self) -> Result<Option<EntryId>, Fault> {
        optional(self.target_id, "target_id", "the id of an entry")
    }

    fn history(&self) -> Result<ClientEvent, Fault> {
        let request = HistoryRequest {
            room: self.room()?,
            before: optional(self.before, "before", "a seq")?,
            after: optional(self.after, "after", "a seq")?,
            around: optional(self.around, "around", "a seq")?,
            thread: optional(self.thread, "thread", "a seq")?,
            pinned: flag(self.pinned, "pinned")?,
            limit: self.limit()?,
        };
        let selections = [
            ("before", request.before.is_some()),
            ("after", request.after.is_some()),
            ("thread", request.thread.is_some()),
            ("pinned", request.pinned),
        ];
        if let (Some(_), Some((other, _))) = (request.around, selections.iter().find(|(_, given)| *given)) {
            return Err(Fault::Both("around", other));
        }
        if request.before.is_some() && request.after.is_some() {
            return Err(Fault::Both("before", "after"));
        }
        if request.thread.is_some() && request.pinned {
            return Err(Fault::Both("thread", "pinned"));
        }
        Ok(ClientEvent::History(request))
    }

    fn search(&self) -> Result<ClientEvent, Fault> {
        let query = line(self.query, "query")?.ok_or(Fault::Missing("query"))?;
        if query.is_empty() {
            return Err(Fault::Text("query", TextError::Empty));
        }
        Ok(ClientEvent::Search(SearchRequest {
            query,
            room: self.room.filter(|raw| !is_null(raw)).map(room).transpose()?,
            from: optional(self.from, "from", "a user id")?,
            before: optional(self.before, "before", "a time in milliseconds")?,
            limit: self.limit()?,
        }))
    }

    fn notice(&self) -> Result<ClientEvent, Fault> {
        let message = text(self.message, "message")?;
        let room = self.room.filter(|raw| !is_null(raw)).map(room).transpose()?;
        let user_id = optional(self.user_id, "user_id", "a user id")?;
        if room.is_some() && user_id.is_some() {
            return Err(Fault::Both("room", "user_id"));
        }
        Ok(ClientEvent::Notice { message, room, user_id })
    }

    fn room(&self) -> Result<RoomName, Fault> {
        room(self.room.ok_or(Fault::Missing("room"))?)
    }

    fn prefix(&self) -> Result<Option<String>, Fault> {
        optional(self.prefix, "prefix", "a string")
    }

    /// A limit above `u32::MAX` is `u32::MAX`: no request gets that many.
    fn limit(&self) -> Result<Option<u32>, Fault> {
        let limit = optional::<u64>(self.limit, "limit", "a whole number, 0 or more")?;
        Ok(limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)))
    }

    fn client_msg_id(&self) -> Result<Option<ClientMsgId>, Fault> {
        let expected = "a string of 1 to 64 characters, none of them a control or bidi character";
        checked(self.client_msg_id, "client_msg_id", expected)
    }

    fn reference(&self) -> Result<Option<Ref>, Fault> {
        let expected = "a string of at most 64 characters, none of them a control or bidi character";
        checked(self.reference, "ref", expected)
    }

    fn refused(&self, fault: Fault, reference: Option<Ref>) -> DecodeError {
        DecodeError::Refused(Box::new(Refusal {
            fault,
            reference,
            room: self.room().ok(),
            client_msg_id: self.client_msg_id().ok().flatten(),
        }))
    }
}

fn is_null(raw: &RawValue) -> bool {
    raw.get() == "null"
}

/// Decodes a field that may be missing or null.
fn optional<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, Fault> {
    match raw.filter(|raw| !is_null(raw)) {
        None => Ok(None),
        Some(raw) => match serde_json::from_str(raw.get()) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Fault::Wrong(name, expected)),
        },
    }
}

/// Decodes a field that must not be missing or null.
fn required<T: DeserializeOwned>(
    raw: Option<&RawValue>,
    name: &'static str,
    expected: &'static str,
) -> Result<T, Fault> {
    optional(raw, name, expected)?.ok_or(Fault::Missing(name))
}

/// Decodes a field that is false if it is missing or null.
fn flag(raw: Option<&RawValue>, name: &'static str) -> Result<bool, Fault> {
    Ok(optional(raw, name, "true or false")?.unwrap_or(false))
}

/// Decodes an id that may be missing or null, by the rules for new ones.
fn checked<T: FromStr>(
    raw: Option<&RawValue>,
    name: &'static str,
    expected: &'static str,
) -> Result<Option<T>, Fault> {
    let wrong = || Fault::Wrong(name, expected);
    match raw.filter(|raw| !is_null(raw)) {
        None => Ok(None),
        Some(raw) => string(raw, name).map_err(|_| wrong())?.parse().map(Some).map_err(|_| wrong()),
    }
}

fn string<'a>(raw: &'a RawValue, name: &'static str) -> Result<Cow<'a, str>, Fault> {
    // The value is known to be JSON, so a string without escapes is its own text.
    let quoted = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    if let Some(text) = quoted.filter(|text| !text.contains('\\')) {
        return Ok(Cow::Borrowed(text));
    }
    match serde_json::from_str::<Borrowed<'a>>(raw.get()) {
        Ok(Borrowed(text)) => Ok(text),
        Err(_) => Err(Fault::Wrong(name, "a string")),
    }
}

fn room(raw: &RawValue) -> Result<RoomName, Fault> {
    RoomName::new(&string(raw, "room")?).map_err(Fault::Room)
}

fn text(raw: Option<&RawValue>, name: &'static str) -> Result<Text, Fault> {
    let raw = raw.ok_or(Fault::Missing(name))?;
    Text::new(&string(raw, name)?).map_err(|error| Fault::Text(name, error))
}

/// Decodes a line that may be missing or null.
fn line(raw: Option<&RawValue>, name: &'static str) -> Result<Option<Line>, Fault> {
    let Some(raw) = raw.filter(|raw| !is_null(raw)) else { return Ok(None) };
    Line::new(&string(raw, name)?).map(Some).map_err(|error| Fault::Text(name, error))
}
