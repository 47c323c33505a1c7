//! Decoder of server frames, with a fallback for frames that this version cannot read.
//!
//! A later version may send entries of unknown kinds, or with unknown content. Each of them stays an entry with its
//! seq and id, live and in a page of history. A client that dropped one would replay it after each reconnect, or
//! request its page forever.

use std::collections::HashMap;

use serde::de::{DeserializeOwned, Error as _};
use serde_json::Error;
use serde_json::value::RawValue;

use crate::entry::EntryRef;
use crate::event::{Covers, Found, History, ServerEvent, ServerFrame};

/// The fields of a frame, with their values as JSON text.
type RawFields<'a> = HashMap<String, &'a RawValue>;

/// Decodes a frame. Fails if the text is not a JSON object with a `type`.
pub(super) fn decode(text: &str) -> Result<ServerFrame, Error> {
    // The strict decoder is faster, and fails rarely.
    if let Ok(frame) = serde_json::from_str(text) {
        return Ok(frame);
    }
    let fields: RawFields<'_> = serde_json::from_str(text)?;
    if field::<String>(&fields, "type").is_none() {
        return Err(Error::custom("`type` is missing or not a string"));
    }
    Ok(ServerFrame { event: event(text), reference: field(&fields, "ref") })
}

/// Decodes an event, as [`ServerEvent::Unknown`] if necessary.
fn event(text: &str) -> ServerEvent {
    if let Ok(event) = serde_json::from_str(text) {
        return event;
    }
    let fields: RawFields<'_> = serde_json::from_str(text).unwrap_or_default();
    let page = match field::<String>(&fields, "type").as_deref() {
        Some("history") => history(text, &fields).map(ServerEvent::History),
        Some("found") => found(&fields).map(ServerEvent::Found),
        _ => None,
    };
    page.unwrap_or_else(|| ServerEvent::Unknown { entry: entry(&fields) })
}

/// Decodes a page of history, of which some entries cannot be read.
fn history(text: &str, fields: &RawFields<'_>) -> Option<History> {
    Some(History {
        room: field(fields, "room")?,
        epoch: field(fields, "epoch")?,
        messages: messages(fields)?,
        has_more: field(fields, "has_more")?,
        has_newer: field(fields, "has_newer").unwrap_or_default(),
        covers: serde_json::from_str::<Covers>(text).ok(),
        settings: field(fields, "settings"),
    })
}

/// Decodes the result of a search, of which some messages cannot be read.
fn found(fields: &RawFields<'_>) -> Option<Found> {
    let (has_more, complete) = (field(fields, "has_more")?, field(fields, "complete")?);
    Some(Found { messages: messages(fields)?, has_more, complete })
}

fn messages(fields: &RawFields<'_>) -> Option<Vec<ServerEvent>> {
    let messages: Vec<&RawValue> = serde_json::from_str(fields.get("messages")?.get()).ok()?;
    Some(messages.into_iter().map(|entry| event(entry.get())).collect())
}

/// The reference to the entry that an unreadable frame contains.
fn entry(fields: &RawFields<'_>) -> Option<EntryRef> {
    let kind: String = field(fields, "type")?;
    let event: Option<String> = field(fields, "event");
    if is_not_an_entry(&kind, event.as_deref()) {
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

/// Returns true for each `type` that is not an entry, and for each `event` of `system`.
///
/// The list is complete: a test compares it with the golden files.
fn is_not_an_entry(kind: &str, event: Option<&str>) -> bool {
    match kind {
        "typing" | "pong" | "ack" | "history" | "members" | "rooms" | "direct" | "read" | "inbox"
        | "notify" | "found" | "refreshed" | "error" => true,
        "system" => {
            matches!(event, Some("welcome" | "joined" | "left" | "resync" | "token_expiring" | "notice"))
        }
        _ => false,
    }
}

fn field<T: DeserializeOwned>(fields: &RawFields<'_>, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}
