//! Submissions: entries of any kind that the client sends, for the server to store.

use realtime_shared::{ClientEvent, ClientMsgId, Content, Feature, Post, RoomName};

/// An entry that the client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) room: RoomName,
    pub(super) client_msg_id: ClientMsgId,
    pub(super) content: Content,
}

impl Submission {
    pub(super) fn into_event(self) -> ClientEvent {
        let Self { room, client_msg_id, content } = self;
        ClientEvent::Post(Post { room, content, client_msg_id: Some(client_msg_id) })
    }

    pub(super) fn is_change(&self) -> bool {
        matches!(self.content, Content::Change(_))
    }

    /// The feature that the server needs to store it.
    pub(super) fn feature(&self) -> Option<Feature> {
        let reply = self.content.reply_to().map(|_| Feature::Reply);
        reply.or_else(|| self.content.kind().feature())
    }
}
