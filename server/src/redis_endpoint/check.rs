//! Checks of a Redis at the start: its version, its role, and the durability of its writes.

use std::collections::HashMap;
use std::fmt;

use ::redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, cmd};

use super::error::RedisOpenError;
use super::options::{Aof, RedisOptions};

/// The oldest supported major version: the first one with sharded channels.
const OLDEST: u32 = 7;

/// A setting of Redis that gives less durability than was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DurabilityWarning {
    /// Redis evicts keys by this policy when its memory is full.
    Eviction(String),
    NoAppendOnlyFile,
    /// The operating system decides when the append-only file is synced.
    SyncedBySystem,
    SyncedEverySecond,
    /// Redis does not allow reading the setting.
    UnknownSync,
}

impl fmt::Display for DurabilityWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eviction(policy) => write!(
                f,
                "Redis drops keys when its memory is full (maxmemory-policy {policy}): acknowledged messages and whole \
                 rooms may be lost, and a message that is sent again may be stored twice; set maxmemory-policy noeviction"
            ),
            Self::NoAppendOnlyFile => f.write_str(
                "Redis writes no append-only file: if it ends, all messages since its last snapshot are lost, \
                 acknowledged ones too; set appendonly yes and appendfsync always, or request less with --redis-aof no",
            ),
            Self::SyncedBySystem => f.write_str(
                "the operating system decides when Redis syncs its append-only file (appendfsync no): if its machine \
                 fails, the messages of about half a minute are lost, acknowledged ones too; set appendfsync always, or \
                 request less with --redis-aof no",
            ),
            Self::SyncedEverySecond => f.write_str(
                "Redis syncs its append-only file once a second at best: if its machine fails, the messages of the last \
                 second are lost, acknowledged ones too; set appendfsync always, or request less with --redis-aof \
                 everysec",
            ),
            Self::UnknownSync => f.write_str(
                "Redis does not show how often it syncs its append-only file (CONFIG is not allowed): if its machine fails, \
                 more acknowledged messages may be lost than --redis-aof allows",
            ),
        }
    }
}

/// Connects to Redis and checks it.
pub(super) async fn check(
    client: &Client,
    options: &RedisOptions,
) -> Result<Vec<DurabilityWarning>, RedisOpenError> {
    let explained = |error: RedisError| explain(&error, options);
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let mut connection =
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(explained)?;
    let info: String = cmd("INFO").arg("everything").query_async(&mut connection).await.map_err(explained)?;
    let info = Info::read(&info);
    let version = info.get("redis_version").unwrap_or_default();
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        None => {
            return Err(RedisOpenError::NotRedis(
                options.address(),
                "the protocol of Redis",
                "no version in its INFO".to_owned(),
            ));
        }
        Some(major) if major < OLDEST => {
            return Err(RedisOpenError::TooOld(options.address(), version.to_owned()));
        }
        Some(_) => {}
    }
    if info.get("role") == Some("slave") {
        return Err(RedisOpenError::Replica(options.address()));
    }
    if info.get("loading") == Some("1") {
        return Err(RedisOpenError::Loading(options.address()));
    }
    // A user without the right to read the setting gets `UnknownSync`.
    let settings: Option<HashMap<String, String>> =
        cmd("CONFIG").arg("GET").arg("appendfsync").query_async(&mut connection).await.ok();
    let appendfsync = settings.and_then(|mut settings| settings.remove("appendfsync"));
    Ok(warnings(&info, appendfsync.as_deref(), options.aof))
}

fn warnings(info: &Info<'_>, appendfsync: Option<&str>, expected: Aof) -> Vec<DurabilityWarning> {
    let mut warnings = Vec::new();
    if let Some(policy) = info.get("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        warnings.push(DurabilityWarning::Eviction(policy.to_owned()));
    }
    let falls_short = match (info.get("aof_enabled"), appendfsync) {
        _ if expected == Aof::No => None,
        (Some("1"), Some("always")) => None,
        (Some("1"), Some("everysec")) => {
            (expected == Aof::Always).then_some(DurabilityWarning::SyncedEverySecond)
        }
        (Some("1"), Some(_)) => Some(DurabilityWarning::SyncedBySystem),
        (Some("1"), None) => Some(DurabilityWarning::UnknownSync),
        _ => Some(DurabilityWarning::NoAppendOnlyFile),
    };
    warnings.extend(falls_short);
    warnings
}

/// The fields of the answer to `INFO`.
struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    fn read(text: &'a str) -> Self {
        Self(text.lines().filter_map(|line| line.trim_end().split_once(':')).collect())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }
}

/// The error for the operator that corresponds to an error of the library.
fn explain(error: &RedisError, options: &RedisOptions) -> RedisOpenError {
    let address = options.address();
    let whole = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let detail = error.detail().map_or_else(|| whole.clone(), str::to_owned);
    match error.kind() {
        ErrorKind::AuthenticationFailed => RedisOpenError::Refused(address, detail),
        ErrorKind::Server(ServerErrorKind::NoPerm) => RedisOpenError::NotAllowed(address, detail),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => RedisOpenError::Loading(address),
        // The text of Redis is long and about its protocol.
        _ if error.code() == Some("NOAUTH") => {
            RedisOpenError::Refused(address, "it requires a password".to_owned())
        }
        _ if error.code() == Some("WRONGPASS") => RedisOpenError::Refused(address, detail),
        ErrorKind::Io if whole.contains("invalid peer certificate") => {
            RedisOpenError::Untrusted(address, whole)
        }
        ErrorKind::Io if options.is_tls() && !error.is_connection_refusal() => {
            RedisOpenError::NotRedis(address, "TLS", whole)
        }
        ErrorKind::Io if error.is_connection_dropped() && !error.is_connection_refusal() => {
            RedisOpenError::Closes(address)
        }
        ErrorKind::Io => RedisOpenError::Unreachable(address, whole),
        _ => RedisOpenError::NotRedis(address, "the protocol of Redis", whole),
    }
}
