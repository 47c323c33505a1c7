//! Generators of frames for property tests in all crates (feature `proptest`).
//!
//! [`frames`] generates typed frames; [`client_text`] generates the texts that a client may send. Every valid value can
//! come up: lengths up to their limits, characters of every plane, numbers of every size. Every text is smaller than
//! [`CLIENT_FRAME_BYTES`](crate::codec::CLIENT_FRAME_BYTES), so a test can send it to a live server.
//!
//! A new frame gets its strategy in `frames.rs`. `tests/lists.rs` fails while a frame of the golden files never comes
//! up.

pub mod client_text;
pub mod frames;
mod writer;

pub use client_text::{
    invalid_client_text, not_json, refused_client_text, valid_client_text, written_client_frame,
};
pub use frames::{
    change, client_event, client_frame, client_msg_id, content, emoji, entry_event, folded_message, history,
    line, nonce, position, reference, room_name, server_event, server_frame, text, user_id,
};
