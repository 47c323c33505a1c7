//! `realtime-server serve`: its arguments, and the checked [`Plan`] that they become.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use realtime_server::config::{
    BudgetLimits, Config, Limits, MemoryStore, OnExpiry, Retain, Ring, RoomLimits, Timing,
};
use realtime_server::origin::AllowedOrigin;
use realtime_server::secret::Secret;
use realtime_shared::rules::Rules;
use realtime_shell::keep_lines;

use super::data::data_dir;
use super::redis::{RedisArgs, RedisPlan};
use super::reload::Reload;
use super::secret::{self, Origin, SecretArgs};
use super::units::{duration, positive_duration, size};
use super::usage::UsageError;
use crate::listen::ListenAddress;
use crate::logging::{Format, LogFilter};

const EXAMPLES: &str = "\
Examples:
  realtime-server serve
      On this host only, with a secret that the first run creates
  realtime-server serve --data-dir /var/lib/realtime --retain 90d
      With rooms and secret in a given directory, and no older messages
  realtime-server serve --listen 0.0.0.0:8000 --listen '[::]:8000'
      For a network; put a TLS proxy in front of it
  REALTIME_JWT_SECRET=… REALTIME_LOG_FORMAT=json realtime-server serve
      With the secret of the program that issues the tokens; logs as JSON

Every flag can also be set in the variable shown as [env: …]; the flag has precedence.

Durations: 500ms, 30s, 5m, 12h, 7d, 1h30m. Sizes: bytes, or KiB, MiB, GiB.";

const KIB: usize = 1024;

#[derive(Debug, Args)]
#[command(after_help = keep_lines(EXAMPLES))]
pub(crate) struct ServeArgs {
    /// Address and port to listen on (repeatable; in the variable separated by commas). Port 0: any free one. [default:
    /// 127.0.0.1:8000 and, where the host has IPv6, [::1]:8000]
    #[arg(
        long,
        env = "REALTIME_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Listening"
    )]
    listen: Vec<ListenAddress>,

    /// Address and port for metrics and health alone (repeatable; in the variable separated by commas). Metrics are then
    /// on no other address
    #[arg(
        long,
        env = "REALTIME_ADMIN_LISTEN",
        value_name = "ADDRESS",
        value_delimiter = ',',
        help_heading = "Listening"
    )]
    admin_listen: Vec<ListenAddress>,

    /// Origin of web pages that may connect, such as https://chat.example.org; also null, file://, or * for all
    /// (repeatable; in the variable separated by commas) [default: pages on a loopback host, and on the server's own
    /// host unless it listens on loopback]
    #[arg(
        long,
        env = "REALTIME_ALLOW_ORIGIN",
        value_name = "ORIGIN",
        value_delimiter = ',',
        help_heading = "Listening"
    )]
    allow_origin: Vec<AllowedOrigin>,

    /// Threads that serve connections, at least 1 [default: one for each core]
    #[arg(long, env = "REALTIME_WORKERS", value_name = "NUMBER", value_parser = at_least_one, help_heading = "Listening")]
    workers: Option<usize>,

    #[command(flatten)]
    secret: SecretArgs,

    /// Action when the token of an open connection expires
    #[arg(
        long,
        env = "REALTIME_ON_EXPIRY",
        value_name = "ACTION",
        default_value = "close",
        help_heading = "Tokens"
    )]
    on_expiry: OnExpiryArg,

    /// Failed authentications within a minute after which further ones from an address get HTTP 429; a valid token is
    /// always accepted. 0: no limit
    #[arg(
        long,
        env = "REALTIME_AUTH_FAILURES_PER_MINUTE",
        value_name = "NUMBER",
        default_value = "20",
        help_heading = "Tokens"
    )]
    auth_failures_per_minute: u32,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    timing: TimingArgs,

    #[command(flatten)]
    rooms: RoomArgs,

    #[command(flatten)]
    redis: RedisArgs,

    /// Format of the log on standard error
    #[arg(
        long,
        env = "REALTIME_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text",
        help_heading = "Logs"
    )]
    log_format: Format,

    /// Log level: error, warn, info, debug, trace or off, also for a part of the server: info,realtime_server=debug
    #[arg(long, env = "REALTIME_LOG", value_name = "FILTER", default_value = "info", help_heading = "Logs")]
    log: String,

    /// File with the log level, in the form of --log and instead of it. SIGHUP reads it again
    #[arg(long, env = "REALTIME_LOG_LEVEL_FILE", value_name = "FILE", help_heading = "Logs")]
    log_level_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Limit on open connections with a valid token; the system's limit of open files may lower it [default: 100000]
    #[arg(long, env = "REALTIME_MAX_CONNECTIONS", value_name = "NUMBER", value_parser = at_least_one)]
    max_connections: Option<usize>,

    /// Limit on connections without a valid token; beyond it the one that is idle the longest is closed [default:
    /// --max-connections, but at least 64 and at most 4096]
    #[arg(long, env = "REALTIME_MAX_ANONYMOUS_CONNECTIONS", value_name = "NUMBER", value_parser = at_least_one)]
    max_anonymous_connections: Option<usize>,

    /// Limit on connections with a valid token from one address, or one /64 with IPv6; four times as many from one /48.
    /// Behind a proxy, all come from the proxy's address. 0: no limit
    #[arg(long, env = "REALTIME_MAX_CONNECTIONS_PER_ADDRESS", value_name = "NUMBER", default_value = "1024")]
    max_connections_per_address: usize,

    /// Limit on connections of one user, and on its connects at once; then one a second is accepted. 0: no limit
    #[arg(long, env = "REALTIME_MAX_CONNECTIONS_PER_USER", value_name = "NUMBER", default_value = "32")]
    max_connections_per_user: usize,

    /// Limit on rooms that a connection may be in
    #[arg(long, env = "REALTIME_MAX_ROOMS_PER_CONNECTION", value_name = "NUMBER", default_value = "128",
          value_parser = at_least_one)]
    max_rooms_per_connection: usize,

    /// Limit on the rooms that a user founds within 24 hours, with their first message. Admins are exempt. 0: no limit
    #[arg(long, env = "REALTIME_MAX_NEW_ROOMS_PER_USER", value_name = "NUMBER", default_value = "100")]
    max_new_rooms_per_user: u32,

    /// Limit on rooms, beyond which only admins found one. A removed room gives its place back. 0: no limit
    #[arg(long, env = "REALTIME_MAX_ROOMS", value_name = "NUMBER", default_value = "1000000")]
    max_rooms: u64,

    /// Limit on the sustained messages per second from a connection. 0: no limit
    #[arg(long, env = "REALTIME_MAX_MESSAGES_PER_SECOND", value_name = "NUMBER", default_value = "50")]
    max_messages_per_second: u32,

    /// Messages that a connection may send at once after a pause [default: twice the messages per second]
    #[arg(long, env = "REALTIME_MESSAGE_BURST", value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    message_burst: Option<u32>,

    /// Limit on messages a second from all connections of a user together, fewer in rooms of more than 100 members. 0: no limit
    /// [default: four times the messages a second of a connection]
    #[arg(long, env = "REALTIME_MAX_USER_MESSAGES_PER_SECOND", value_name = "NUMBER")]
    max_user_messages_per_second: Option<u32>,

    /// Limit on changes a second from all connections of a user together: edits, deletions, reactions, pins and settings
    /// of rooms. 0: no limit [default: the messages a second of a connection]
    #[arg(long, env = "REALTIME_MAX_USER_CHANGES_PER_SECOND", value_name = "NUMBER")]
    max_user_changes_per_second: Option<u32>,

    /// Limit on bytes a second that all connections of a user send, and on those that they request. 0: no limit
    /// [default: 512KiB; no limit with --max-messages-per-second 0]
    #[arg(long, env = "REALTIME_MAX_USER_BYTES_PER_SECOND", value_name = "SIZE", value_parser = size::<0>)]
    max_user_bytes_per_second: Option<usize>,

    /// Limit on bytes a second that are posted to a room. 0: no limit
    /// [default: 768KiB; no limit with --max-messages-per-second 0]
    #[arg(long, env = "REALTIME_MAX_ROOM_BYTES_PER_SECOND", value_name = "SIZE", value_parser = size::<0>)]
    max_room_bytes_per_second: Option<usize>,
}

impl LimitArgs {
    fn budgets(&self) -> BudgetLimits {
        let defaults = BudgetLimits::for_messages_per_second(self.max_messages_per_second);
        BudgetLimits {
            user_messages_per_second: self
                .max_user_messages_per_second
                .unwrap_or(defaults.user_messages_per_second),
            user_changes_per_second: self
                .max_user_changes_per_second
                .unwrap_or(defaults.user_changes_per_second),
            user_bytes_per_second: self.max_user_bytes_per_second.unwrap_or(defaults.user_bytes_per_second),
            room_bytes_per_second: self.max_room_bytes_per_second.unwrap_or(defaults.room_bytes_per_second),
        }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Timing")]
struct TimingArgs {
    /// Time limit for a request to arrive
    #[arg(long, env = "REALTIME_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    header_timeout: Duration,

    /// Time without a frame from a client after which the server pings it
    #[arg(long, env = "REALTIME_PING_INTERVAL", value_name = "DURATION", default_value = "25s", value_parser = positive_duration)]
    ping_interval: Duration,

    /// Time limit for a client to answer a ping; otherwise its connection is closed (4006)
    #[arg(long, env = "REALTIME_PING_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    ping_timeout: Duration,

    /// Time in which a client must read 64 KiB of the data that waits for it, or all of it. Otherwise it is closed (4008)
    #[arg(long, env = "REALTIME_SLOW_READER_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    slow_reader_timeout: Duration,

    /// Time limit for a frame from its first byte to its last
    #[arg(long, env = "REALTIME_UNFINISHED_FRAME_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    unfinished_frame_timeout: Duration,

    /// Leave grace: time for a user to return after a lost connection before others see it leave. May be 0
    #[arg(long, env = "REALTIME_LEAVE_GRACE", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    leave_grace: Duration,

    /// Time limit for open connections to close when the server stops
    #[arg(long, env = "REALTIME_SHUTDOWN_DEADLINE", value_name = "DURATION", default_value = "10s", value_parser = positive_duration)]
    shutdown_deadline: Duration,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Rooms")]
struct RoomArgs {
    /// Keep rooms in memory: they end with the server. Otherwise the data directory stores them
    #[arg(long, env = "REALTIME_MEMORY", value_parser = BoolishValueParser::new())]
    memory: bool,

    /// Drop messages that are older than this [default: keep them]
    #[arg(long, env = "REALTIME_RETAIN", value_name = "DURATION", value_parser = positive_duration)]
    retain: Option<Duration>,

    /// Keep only this many of the newest messages of a room [default: all; with --memory 1000, in Redis 10000]
    #[arg(long, env = "REALTIME_RETAIN_MESSAGES", value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    retain_messages: Option<u64>,

    /// Confirm --retain and --retain-messages: without it, the first sweep after they were changed does not happen if it
    /// would drop more than half of all messages
    #[arg(long, env = "REALTIME_RETAIN_CONFIRM", value_parser = BoolishValueParser::new())]
    retain_confirm: bool,

    /// Age up to which the author of a message may edit it [default: any]
    #[arg(long, env = "REALTIME_EDIT_WINDOW", value_name = "DURATION", value_parser = positive_duration)]
    edit_window: Option<Duration>,

    /// Do not let users search messages. Without the index of the search, a store is smaller
    #[arg(long, env = "REALTIME_NO_SEARCH", value_parser = BoolishValueParser::new())]
    no_search: bool,

    /// Space on the disk of the data directory below which messages are refused, so that the disk does not become full
    /// [default: 256MiB, or 5 % of a smaller disk]
    #[arg(long, env = "REALTIME_MIN_FREE", value_name = "SIZE", value_parser = size::<0>)]
    min_free: Option<usize>,

    /// With --memory: limit on the memory for the messages of all rooms; above it, the oldest are dropped first
    #[arg(long, env = "REALTIME_HISTORY_BYTES", value_name = "SIZE", default_value = "256MiB", value_parser = size::<{ 1024 * KIB }>)]
    history_bytes: usize,

    /// Limit on the entries that are replayed to a client that reconnects
    #[arg(long, env = "REALTIME_REPLAY_LIMIT", value_name = "NUMBER", default_value = "1000", value_parser = at_least_one)]
    replay_limit: usize,

    /// Memory of a room's ring, from which members are served; a member that falls further behind is served from the store
    #[arg(long, env = "REALTIME_RING_BYTES_PER_ROOM", value_name = "SIZE", default_value = "4MiB", value_parser = size::<{ 64 * KIB }>)]
    ring_bytes_per_room: usize,

    /// Limit on the memory of all rings together
    #[arg(long, env = "REALTIME_RING_BYTES", value_name = "SIZE", default_value = "256MiB", value_parser = size::<{ 1024 * KIB }>)]
    ring_bytes: usize,

    /// Time that a ring keeps delivered entries, for clients that reconnect
    #[arg(long, env = "REALTIME_RING_KEEP", value_name = "DURATION", default_value = "30s", value_parser = positive_duration)]
    ring_keep: Duration,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OnExpiryArg {
    /// Warn the client 60 s before, then close (4003)
    Close,
    /// Leave it open
    Ignore,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Err(_) | Ok(0) => Err("it must be a number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Checked configuration of a run of the server.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    /// Empty: the default addresses.
    pub(crate) listen: Vec<ListenAddress>,
    pub(crate) admin_listen: Vec<ListenAddress>,
    /// Data directory; `None` if rooms are in memory or in Redis.
    pub(crate) store: Option<PathBuf>,
    pub(crate) redis: Option<RedisPlan>,
    pub(crate) log_format: Format,
    pub(crate) log_filter: LogFilter,
    pub(crate) reload: Reload,
    pub(crate) secret_origin: Origin,
    /// Flags with which `token` finds the secret of this server.
    pub(crate) token_flags: String,
    /// True if the operator set `--max-connections`.
    pub(crate) max_connections_chosen: bool,
}

impl ServeArgs {
    /// Checks the arguments. The secret comes last, since resolving it may create one.
    pub(crate) fn check(self) -> Result<Plan, UsageError> {
        let log_filter = self.log_filter()?;
        let redis = self.redis.check(self.rooms.memory, self.secret.exposure())?;
        let store = if self.rooms.memory || redis.is_some() {
            None
        } else {
            Some(data_dir(self.secret.data_dir.as_deref()).ok_or(UsageError::NoHome)?)
        };
        let sources = self.secret.sources();
        let (secret, secret_origin) = secret::resolve(&sources)?;
        Ok(Plan {
            store,
            redis,
            max_connections_chosen: self.limits.max_connections.is_some(),
            listen: self.listen.clone(),
            admin_listen: self.admin_listen.clone(),
            log_format: self.log_format,
            log_filter,
            reload: Reload { secret: sources, log_level_file: self.log_level_file.clone() },
            token_flags: self.secret.token_flags(&secret_origin),
            secret_origin,
            config: self.config(secret),
        })
    }

    fn log_filter(&self) -> Result<LogFilter, UsageError> {
        let filter = self.log.parse().map_err(UsageError::LogFilter)?;
        match &self.log_level_file {
            Some(path) => {
                LogFilter::read(path).map_err(|error| UsageError::LogLevelFile(path.clone(), error))
            }
            None => Ok(filter),
        }
    }

    fn config(self, secret: Secret) -> Config {
        let defaults = Config::new(secret);
        let (limits, timing, rooms) = (self.limits, self.timing, self.rooms);
        Config {
            issuer: self.secret.issuer,
            audience: self.secret.audience,
            allowed_origins: self.allow_origin,
            auth_failures_per_minute: self.auth_failures_per_minute,
            on_expiry: match self.on_expiry {
                OnExpiryArg::Close => OnExpiry::Close,
                OnExpiryArg::Ignore => OnExpiry::Ignore,
            },
            limits: Limits {
                max_connections: limits.max_connections.unwrap_or(defaults.limits.max_connections),
                max_anonymous_connections: limits.max_anonymous_connections,
                max_connections_per_address: limits.max_connections_per_address,
                max_connections_per_user: limits.max_connections_per_user,
                max_rooms_per_connection: limits.max_rooms_per_connection,
                max_messages_per_second: limits.max_messages_per_second,
                message_burst: limits
                    .message_burst
                    .unwrap_or_else(|| limits.max_messages_per_second.saturating_mul(2)),
                budgets: limits.budgets(),
                rooms: RoomLimits { new_per_user: limits.max_new_rooms_per_user, total: limits.max_rooms },
                max_frame_bytes: defaults.limits.max_frame_bytes,
            },
            timing: Timing {
                header_timeout: timing.header_timeout,
                keep_alive: defaults.timing.keep_alive,
                ping_interval: timing.ping_interval,
                ping_timeout: timing.ping_timeout,
                slow_reader_timeout: timing.slow_reader_timeout,
                unfinished_frame_timeout: timing.unfinished_frame_timeout,
                leave_grace: timing.leave_grace,
                shutdown_deadline: timing.shutdown_deadline,
            },
            retain: Retain {
                age: rooms.retain,
                messages: rooms.retain_messages,
                confirmed: rooms.retain_confirm,
            },
            rules: Rules { edit_window: rooms.edit_window },
            search: !rooms.no_search,
            min_free: rooms.min_free,
            memory: MemoryStore { history_bytes: rooms.history_bytes },
            ring: Ring {
                bytes_per_room: rooms.ring_bytes_per_room,
                bytes_total: rooms.ring_bytes,
                keep: rooms.ring_keep,
            },
            replay_limit: rooms.replay_limit,
            workers: self.workers.unwrap_or(defaults.workers),
            secret: defaults.secret,
            clock: defaults.clock,
            log_drops: defaults.log_drops,
        }
    }
}
