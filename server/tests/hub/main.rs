//! The hub from outside: a server in this process, and raw WebSocket clients on real sockets.
//!
//! One binary, so that all of it is linked once. [`support`] is the vocabulary: a server, a client that speaks JSON
//! ([`support::Client`]), and one that speaks bytes, for what no decent client does ([`support::Raw`]). Each module
//! takes a part of the protocol. They wait for what has to come, never for a time (but one that is told to by a refusal,
//! as clients are). What must *not* come is shown by something that comes after it in the same order: a room's next
//! message, or the pong to a ping.
//!
//! To add a test: into the module of its part; frames are written as they go over the wire.

mod base_dialect;
mod grants;
mod instances;
mod layers;
mod messages;
mod metrics;
mod random_frames;
mod recovery;
mod rooms;
mod slow_readers;
mod sockets;
mod support;
mod upgrade;
