//! Text ⇄ event, and what is wrong with a text.
//!
//! A client's frame is read in two steps: its fields are found and kept as they are written, then those that its
//! `type` has are read one by one, so that a refusal names the field and carries what it can of the frame. Unknown
//! fields are passed over; of a field that is there twice the last one counts.

mod entry_frame;
mod server;
mod surrogates;

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

pub use self::entry_frame::encode_around_seq;
use self::surrogates::replace_lone_surrogates;
use crate::{
    ClientEvent, ClientFrame, ClientMsgId, EntryRef, Epoch, ErrorCode, NameError, Ping, Post, Ref, RoomName,
    Seq, ServerEvent, ServerFrame, Text, TextError,
};

/// The largest frame that a server reads, in bytes.
pub const CLIENT_FRAME_BYTES: usize = 64 * 1024;
/// The largest frame that a server writes, in bytes.
pub const SERVER_FRAME_BYTES: usize = 1024 * 1024;

/// Why a text is not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It is not JSON: the connection ends with 4002.
    #[error("not JSON")]
    NotJson,
    /// It is JSON and cannot be used: answered with an error.
    #[error("{}", .0.fault)]
    Refused(Box<Refusal>),
}

/// A frame that cannot be used, with what could be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong with it.
    pub fault: Fault,
    /// Its `ref`.
    pub reference: Option<Ref>,
    /// The room that it names, where that is a name.
    pub room: Option<RoomName>,
    /// The message that it is, where it says so.
    pub client_msg_id: Option<ClientMsgId>,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// JSON, but not an object.
    #[error("a frame is a JSON object")]
    NotAnObject,
    /// No `type`.
    #[error("`type` is missing")]
    NoType,
    /// A `type` that nobody knows.
    #[error("unknown type")]
    UnknownType,
    /// A field that has to be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A field is not what it should be.
    #[error("`{0}` is not {1}")]
    Wrong(&'static str, &'static str),
    /// Two fields that exclude each other.
    #[error("`{0}` and `{1}` exclude each other")]
    Both(&'static str, &'static str),
    /// The room's name is not a name.
    #[error("`room` {0}")]
    Room(NameError),
    /// The text is not a message.
    #[error("`{0}` {1}")]
    Text(&'static str, TextError),
}

impl Fault {
    /// What the refusal is called.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownType => ErrorCode::UnknownType,
            Self::Room(_) => ErrorCode::InvalidRoom,
            Self::Text(..) => ErrorCode::InvalidText,
            Self::NotAnObject | Self::NoType | Self::Missing(_) | Self::Wrong(..) | Self::Both(..) => {
                ErrorCode::BadRequest
            }
        }
    }
}

/// The text of an event.
#[must_use]
pub fn encode(event: &ServerEvent) -> String {
    to_json(event)
}

/// The text of an answer, with the `ref` of its request.
#[must_use]
pub fn encode_frame(frame: &ServerFrame) -> String {
    match frame.reference {
        None => to_json(&frame.event),
        Some(_) => to_json(frame),
    }
}

/// The text of what a client says.
#[must_use]
pub fn encode_client(frame: &ClientFrame) -> String {
    to_json(frame)
}

/// The text of a `history` answer whose entries are texts already, as [`encode`] made them.
///
/// Takes entries until the frame would be over [`SERVER_FRAME_BYTES`], from the end where `newest_first`, and says
/// `has_more` where it left some out.
#[must_use]
pub fn encode_history(
    room: &RoomName,
    epoch: Option<&Epoch>,
    entries: &[impl AsRef<str>],
    has_more: bool,
    newest_first: bool,
    reference: Option<&Ref>,
) -> String {
    let room = to_json(room);
    let epoch = to_json(&epoch);
    let reference = reference.map(to_json);
    let fixed = 96 + room.len() + epoch.len() + reference.as_ref().map_or(0, String::len);
    let fits = |total: &mut usize, entry: &str| {
        *total += entry.len() + 1;
        *total <= SERVER_FRAME_BYTES
    };
    let mut total = fixed;
    let (from, to) = if newest_first {
        let taken = entries.iter().rev().take_while(|entry| fits(&mut total, entry.as_ref())).count();
        (entries.len() - taken, entries.len())
    } else {
        (0, entries.iter().take_while(|entry| fits(&mut total, entry.as_ref())).count())
    };
    let has_more = has_more || to - from < entries.len();

    let mut text = String::with_capacity(total.min(SERVER_FRAME_BYTES));
    text.push_str(r#"{"type":"history","room":"#);
    text.push_str(&room);
    text.push_str(r#","epoch":"#);
    text.push_str(&epoch);
    text.push_str(r#","messages":["#);
    for (index, entry) in entries[from..to].iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(entry.as_ref());
    }
    text.push_str(if has_more { r#"],"has_more":true"# } else { r#"],"has_more":false"# });
    if let Some(reference) = reference {
        text.push_str(r#","ref":"#);
        text.push_str(&reference);
    }
    text.push('}');
    text
}

/// Writes `value`, which the types of this crate always can.
fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("events have string keys and no failing parts")
}

/// Reads a server's frame. One that this version cannot read is [`ServerEvent::Unknown`], alone or in a page of history.
/// An error: the text is no JSON object with a `type`.
pub fn decode_server(text: &str) -> Result<ServerFrame, serde_json::Error> {
    server::decode(&replace_lone_surrogates(text))
}

/// The entry that a server's frame is, whatever its `type`: [`ServerEvent::entry`] of its text.
#[must_use]
pub fn entry_of(text: &str) -> Option<EntryRef> {
    decode_server(text).ok()?.event.entry()
}

/// Reads what a client says.
pub fn decode_client(text: &str) -> Result<ClientFrame, DecodeError> {
    let text = replace_lone_surrogates(text);
    let fields = match serde_json::from_str::<Fields<'_>>(&text) {
        Ok(fields) => fields,
        Err(_) if serde_json::from_str::<IgnoredAny>(&text).is_ok() => {
            return Err(DecodeError::Refused(Box::new(Refusal {
                fault: Fault::NotAnObject,
                reference: None,
                room: None,
                client_msg_id: None,
            })));
        }
        Err(_) => return Err(DecodeError::NotJson),
    };
    let reference = match fields.reference() {
        Ok(reference) => reference,
        Err(fault) => return Err(fields.refused(fault, None)),
    };
    match fields.event() {
        Ok(event) => Ok(ClientFrame { event, reference }),
        Err(fault) => Err(fields.refused(fault, reference)),
    }
}

/// Defines `Fields`: those that any frame has, as they are written.
macro_rules! fields {
    ($($name:ident = $key:literal),* $(,)?) => {
        #[derive(Default)]
        struct Fields<'a> { $($name: Option<&'a RawValue>),* }

        impl<'a> Fields<'a> {
            fn read<M: MapAccess<'a>>(mut map: M) -> Result<Self, M::Error> {
                let mut fields = Self::default();
                while let Some(Key(key)) = map.next_key::<Key<'a>>()? {
                    match &*key {
                        $($key => fields.$name = Some(map.next_value()?),)*
                        _ => { map.next_value::<IgnoredAny>()?; }
                    }
                }
                Ok(fields)
            }
        }
    };
}

fields! {
    kind = "type", reference = "ref", room = "room", since = "since", text = "text", client_msg_id = "client_msg_id",
    is_typing = "is_typing", nonce = "nonce", before = "before", after = "after", limit = "limit",
    prefix = "prefix", token = "token", message = "message", user_id = "user_id",
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Fields<'de>, M::Error> {
                Fields::read(map)
            }
        }
        deserializer.deserialize_map(Object)
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
            "message" => Ok(ClientEvent::Message(Post {
                room: self.room()?,
                text: text(self.text, "text")?,
                client_msg_id: self.client_msg_id()?,
            })),
            "typing" => Ok(ClientEvent::Typing {
                room: self.room()?,
                is_typing: optional(self.is_typing, "is_typing", "true or false")?.unwrap_or(true),
            }),
            "ping" => Ok(ClientEvent::Ping(Ping { nonce: optional(self.nonce, "nonce", "a string")? })),
            "history" => self.history(),
            "members" => Ok(ClientEvent::Members { room: self.room()? }),
            "list_rooms" => Ok(ClientEvent::ListRooms {
                prefix: optional(self.prefix, "prefix", "a string")?,
                limit: self.limit()?,
            }),
            "refresh" => {
                let token = self.token.ok_or(Fault::Missing("token"))?;
                Ok(ClientEvent::Refresh { token: string(token, "token")?.into_owned() })
            }
            "notice" => self.notice(),
            _ => Err(Fault::UnknownType),
        }
    }

    fn history(&self) -> Result<ClientEvent, Fault> {
        let room = self.room()?;
        let before = optional::<Seq>(self.before, "before", "a seq")?;
        let after = optional::<Seq>(self.after, "after", "a seq")?;
        if before.is_some() && after.is_some() {
            return Err(Fault::Both("before", "after"));
        }
        Ok(ClientEvent::History { room, before, after, limit: self.limit()? })
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

    /// More than the type can hold is more than any request gets.
    fn limit(&self) -> Result<Option<u32>, Fault> {
        let limit = optional::<u64>(self.limit, "limit", "a whole number, 0 or more")?;
        Ok(limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)))
    }

    fn client_msg_id(&self) -> Result<Option<ClientMsgId>, Fault> {
        optional(self.client_msg_id, "client_msg_id", "a string of 1 to 64 characters")
    }

    fn reference(&self) -> Result<Option<Ref>, Fault> {
        optional(self.reference, "ref", "a string of at most 64 characters")
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

/// A field that may be left out, or null.
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

fn string<'a>(raw: &'a RawValue, name: &'static str) -> Result<Cow<'a, str>, Fault> {
    match serde_json::from_str::<Key<'a>>(raw.get()) {
        Ok(Key(text)) => Ok(text),
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
