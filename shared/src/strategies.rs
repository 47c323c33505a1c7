//! Generators of frames for property tests in all crates (feature `proptest`).
//!
//! [`frames`] generates typed frames, and [`fields`] their fields; [`client_text`] generates the texts that a client may send. Every valid value can
//! come up: lengths up to their limits, characters of every plane, numbers of every size. Every text is smaller than
//! [`CLIENT_FRAME_BYTES`](crate::codec::CLIENT_FRAME_BYTES), so a test can send it to a live server.
//!
//! A new frame gets its strategy in `frames.rs`. `tests/lists.rs` fails while a frame of the golden files never comes
//! up.

pub mod client_text;
pub mod fields;
pub mod frames;
mod writer;

pub use client_text::{
    invalid_client_text, not_json, refused_client_text, valid_client_text, written_client_frame,
};
pub use fields::{client_msg_id, emoji, line, nonce, position, reference, room_name, text, user_id};
pub use frames::{
    change, client_event, client_frame, content, entry_event, folded_message, history, server_event,
    server_frame,
};
