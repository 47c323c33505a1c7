//! Messages for tests of the output.

use realtime_shared::{EntryFields, EntryId, Message, Seq, Text, Timestamp};

/// Message `seq` of the room `dev`, by bob at midnight.
pub(in crate::pipe) fn message(seq: u64, text: &str) -> Message {
    let fields = EntryFields {
        room: "dev".parse().expect("a room"),
        from: "bob".parse().expect("a name"),
        seq: Seq::new(seq),
        id: EntryId::from_u128(seq.into()),
        ts: Timestamp::from_millis(0),
        client_msg_id: None,
        epoch: realtime_shared::Epoch::new("e"),
    };
    Message::new(Text::new(text).expect("a text").into(), fields)
}
