//! Tests of the protocol over real sockets, with a server in this process.
//!
//! All tests are one binary, which is linked once. [`support`] has a server, a client that sends JSON
//! ([`support::TestClient`]), and one that sends bytes ([`support::RawClient`]), for input that a correct client never
//! sends. Each module tests a part of the protocol. Tests wait for frames, never for a time; the exception is
//! `retry_after_ms` of a refusal. To show that a frame does not come, a test waits for one that would come after it: the
//! room's next message, or the pong to a ping.
//!
//! Add a test to the module of its part. Write frames as they are on the wire.

mod base_dialect;
mod budgets;
mod changes;
mod grants;
mod history;
mod inbox;
mod instances;
mod layers;
mod messages;
mod metrics;
mod names;
mod places;
mod random_frames;
mod recovery;
mod refusals;
mod rights;
mod rooms;
mod search;
mod slow_readers;
mod sockets;
mod support;
mod typing;
mod upgrade;
