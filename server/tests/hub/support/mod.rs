//! The vocabulary of these tests.

mod client;
mod raw;
#[path = "../../support/redis.rs"]
mod redis;
mod server;

use serde_json::{Value, json};

pub(crate) use self::client::Client;
pub(crate) use self::raw::{Head, Raw, masked};
pub(crate) use self::redis::Redis;
pub(crate) use self::server::{
    TestServer, admin, claims, globs, instance, now_seconds, server, server_with, token,
};

/// How long anything may take before a test gives up. Nothing depends on its value.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// The frame that enters a room.
pub(crate) fn join_room(room: &str) -> Value {
    json!({"type": "join_room", "room": room})
}

/// The frame that enters a room, replaying what came after `since`.
pub(crate) fn join_since(room: &str, since: &Value) -> Value {
    json!({"type": "join_room", "room": room, "since": since})
}

/// The frame that leaves a room.
pub(crate) fn leave_room(room: &str) -> Value {
    json!({"type": "leave_room", "room": room})
}

/// The frame that posts a message.
pub(crate) fn message(room: &str, text: &str) -> Value {
    json!({"type": "message", "room": room, "text": text})
}

/// The frame that posts a message and asks for an ack.
pub(crate) fn tracked(room: &str, text: &str, id: &str) -> Value {
    json!({"type": "message", "room": room, "text": text, "client_msg_id": id})
}

/// What every member sees of a message.
pub(crate) fn said(from: &str, room: &str, text: &str) -> Value {
    json!({"type": "message", "from": from, "room": room, "text": text})
}

/// What is told of somebody who came in.
pub(crate) fn joined(user: &str, room: &str) -> Value {
    json!({"type": "system", "event": "joined", "user_id": user, "room": room})
}

/// What is told of somebody who left.
pub(crate) fn left(user: &str, room: &str, reason: &str) -> Value {
    json!({"type": "system", "event": "left", "user_id": user, "room": room, "reason": reason})
}

/// A refusal.
pub(crate) fn error(code: &str) -> Value {
    json!({"type": "error", "code": code})
}

/// The position that a frame with `epoch`, `seq` and `id` stands at.
pub(crate) fn position(ack: &Value) -> Value {
    json!({"epoch": ack["epoch"], "seq": ack["seq"], "id": ack["id"]})
}

/// Whether `frame` has each field of `expected` with its value; `null` there: the field is not set.
pub(crate) fn agrees(frame: &Value, expected: &Value) -> bool {
    let expected = expected.as_object().expect("an object");
    expected.iter().all(|(field, value)| frame.get(field).unwrap_or(&Value::Null) == value)
}
