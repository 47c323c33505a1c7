//! Encoder of an entry's frame in two parts, for a store that assigns the `seq`.

use serde::Serialize;

use super::encode::to_json;
use crate::event::Message;
use crate::name::{ClientMsgId, EntryId, RoomName, Text, UserId};
use crate::position::Epoch;
use crate::timestamp::Timestamp;

/// The fields of a message before its `seq`, in the order of [`Message`].
#[derive(Serialize)]
struct FieldsBefore<'a> {
    r#type: &'static str,
    room: &'a RoomName,
    from: &'a UserId,
    text: &'a Text,
}

/// The fields of a message after its `seq`.
#[derive(Serialize)]
struct FieldsAfter<'a> {
    id: &'a EntryId,
    ts: &'a Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: &'a Option<ClientMsgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: &'a Option<Epoch>,
}

/// Encodes a message in two parts: the text before the number of its `seq`, and the text after it.
///
/// The `seq` of `message` is ignored. Both parts with a number between them are equal to the text that
/// [`encode`](crate::codec::encode) returns for that `seq`.
#[must_use]
pub fn encode_around_seq(message: &Message) -> (String, String) {
    // No `..`: a new field does not compile until one of the parts has it.
    let Message { room, from, text, seq: _, id, ts, client_msg_id, epoch } = message;
    let mut before = to_json(&FieldsBefore { r#type: "message", room, from, text });
    before.pop();
    before.push_str(r#","seq":"#);
    let mut after = to_json(&FieldsAfter { id, ts, client_msg_id, epoch });
    after.replace_range(..1, ",");
    (before, after)
}
