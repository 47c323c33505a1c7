//! Encoder of an entry's frame in two parts, for a store that assigns the `seq`.

use serde::Serialize;

use super::encode::to_json;
use crate::entry::EntryKind;
use crate::event::{EntryEvent, Message};
use crate::name::{ClientMsgId, EntryId, RoomName, Text, UserId};
use crate::position::Epoch;
use crate::timestamp::Timestamp;

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
    id: &'a EntryId,
    ts: &'a Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: &'a Option<ClientMsgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: &'a Option<Epoch>,
}

#[derive(Serialize)]
struct MessageContent<'a> {
    text: &'a Text,
}

/// Encodes an entry in two parts: the text before the number of its `seq`, and the text after it.
///
/// The `seq` of `entry` is ignored. Both parts with a number between them are equal to the text that
/// [`encode`](crate::codec::encode) returns for that `seq`.
#[must_use]
pub fn encode_around_seq(entry: &EntryEvent) -> (String, String) {
    // No `..`: a new field does not compile until one of the parts has it.
    match entry {
        EntryEvent::Message(Message { room, from, text, seq: _, id, ts, client_msg_id, epoch }) => {
            let content = MessageContent { text };
            let before = FieldsBefore { r#type: EntryKind::Message, room, from, content };
            in_two_parts(&before, &FieldsAfter { id, ts, client_msg_id, epoch })
        }
    }
}

fn in_two_parts(before: &impl Serialize, after: &FieldsAfter<'_>) -> (String, String) {
    let (mut before, mut after) = (to_json(before), to_json(after));
    before.pop();
    before.push_str(r#","seq":"#);
    after.replace_range(..1, ",");
    (before, after)
}
