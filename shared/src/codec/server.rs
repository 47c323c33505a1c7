//! Server frames that cannot be read as their `type` says, or whose `type` is unknown.
//!
//! A later version may send kinds of entries, and content, that this one does not know. Each entry keeps its place all
//! the same, live and in a page of history: a client that lost one would replay it after each reconnect, or page to it
//! for ever.

use std::collections::HashMap;

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Error;
use serde_json::value::RawValue;

use crate::entry::EntryRef;
use crate::event::{History, ServerEvent, ServerFrame};

/// The fields of a frame as they are written.
type Fields<'a> = HashMap<String, &'a RawValue>;

/// Reads a frame. An error: the text is no JSON object with a `type`.
pub(super) fn decode(text: &str) -> Result<ServerFrame, Error> {
    // The strict reader is the fast one, and fails rarely.
    if let Ok(frame) = serde_json::from_str(text) {
        return Ok(frame);
    }
    let fields: Fields<'_> = serde_json::from_str(text)?;
    if field::<String>(&fields, "type").is_none() {
        return Err(Error::custom("a frame has a `type`"));
    }
    Ok(ServerFrame { event: event(text), reference: field(&fields, "ref") })
}

fn event(text: &str) -> ServerEvent {
    if let Ok(event) = serde_json::from_str(text) {
        return event;
    }
    let fields: Fields<'_> = serde_json::from_str(text).unwrap_or_default();
    match history(&fields) {
        Some(history) => ServerEvent::History(history),
        None => ServerEvent::Unknown { entry: entry(&fields) },
    }
}

/// A page of history, some of whose entries cannot be read.
fn history(fields: &Fields<'_>) -> Option<History> {
    if field::<String>(fields, "type")? != "history" {
        return None;
    }
    let messages: Vec<&RawValue> = serde_json::from_str(fields.get("messages")?.get()).ok()?;
    Some(History {
        room: field(fields, "room")?,
        epoch: field(fields, "epoch")?,
        messages: messages.into_iter().map(|entry| event(entry.get())).collect(),
        has_more: field(fields, "has_more")?,
    })
}

/// The entry that a frame is which cannot be read.
fn entry(fields: &Fields<'_>) -> Option<EntryRef> {
    let kind: String = field(fields, "type")?;
    let event: Option<String> = field(fields, "event");
    if is_no_entry(&kind, event.as_deref()) {
        return None;
    }
    Some(EntryRef {
        room: field(fields, "room")?,
        seq: field(fields, "seq")?,
        id: field(fields, "id")?,
        epoch: field(fields, "epoch"),
        kind: None,
    })
}

/// Whether frames of a `type`, and of an `event` where that is `system`, are known to be no entries. All of these are
/// named here; a test compares them with the golden files.
fn is_no_entry(kind: &str, event: Option<&str>) -> bool {
    match kind {
        "typing" | "pong" | "ack" | "history" | "members" | "rooms" | "refreshed" | "error" => true,
        "system" => {
            matches!(event, Some("welcome" | "joined" | "left" | "resync" | "token_expiring" | "notice"))
        }
        _ => false,
    }
}

fn field<T: DeserializeOwned>(fields: &Fields<'_>, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}
