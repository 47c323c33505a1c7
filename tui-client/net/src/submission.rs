//! Submissions: entries that the client sends, for the server to store.
//!
//! To submit another kind of entry, add a variant to [`Body`], its arm in [`Submission::into_event`], and a
//! [`Command`](crate::Command) that pushes it to the outbox.

use realtime_shared::{ClientEvent, ClientMsgId, Post, RoomName, Text};

/// An entry that the client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) room: RoomName,
    pub(super) client_msg_id: ClientMsgId,
    pub(super) body: Body,
}

/// The part of a submission that depends on its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Message { text: Text },
}

impl Submission {
    pub(super) fn into_event(self) -> ClientEvent {
        let Self { room, client_msg_id, body } = self;
        let client_msg_id = Some(client_msg_id);
        match body {
            Body::Message { text } => ClientEvent::Post(Post::message(room, text, client_msg_id)),
        }
    }
}
