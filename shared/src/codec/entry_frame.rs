//! Encoder of an entry's frame, whole or in two parts for a store that assigns the `seq`.
//!
//! Every post is encoded. So the frame of a message is written by hand, which costs less than half of its `Serialize`.
//! Tests compare both.

use serde::Serialize;

use super::encode::to_json;
use super::json_text::JsonText;
use crate::entry::EntryKind;
use crate::entry_event::{ChangeEntry, EntryEvent, EntryHead};
use crate::message::Message;
use crate::name::{ClientMsgId, EntryId, EntryIdText, RoomName, UserId};
use crate::position::Epoch;
use crate::timestamp::Timestamp;

/// Bytes of a message's frame beside its texts: names of fields, numbers and the id.
const FIXED_BYTES: usize = 192;

/// The fields before the `seq`: those of every kind, then the content of one.
#[derive(Serialize)]
struct FieldsBefore<'a, C> {
    r#type: EntryKind,
    room: &'a RoomName,
    from: &'a UserId,
    #[serde(flatten)]
    content: C,
}

/// The fields after the `seq`, of every kind.
#[derive(Serialize)]
struct FieldsAfter<'a> {
    id: EntryId,
    ts: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: &'a Option<ClientMsgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: &'a Option<Epoch>,
}

/// Encodes an entry, as a server stores it. The text is that of [`encode`](crate::codec::encode).
#[must_use]
pub fn encode_entry(entry: &EntryEvent) -> String {
    match entry {
        EntryEvent::Message(message) if is_unchanged(message) => {
            let mut frame = JsonText::with_capacity(frame_bytes(message));
            write_before_seq(&mut frame, message);
            frame.value(&message.seq);
            write_after_seq(&mut frame, message);
            frame.into_string()
        }
        EntryEvent::Message(_) | EntryEvent::Change(_) => to_json(entry),
    }
}

/// Encodes an entry in two parts: the text before the number of its `seq`, and the text after it.
///
/// The `seq` of `entry` is ignored, and so are changes of later entries. Both parts with a number between them are equal
/// to the text that [`encode`](crate::codec::encode) returns for that `seq`.
#[must_use]
pub fn encode_around_seq(entry: &EntryEvent) -> (String, String) {
    match entry {
        EntryEvent::Message(message) => {
            let mut before = JsonText::with_capacity(frame_bytes(message));
            write_before_seq(&mut before, message);
            let mut after = JsonText::with_capacity(FIXED_BYTES);
            write_after_seq(&mut after, message);
            (before.into_string(), after.into_string())
        }
        EntryEvent::Change(ChangeEntry { change, .. }) => {
            let EntryHead { room, from, seq: _, id, ts, client_msg_id, epoch } = entry.head();
            let before = to_json(&FieldsBefore { r#type: entry.kind(), room, from, content: change });
            in_two_parts(before, &FieldsAfter { id, ts, client_msg_id, epoch })
        }
    }
}

/// Returns true if the message is as it was stored.
fn is_unchanged(message: &Message) -> bool {
    let Message {
        room: _,
        from: _,
        text: _,
        reply_to: _,
        mentions: _,
        seq: _,
        id: _,
        ts: _,
        client_msg_id: _,
        epoch: _,
        edited_ts,
        deleted,
        reactions,
        pinned,
        rev,
        replies,
    } = message;
    edited_ts.is_none()
        && deleted.is_none()
        && reactions.is_empty()
        && !pinned
        && rev.is_none()
        && *replies == 0
}

/// Bytes of the frame of a message that is unchanged and has no mentions, about.
fn frame_bytes(message: &Message) -> usize {
    let Message { room, from, text, client_msg_id, .. } = message;
    let id = client_msg_id.as_ref().map_or(0, |id| id.as_str().len());
    FIXED_BYTES + room.as_str().len() + from.as_str().len() + text.as_str().len() + id
}

fn write_before_seq(frame: &mut JsonText, message: &Message) {
    let Message { room, from, text, reply_to, mentions, .. } = message;
    frame.raw(r#"{"type":"message","room":"#);
    frame.string(room.as_str());
    frame.raw(r#","from":"#);
    frame.string(from.as_str());
    frame.raw(r#","text":"#);
    frame.string(text.as_str());
    if let Some(reply_to) = reply_to {
        frame.raw(r#","reply_to":"#);
        frame.value(reply_to);
    }
    if let Some(mentions) = mentions {
        frame.raw(r#","mentions":"#);
        frame.value(mentions);
    }
    frame.raw(r#","seq":"#);
}

fn write_after_seq(frame: &mut JsonText, message: &Message) {
    let Message { id, ts, client_msg_id, epoch, .. } = message;
    frame.raw(r#","id":""#);
    frame.raw(id.write(&mut EntryIdText::default()));
    frame.raw(r#"","ts":"#);
    frame.value(ts);
    if let Some(id) = client_msg_id {
        frame.raw(r#","client_msg_id":"#);
        frame.string(id.as_str());
    }
    if let Some(epoch) = epoch {
        frame.raw(r#","epoch":"#);
        frame.value(epoch);
    }
    frame.raw("}");
}

fn in_two_parts(mut before: String, after: &FieldsAfter<'_>) -> (String, String) {
    let mut after = to_json(after);
    before.pop();
    before.push_str(r#","seq":"#);
    after.replace_range(..1, ",");
    (before, after)
}
