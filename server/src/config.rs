//! What the hub is told: plain values, checked before they come here.
//!
//! A setting is written once, on the command line or in the environment, and checked once, on its
//! way into a [`Config`]. Past that nothing is checked again: the hub takes these values as they are.
//!
//! A program that starts a hub inside itself makes a `Config` with [`Config::new`], which has the default of every
//! setting, and changes the fields that it wants otherwise.
//!
//! To add a setting: a field and its default here, a flag in the program's `cli`, a line in the crate's README (a test
//! compares the last two).

use std::thread;
use std::time::Duration;

use realtime_shared::Timestamp;

use crate::clock::Clock;
use crate::secret::Secret;

const MIB: usize = 1024 * 1024;

/// All that the hub needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// Signs and checks tokens (HS256).
    pub secret: Secret,
    /// The `iss` that a token must have. `None`: any or none.
    pub issuer: Option<String>,
    /// The `aud` that a token must name. `None`: any or none.
    pub audience: Option<String>,
    /// Values of the `Origin` header that may connect, as browsers write them (`https://chat.example.org`).
    /// Empty: all. A request without an `Origin` does not come from a web page and may always.
    pub allowed_origins: Vec<String>,
    /// Failed authentications within a minute after which an address is answered with HTTP 429. 0: never.
    pub auth_failures_per_minute: u32,
    /// What happens when the token of an open connection expires.
    pub on_expiry: OnExpiry,
    /// How much anybody may have or do.
    pub limits: Limits,
    /// How long anything may take.
    pub timing: Timing,
    /// How much of a room's past is kept.
    pub retain: Retain,
    /// The store in memory, for a server that has no other.
    pub memory: MemoryStore,
    /// What a room keeps for delivery to its members.
    pub ring: Ring,
    /// The most entries that are replayed to a connection that joins with `since`.
    pub replay_limit: usize,
    /// Threads that serve connections, at least 1.
    pub workers: usize,
    /// Tells the time that messages are stamped with, and tokens are checked against.
    pub clock: Clock,
}

impl Config {
    /// The defaults, with `secret`.
    #[must_use]
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            issuer: None,
            audience: None,
            allowed_origins: Vec::new(),
            auth_failures_per_minute: 20,
            on_expiry: OnExpiry::default(),
            limits: Limits::default(),
            timing: Timing::default(),
            retain: Retain::default(),
            memory: MemoryStore::default(),
            ring: Ring::default(),
            replay_limit: 1_000,
            workers: default_workers(),
            clock: Clock::system(),
        }
    }
}

/// One worker for each core that this process may use.
pub(crate) fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What happens when the token of an open connection expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExpiry {
    /// The connection is warned 60 s before and closed with 4003.
    #[default]
    Close,
    /// The connection stays, without a warning.
    Ignore,
}

/// How much anybody may have or do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all, those that are still in their HTTP request included.
    pub max_connections: usize,
    /// Open connections from one address. 0: no limit.
    pub max_connections_per_address: usize,
    /// Open connections of one user. 0: no limit.
    pub max_connections_per_user: usize,
    /// Rooms that a connection may be in.
    pub max_rooms_per_connection: usize,
    /// Messages a second that a connection may send in the long run. 0: no limit.
    pub max_messages_per_second: u32,
    /// Messages that a connection may send at once after a pause. Without meaning where the rate has no limit.
    pub message_burst: u32,
    /// Longest frame from a client, in bytes.
    pub max_frame_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            max_connections_per_address: 1_024,
            max_connections_per_user: 32,
            max_rooms_per_connection: 128,
            max_messages_per_second: 50,
            message_burst: 100,
            max_frame_bytes: realtime_shared::codec::CLIENT_FRAME_BYTES,
        }
    }
}

/// How long anything may take. None of these is zero, but for `leave_grace`, which may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// From accepting a connection to the end of its request's headers.
    pub header_timeout: Duration,
    /// From the last sign of a client to the ping that asks for one.
    pub ping_interval: Duration,
    /// From that ping to closing with 4006.
    pub ping_timeout: Duration,
    /// How long a client may take nothing of what is there for it, before it is closed with 4008.
    pub slow_reader_timeout: Duration,
    /// From the first byte of a frame or message to its last.
    pub unfinished_frame_timeout: Duration,
    /// From the loss of a connection until others are told that its user has left. May be zero.
    pub leave_grace: Duration,
    /// From the signal to stop until connections that are still open are dropped.
    pub shutdown_deadline: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(10),
            slow_reader_timeout: Duration::from_secs(10),
            unfinished_frame_timeout: Duration::from_secs(10),
            leave_grace: Duration::from_secs(5),
            shutdown_deadline: Duration::from_secs(10),
        }
    }
}

/// How much of a room's past is kept. The newest entry's number and identity are kept in any case: the log goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retain {
    /// For how long after it was accepted an entry is kept, give or take a minute. `None`: for ever.
    pub age: Option<Duration>,
    /// How many entries of a room are kept, the newest. `None`: all of them; in memory 1,000, on Redis
    /// 10,000.
    pub messages: Option<u64>,
}

impl Retain {
    /// Whether an entry of `then` is too old to be kept.
    pub(crate) fn is_past(&self, then: Timestamp, now: Timestamp) -> bool {
        let age = Duration::from_millis(now.millis().saturating_sub(then.millis()));
        self.age.is_some_and(|most| age > most)
    }
}

/// History in memory: it ends with the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryStore {
    /// Bytes that the entries of all rooms, and what is known of those sent again, may take; past it the oldest go
    /// first.
    pub history_bytes: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { history_bytes: 256 * MIB }
    }
}

/// What a room keeps for delivery. A member that falls further behind is closed with 4008; one that comes back
/// to a position that is no longer here is served from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Bytes of frames that a room keeps.
    pub bytes_per_room: usize,
    /// Bytes of frames that all rooms keep together.
    pub bytes_total: usize,
    /// How long a frame is kept where there is room for it.
    pub keep: Duration,
}

impl Default for Ring {
    fn default() -> Self {
        Self { bytes_per_room: 4 * MIB, bytes_total: 256 * MIB, keep: Duration::from_secs(30) }
    }
}
