//! Refusals: `error` frames that answer a client's frame.

use std::time::Duration;

use realtime_shared::codec::Refusal;
use realtime_shared::{
    ClientEvent, ClientMsgId, EntryKind, ErrorCode, ErrorEvent, ErrorScope, Post, Ref, RoomName, ServerEvent,
    ServerFrame,
};

use crate::broker::NotStored;

/// An `error` frame. It repeats the room, the `client_msg_id` and the `ref` of the frame that it refuses.
#[derive(Debug, Clone)]
pub(crate) struct Error {
    event: ErrorEvent,
    reference: Option<Ref>,
    /// The refusal counts towards the limit that closes the connection.
    is_counted: bool,
}

impl Error {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            event: ErrorEvent {
                code,
                message: message.into(),
                temporary: code.is_temporary(),
                room: None,
                client_msg_id: None,
                retry_after_ms: None,
                scope: None,
            },
            reference: None,
            // An engine that is unavailable is not the client's fault: many messages in flight must not close it.
            is_counted: code != ErrorCode::Unavailable,
        }
    }

    /// `action` completes "your token does not allow you to …".
    pub(crate) fn forbidden(action: &str) -> Self {
        Self::new(ErrorCode::Forbidden, format!("your token does not allow you to {action}"))
    }

    /// The refusal of a frame about a room: `action` is as in [`Self::forbidden`]. A reserved name has a message of its own,
    /// which depends on the name only.
    pub(crate) fn forbidden_in(room: &RoomName, action: &str) -> Self {
        let error = if room.is_reserved() && !room.is_direct() {
            Self::new(ErrorCode::Forbidden, "names that begin with `dm:` or `sys:` are reserved")
        } else {
            Self::forbidden(action)
        };
        error.in_room(room)
    }

    /// The refusal of a frame about a room that its token does not open, or that is a direct room of others: they look alike.
    pub(super) fn unusable(event: &ClientEvent, room: &RoomName) -> Self {
        let (action, client_msg_id) = match event {
            ClientEvent::Post(Post { content, client_msg_id, .. }) => {
                (Self::of_post(content.kind()), client_msg_id.as_ref())
            }
            _ => ("use that room", None),
        };
        Self::forbidden_in(room, action).of_entry(client_msg_id)
    }

    /// The action that the token of a sender does not allow.
    pub(super) fn of_post(kind: EntryKind) -> &'static str {
        match kind {
            EntryKind::Message | EntryKind::Edit | EntryKind::Reaction => "post in that room",
            EntryKind::Delete | EntryKind::Pin | EntryKind::Room => "use that room",
        }
    }

    pub(crate) fn not_a_member() -> Self {
        Self::new(ErrorCode::NotAMember, "you are not in that room")
    }

    /// The store lacks the feature of a frame. `what` completes "this server does not support …".
    pub(crate) fn unsupported(what: &str) -> Self {
        Self::new(ErrorCode::Unsupported, format!("this server does not support {what}"))
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(ErrorCode::Unavailable, "the store cannot be reached; try again later")
    }

    /// The same refusal because the store cannot be reached.
    pub(crate) fn into_unavailable(self) -> Self {
        let Self { event, reference, .. } = self;
        let mut error = Self::unavailable();
        (error.event.room, error.event.client_msg_id) = (event.room, event.client_msg_id);
        error.answering(reference)
    }

    pub(crate) fn rate_limited(wait: Duration) -> Self {
        let mut error = Self::new(ErrorCode::RateLimited, "too many frames in a short time");
        error.event.retry_after_ms = Some(in_millis(wait));
        error
    }

    /// The refusal of a post to a room to which too much is posted, perhaps by others.
    pub(crate) fn room_is_busy(wait: Duration) -> Self {
        let mut error = Self::rate_limited(wait);
        error.event.scope = Some(ErrorScope::Room);
        "too much is posted to that room".clone_into(&mut error.event.message);
        error.is_counted = false;
        error
    }

    /// The refusal of a submission to a room by the store.
    pub(crate) fn not_stored(cause: NotStored, room: &RoomName) -> Self {
        let error = match cause {
            NotStored::NewRoomNotNfc => Self::new_room_not_nfc(room),
            NotStored::Unavailable(_) => Self::unavailable(),
            NotStored::Refused { code, message, retry_after } => {
                let mut error = Self::new(code, message);
                error.event.retry_after_ms = retry_after.map(in_millis);
                // A store limits the posts to a room, in slow mode, and nothing else.
                error.event.scope = retry_after.map(|_| ErrorScope::Room);
                error
            }
        };
        error.in_room(room)
    }

    /// The refusal of a new room whose name is not in Unicode normalization form C.
    pub(crate) fn new_room_not_nfc(room: &RoomName) -> Self {
        let form = room.to_nfc().unwrap_or_default();
        let message = format!("`room` is not in Unicode normalization form C (NFC); use \"{form}\"");
        Self::new(ErrorCode::InvalidRoom, message).in_room(room)
    }

    /// Returns true if the refusal counts towards the limit that closes the connection.
    pub(super) fn is_counted(&self) -> bool {
        self.is_counted
    }

    /// The refusal of a frame that cannot be decoded.
    pub(crate) fn undecodable(refusal: Refusal) -> Self {
        let mut error = Self::new(refusal.fault.code(), refusal.fault.to_string());
        error.event.room = refusal.room;
        error.event.client_msg_id = refusal.client_msg_id;
        error.reference = refusal.reference;
        error
    }

    pub(crate) fn in_room(mut self, room: &RoomName) -> Self {
        self.event.room = Some(room.clone());
        self
    }

    pub(crate) fn of_entry(mut self, client_msg_id: Option<&ClientMsgId>) -> Self {
        self.event.client_msg_id = client_msg_id.cloned();
        self
    }

    pub(crate) fn answering(mut self, reference: Option<Ref>) -> Self {
        self.reference = reference;
        self
    }

    pub(crate) fn into_frame(self) -> ServerFrame {
        ServerFrame { event: ServerEvent::Error(self.event), reference: self.reference }
    }
}

/// A time to wait in milliseconds, rounded up.
fn in_millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).saturating_add(1)
}
