//! Configuration of the server: plain values that are already checked.
//!
//! The command line and the environment are checked once, on their way into a [`Config`]. The server uses the values
//! without checking them again.
//!
//! A program that embeds a server starts with [`Config::new`], which holds all defaults, and changes fields.
//!
//! To add a setting: a field and its default here, a flag in the program's `cli`, a line in the crate's README (a test
//! compares the last two).

use std::thread;
use std::time::Duration;

use realtime_shared::rules::Rules;

use crate::clock::Clock;
use crate::metrics::LogDrops;
use crate::origin::AllowedOrigin;
use crate::secret::Secret;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Configuration of a server.
#[derive(Debug, Clone)]
pub struct Config {
    /// Signs and verifies tokens (HS256).
    pub secret: Secret,
    /// Required `iss` of tokens. `None`: any or none.
    pub issuer: Option<String>,
    /// Audience that tokens must name in `aud`. `None`: any or none.
    pub audience: Option<String>,
    /// Origins of web pages that may connect, besides those on a loopback host, and those at the request's own `Host`
    /// unless the listener is a loopback one. A request without an `Origin` does not come from a web page.
    pub allowed_origins: Vec<AllowedOrigin>,
    /// Failed authentications within a minute after which an address gets HTTP 429. 0: no limit.
    pub auth_failures_per_minute: u32,
    /// Action when the token of an open connection expires.
    pub on_expiry: OnExpiry,
    pub limits: Limits,
    pub timing: Timing,
    pub retain: Retain,
    /// Rules for edits and other changes.
    pub rules: Rules,
    /// Messages can be searched. Redis has no search.
    pub search: bool,
    /// Space on the disk of the store, in bytes, below which posts are refused. `None`: 256 MiB, or the twentieth part of a
    /// smaller file system.
    pub min_free: Option<usize>,
    /// Store in memory, used by a server without another store.
    pub memory: MemoryStore,
    pub ring: Ring,
    /// Limit on the entries that are replayed to a connection that joins with `since`.
    pub replay_limit: usize,
    /// Threads that serve connections, at least 1.
    pub workers: usize,
    /// Time of messages, and of the verification of tokens.
    pub clock: Clock,
    /// Counts of the program's log, shown among the metrics.
    pub log_drops: LogDrops,
}

impl Config {
    /// Defaults, with `secret`.
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
            rules: Rules::default(),
            search: true,
            min_free: None,
            memory: MemoryStore::default(),
            ring: Ring::default(),
            replay_limit: 1_000,
            workers: default_workers(),
            clock: Clock::system(),
            log_drops: LogDrops::default(),
        }
    }
}

/// One worker for each core that this process may use.
pub(crate) fn default_workers() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Action when the token of an open connection expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnExpiry {
    /// Warn the connection 60 s before, and close it with 4003.
    #[default]
    Close,
    /// Leave the connection open, without a warning.
    Ignore,
}

/// Limits on connections, rooms and messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections with a valid token.
    pub max_connections: usize,
    /// Open connections without a valid token: those in an HTTP request, and those being refused. At the limit the one
    /// that was idle or unfinished the longest is closed for the next. `None`: `max_connections`, but at least 64 and at
    /// most 4,096.
    pub max_anonymous_connections: Option<usize>,
    /// Open connections with a valid token from one address or /64; four times as many from one /48. 0: no limit, also
    /// for networks among the connections without a token.
    pub max_connections_per_address: usize,
    /// Open connections of one user. 0: no limit.
    pub max_connections_per_user: usize,
    /// Rooms that a connection may be a member of.
    pub max_rooms_per_connection: usize,
    /// Sustained messages per second from a connection. 0: no limit.
    pub max_messages_per_second: u32,
    /// Messages that a connection may send at once after a pause. Unused if the rate has no limit.
    pub message_burst: u32,
    /// Limits on what all connections of a user do together, and on rooms.
    pub budgets: BudgetLimits,
    /// Limits on new rooms.
    pub rooms: RoomLimits,
    /// Longest frame from a client, in bytes.
    pub max_frame_bytes: usize,
}

impl Limits {
    /// Messages a second that a connection may send in the long run; 0 without a limit.
    pub(crate) fn messages_per_second(&self) -> u32 {
        match (self.max_messages_per_second, self.budgets.user_messages_per_second) {
            (0, limit) | (limit, 0) => limit,
            (connection, user) => connection.min(user),
        }
    }
}

/// Limits on what all connections of a user do together, on all instances, and on what is posted to a room. 0: no
/// limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Messages a second of a user, as a long-term rate.
    pub user_messages_per_second: u32,
    /// Changes of messages and rooms a second of a user, as a long-term rate.
    pub user_changes_per_second: u32,
    /// Bytes a second of a user's frames, and of the answers to its requests for data, as long-term rates.
    pub user_bytes_per_second: usize,
    /// Bytes a second of a room's entries, as a long-term rate.
    pub room_bytes_per_second: usize,
}

impl BudgetLimits {
    /// Defaults for connections that may send this number of messages a second; without limits if it is 0.
    #[must_use]
    pub fn for_messages_per_second(rate: u32) -> Self {
        let bytes = |limit| if rate == 0 { 0 } else { limit };
        Self {
            user_messages_per_second: rate.saturating_mul(4),
            user_changes_per_second: rate,
            // With these two, members with 8 Mbit/s keep up with one user, and with a room.
            user_bytes_per_second: bytes(512 * KIB),
            room_bytes_per_second: bytes(768 * KIB),
        }
    }
}

/// Limits on new rooms. A room is founded by its first entry. Admins are exempt. 0: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomLimits {
    /// Rooms that a user may found within 24 hours, on all instances.
    pub new_per_user: u32,
    /// Rooms that exist, beyond which none is founded.
    pub total: u64,
}

impl RoomLimits {
    /// No limits.
    #[must_use]
    pub const fn none() -> Self {
        Self { new_per_user: 0, total: 0 }
    }
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self { new_per_user: 100, total: 1_000_000 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 100_000,
            max_anonymous_connections: None,
            max_connections_per_address: 1_024,
            max_connections_per_user: 32,
            max_rooms_per_connection: 128,
            max_messages_per_second: 50,
            message_burst: 100,
            budgets: BudgetLimits::for_messages_per_second(50),
            rooms: RoomLimits::default(),
            max_frame_bytes: realtime_shared::codec::CLIENT_FRAME_BYTES,
        }
    }
}

impl Limits {
    /// The limit on connections without a valid token, at least 1.
    #[must_use]
    pub fn anonymous_connections(&self) -> usize {
        self.max_anonymous_connections.unwrap_or_else(|| self.max_connections.clamp(64, 4_096)).max(1)
    }
}

/// Time limits. Only `leave_grace` may be zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// From accepting a connection to the end of its request's headers.
    pub header_timeout: Duration,
    /// From an HTTP answer until its connection is closed, unless it sends another request.
    pub keep_alive: Duration,
    /// From the last frame of a client to the ping that probes it.
    pub ping_interval: Duration,
    /// From that ping to closing with 4006.
    pub ping_timeout: Duration,
    /// Time in which a client must read 64 KiB of the data that waits for it, or all of it. Otherwise it is closed with
    /// 4008.
    pub slow_reader_timeout: Duration,
    /// From the first byte of a frame or message to its last.
    pub unfinished_frame_timeout: Duration,
    /// From the loss of a connection until the other members see its user leave. May be zero.
    pub leave_grace: Duration,
    /// From the stop signal until connections that are still open are dropped.
    pub shutdown_deadline: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(5),
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(10),
            slow_reader_timeout: Duration::from_secs(10),
            unfinished_frame_timeout: Duration::from_secs(10),
            leave_grace: Duration::from_secs(5),
            shutdown_deadline: Duration::from_secs(10),
        }
    }
}

/// Retention of a room's entries. The seq and the id of the newest entry always stay, so that the log can continue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retain {
    /// Age up to which an entry is kept, to within a minute, or some minutes with very many rooms. `None`: no limit.
    pub age: Option<Duration>,
    /// Number of newest entries of a room that are kept. `None`: all; in memory 1,000, on Redis 10,000.
    pub messages: Option<u64>,
    /// Confirms that the first sweep with another retention than before may drop more than half of a store.
    pub confirmed: bool,
}

impl Retain {
    /// Differs from the limits of all values.
    pub(crate) const UNKNOWN_LIMITS: &str = "unknown";

    /// True if entries are dropped by age or by number.
    pub(crate) fn is_limited(&self) -> bool {
        self.age.is_some() || self.messages.is_some()
    }

    /// True if an entry of this age is beyond the retention.
    pub(crate) fn is_past(&self, age: Duration) -> bool {
        self.age.is_some_and(|limit| age > limit)
    }

    /// Limits as text, to be compared with those of the last sweep.
    pub(crate) fn limits(&self) -> String {
        let limit = |limit: Option<u128>| limit.map_or_else(|| "-".to_owned(), |limit| limit.to_string());
        let (age, messages) = (self.age.map(|age| age.as_millis()), self.messages.map(u128::from));
        format!("{} ms, {} messages", limit(age), limit(messages))
    }
}

/// History in memory, which ends with the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryStore {
    /// Limit on the bytes of the entries and dedup records of all rooms; above it the oldest are dropped first.
    pub history_bytes: usize,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self { history_bytes: 256 * MIB }
    }
}

/// Ring of a room, from which members are served. A member that falls further behind, and one that reconnects with an older
/// position, is served from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ring {
    /// Bytes of the frames in one ring.
    pub bytes_per_room: usize,
    /// Bytes of the frames in all rings together.
    pub bytes_total: usize,
    /// Time that a frame is kept, within the limits above.
    pub keep: Duration,
}

impl Default for Ring {
    fn default() -> Self {
        Self { bytes_per_room: 4 * MIB, bytes_total: 256 * MIB, keep: Duration::from_secs(30) }
    }
}
