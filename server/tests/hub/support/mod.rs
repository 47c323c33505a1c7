//! Servers, clients and frames for the tests of the hub.

mod client;
mod raw;
#[path = "../../support/redis.rs"]
mod redis;
mod server;

use serde_json::{Value, json};

pub(crate) use self::client::TestClient;
pub(crate) use self::raw::{RawClient, ResponseHead, masked};
pub(crate) use self::redis::Redis;
pub(crate) use self::server::{
    SECRET, TestServer, admin, claims, globs, instance, instance_with, memory_server, memory_server_with,
    now_seconds, server, server_at, server_with, token,
};

/// Time after which a waiting test fails.
pub(crate) const TEST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(20);

/// Frame of a client that joins a room.
pub(crate) fn join_room(room: &str) -> Value {
    json!({"type": "join_room", "room": room})
}

/// Frame of a client that joins a room and requests the entries after the position `since`.
pub(crate) fn join_since(room: &str, since: &Value) -> Value {
    json!({"type": "join_room", "room": room, "since": since})
}

/// Frame of a client that leaves a room.
pub(crate) fn leave_room(room: &str) -> Value {
    json!({"type": "leave_room", "room": room})
}

/// Frame of a client that posts a message.
pub(crate) fn message(room: &str, text: &str) -> Value {
    json!({"type": "message", "room": room, "text": text})
}

/// Frame of a client that posts a message with a `client_msg_id`, which requests an ack.
pub(crate) fn message_with_id(room: &str, text: &str, id: &str) -> Value {
    json!({"type": "message", "room": room, "text": text, "client_msg_id": id})
}

/// Fields of a message as members receive it.
pub(crate) fn message_from(from: &str, room: &str, text: &str) -> Value {
    json!({"type": "message", "from": from, "room": room, "text": text})
}

/// Fields of the event of a join.
pub(crate) fn joined(user: &str, room: &str) -> Value {
    json!({"type": "system", "event": "joined", "user_id": user, "room": room})
}

/// Fields of the event of a leave.
pub(crate) fn left(user: &str, room: &str, reason: &str) -> Value {
    json!({"type": "system", "event": "left", "user_id": user, "room": room, "reason": reason})
}

/// Fields of a refusal.
pub(crate) fn error(code: &str) -> Value {
    json!({"type": "error", "code": code})
}

/// The position of a frame with `epoch`, `seq` and `id`.
pub(crate) fn position(ack: &Value) -> Value {
    json!({"epoch": ack["epoch"], "seq": ack["seq"], "id": ack["id"]})
}

/// True if `frame` has each field of `expected` with its value. `null` in `expected` means that the field is absent or null.
pub(crate) fn has_fields(frame: &Value, expected: &Value) -> bool {
    let expected = expected.as_object().expect("an object");
    expected.iter().all(|(field, value)| frame.get(field).unwrap_or(&Value::Null) == value)
}
