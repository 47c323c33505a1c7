//! Encoder of an entry's frame in two parts, for a store that assigns the `seq`.

use serde::Serialize;

use super::encode::to_json;
use crate::entry::EntryKind;
use crate::entry_event::{ChangeEntry, EntryEvent, EntryHead};
use crate::field::Mentions;
use crate::message::Message;
use crate::name::{ClientMsgId, EntryId, RoomName, Text, UserId};
use crate::position::{Epoch, Seq};
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
    id: EntryId,
    ts: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_msg_id: &'a Option<ClientMsgId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: &'a Option<Epoch>,
}

#[derive(Serialize)]
struct MessageFields<'a> {
    text: &'a Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Seq>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: &'a Option<Mentions>,
}

/// Encodes an entry in two parts: the text before the number of its `seq`, and the text after it.
///
/// The `seq` of `entry` is ignored, and so are changes of later entries. Both parts with a number between them are equal
/// to the text that [`encode`](crate::codec::encode) returns for that `seq`.
#[must_use]
pub fn encode_around_seq(entry: &EntryEvent) -> (String, String) {
    let EntryHead { room, from, seq: _, id, ts, client_msg_id, epoch } = entry.head();
    let before = match entry {
        EntryEvent::Message(Message { text, reply_to, mentions, .. }) => {
            let content = MessageFields { text, reply_to: *reply_to, mentions };
            to_json(&FieldsBefore { r#type: entry.kind(), room, from, content })
        }
        EntryEvent::Change(ChangeEntry { change, .. }) => {
            to_json(&FieldsBefore { r#type: entry.kind(), room, from, content: change })
        }
    };
    in_two_parts(before, &FieldsAfter { id, ts, client_msg_id, epoch })
}

fn in_two_parts(mut before: String, after: &FieldsAfter<'_>) -> (String, String) {
    let mut after = to_json(after);
    before.pop();
    before.push_str(r#","seq":"#);
    after.replace_range(..1, ",");
    (before, after)
}
