//! Logs against a model, and rooms with members, without a socket.

mod log;

use realtime_shared::{RoomName, UserId};

#[track_caller]
fn room(name: &str) -> RoomName {
    RoomName::new(name).expect("a room's name")
}

#[track_caller]
fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}
