//! WebSocket transport of one connection: bytes to messages and back.
//!
//! [`FrameReader`] turns bytes into messages and reports violations of the protocol. [`Socket`] owns the stream and the
//! pending output. Neither knows the meaning of a message or the time: the owner enforces time limits. An idle connection
//! holds no buffer here.

mod frame_reader;
mod stream;
#[cfg(test)]
mod tests;

pub use self::frame_reader::{Bounds, FrameReader, Incoming, Violation};
pub use self::stream::{Read, Socket, Written};
