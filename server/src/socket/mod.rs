//! Bytes ⇄ messages of one WebSocket: reading, writing and the ways in which a peer can break it.
//!
//! [`Reader`] turns bytes into messages and says what is wrong with them; [`Socket`] owns the stream and the bytes that
//! are on their way out. Neither knows what a message means, nor what time it is: their owner sets the limits of time.
//! A connection that is quiet owns no buffer here.

mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub use self::reader::{Bounds, Incoming, Reader, Violation};
pub use self::stream::{Read, Socket, Written};
