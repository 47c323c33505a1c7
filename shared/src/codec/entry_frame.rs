//! The frame of an entry in two parts, for a store that assigns the `seq` itself.

use serde::Serialize;

use crate::{ClientMsgId, EntryId, Epoch, Message, RoomName, Text, Timestamp, UserId};

/// The fields of a message before its `seq`, in the order of [`Message`].
#[derive(Serialize)]
struct Before<'a> {
    r#type: &'static str,
    room: &'a RoomName,
    from: &'a UserId,
    text: &'a Text,
}

/// The fields of a message after its `seq`.
#[derive(Serialize)]
struct After<'a> {
    id: &'a EntryId,
    ts: &'a Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: &'a Option<ClientMsgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: &'a Option<Epoch>,
}

/// The text of a message before and after the number of its `seq`, whatever that is in `message`.
///
/// Both parts with a number between them are the text that [`encode`](super::encode) gives for that `seq`.
#[must_use]
pub fn encode_around_seq(message: &Message) -> (String, String) {
    // Without `..`: a new field has to be added to one of the parts.
    let Message { room, from, text, seq: _, id, ts, client_msg_id, epoch } = message;
    let mut before = super::to_json(&Before { r#type: "message", room, from, text });
    before.pop();
    before.push_str(r#","seq":"#);
    let mut after = super::to_json(&After { id, ts, client_msg_id, epoch });
    after.replace_range(..1, ",");
    (before, after)
}
