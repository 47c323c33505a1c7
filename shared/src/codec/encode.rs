//! Encoders of frames.

use crate::client_event::ClientFrame;
use crate::event::{Covers, ServerEvent, ServerFrame};
use crate::name::{Ref, RoomName};
use crate::position::Epoch;
use crate::settings::RoomSettings;

/// Largest frame that a server sends, in bytes.
pub const SERVER_FRAME_BYTES: usize = 1024 * 1024;

/// Encodes an event without a `ref`.
#[must_use]
pub fn encode(event: &ServerEvent) -> String {
    to_json(event)
}

/// Encodes a server's frame, with the `ref` of its request.
#[must_use]
pub fn encode_frame(frame: &ServerFrame) -> String {
    match frame.reference {
        None => to_json(&frame.event),
        Some(_) => to_json(frame),
    }
}

/// Encodes a frame whose event has an empty list of members, with the JSON array `members` in its place.
///
/// A server that sends one list to many joiners encodes it once.
#[must_use]
pub fn encode_with_members(frame: &ServerFrame, members: &str) -> String {
    const EMPTY: &str = r#""members":[]"#;
    let frame = encode_frame(frame);
    // A quote in a string is escaped, so only the field itself matches.
    let Some(field) = frame.find(EMPTY) else {
        debug_assert!(false, "no empty list of members in {frame}");
        return frame;
    };
    let (start, rest) = (field + EMPTY.len() - "[]".len(), field + EMPTY.len());
    let mut text = String::with_capacity(frame.len() + members.len());
    text.push_str(&frame[..start]);
    text.push_str(members);
    text.push_str(&frame[rest..]);
    text
}

/// Encodes a client's frame.
#[must_use]
pub fn encode_client(frame: &ClientFrame) -> String {
    to_json(frame)
}

/// A `history` answer whose entries are encoded already.
#[derive(Debug)]
pub struct EncodedPage<'a, E> {
    pub room: &'a RoomName,
    pub epoch: Option<&'a Epoch>,
    /// Frames of [`encode`].
    pub entries: &'a [E],
    pub has_more: bool,
    pub has_newer: bool,
    /// If it is set, all entries fit into a frame: the caller has bounded them.
    pub covers: Option<Covers>,
    pub settings: Option<&'a RoomSettings>,
}

/// Encodes a `history` answer.
///
/// Takes entries while the frame stays within [`SERVER_FRAME_BYTES`]: the last ones if `newest_first`, else the first
/// ones. If it leaves some out, `has_more` is true.
#[must_use]
pub fn encode_history(
    page: &EncodedPage<'_, impl AsRef<str>>,
    newest_first: bool,
    reference: Option<&Ref>,
) -> String {
    let &EncodedPage { room, epoch, entries, has_more, has_newer, covers, settings } = page;
    let (room, epoch) = (to_json(room), to_json(&epoch));
    let reference = reference.map(to_json);
    let mut rest = String::new();
    if has_newer {
        rest.push_str(r#","has_newer":true"#);
    }
    if let Some(covers) = covers {
        let covers = to_json(&covers);
        rest.push(',');
        rest.push_str(&covers[1..covers.len() - 1]);
    }
    if let Some(settings) = settings {
        rest.push_str(r#","settings":"#);
        rest.push_str(&to_json(settings));
    }
    let fixed = 96 + room.len() + epoch.len() + rest.len() + reference.as_ref().map_or(0, String::len);
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
    let is_cut = to - from < entries.len();
    debug_assert!(!is_cut || covers.is_none(), "the page of {room} does not fit into a frame");

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
    text.push_str(if has_more || is_cut { r#"],"has_more":true"# } else { r#"],"has_more":false"# });
    text.push_str(&rest);
    if let Some(reference) = reference {
        text.push_str(r#","ref":"#);
        text.push_str(&reference);
    }
    text.push('}');
    text
}

/// Encodes a `found` answer of messages that are encoded already, newest first.
///
/// Takes messages while the frame stays within [`SERVER_FRAME_BYTES`]. If it leaves some out, `has_more` is true.
#[must_use]
pub fn encode_found(
    messages: &[impl AsRef<str>],
    has_more: bool,
    complete: bool,
    reference: Option<&Ref>,
) -> String {
    let mut rest = format!(r#""complete":{complete}"#);
    if let Some(reference) = reference {
        rest.push_str(r#","ref":"#);
        rest.push_str(&to_json(reference));
    }
    let mut text = r#"{"type":"found","messages":["#.to_owned();
    let mut is_cut = false;
    for (index, message) in messages.iter().map(AsRef::as_ref).enumerate() {
        if text.len() + message.len() + rest.len() + 32 > SERVER_FRAME_BYTES {
            is_cut = true;
            break;
        }
        if index > 0 {
            text.push(',');
        }
        text.push_str(message);
    }
    text.push_str(if has_more || is_cut { r#"],"has_more":true,"# } else { r#"],"has_more":false,"# });
    text.push_str(&rest);
    text.push('}');
    text
}

/// Serializes a value of this crate's types, which cannot fail.
pub(super) fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("events have string keys and no failing parts")
}
