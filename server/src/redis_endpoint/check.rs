//! Whether a Redis is fit: its version and role, and whether it keeps what it acknowledges.

use std::collections::HashMap;
use std::fmt;

use ::redis::{AsyncConnectionConfig, Client, ErrorKind, RedisError, ServerErrorKind, cmd};

use super::error::OpenError;
use super::options::{Aof, Options};

/// The oldest version that has sharded channels, and all else that is used.
const OLDEST: u32 = 7;

/// What falls short of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// It drops keys when it is full, by this policy.
    Eviction(String),
    /// It writes no append-only file.
    NoFile,
    /// It leaves it to the system when its append-only file is synced.
    SyncedSometime,
    /// It syncs its append-only file once a second.
    SyncedEverySecond,
    /// It does not say how often it syncs its append-only file.
    Unknown,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eviction(policy) => write!(
                f,
                "Redis drops keys when its memory is full (maxmemory-policy {policy}): messages that were acknowledged \
                 may be lost, whole rooms of them, and what is sent again may be stored twice; set maxmemory-policy \
                 noeviction"
            ),
            Self::NoFile => f.write_str(
                "Redis writes no append-only file: if it ends, all messages since its last snapshot are lost, those \
                 that were acknowledged too; set appendonly yes and appendfsync always, or ask for less with --redis-aof no",
            ),
            Self::SyncedSometime => f.write_str(
                "Redis leaves it to the system when its append-only file is synced (appendfsync no): if its machine fails, \
                 messages of half a minute are lost, those that were acknowledged too; set appendfsync always, or ask for \
                 less with --redis-aof no",
            ),
            Self::SyncedEverySecond => f.write_str(
                "Redis syncs its append-only file once a second at best: if its machine fails, messages of the last \
                 second are lost, those that were acknowledged too; set appendfsync always, or ask for less with \
                 --redis-aof everysec",
            ),
            Self::Unknown => f.write_str(
                "Redis does not say how often it syncs its append-only file (CONFIG is not allowed): if its machine fails, \
                 more of what was acknowledged may be lost than --redis-aof asks for",
            ),
        }
    }
}

/// Connects and looks.
pub(super) async fn look(client: &Client, options: &Options) -> Result<Vec<Warning>, OpenError> {
    let told = |error: RedisError| explain(&error, options);
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await.map_err(told)?;
    let info: String = cmd("INFO").arg("everything").query_async(&mut connection).await.map_err(told)?;
    let info = Info::read(&info);
    let version = info.get("redis_version").unwrap_or_default();
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        None => {
            return Err(OpenError::NotRedis(
                options.place(),
                "the protocol of Redis",
                "it has no version".to_owned(),
            ));
        }
        Some(major) if major < OLDEST => return Err(OpenError::TooOld(options.place(), version.to_owned())),
        Some(_) => {}
    }
    if info.get("role") == Some("slave") {
        return Err(OpenError::Replica(options.place()));
    }
    if info.get("loading") == Some("1") {
        return Err(OpenError::Loading(options.place()));
    }
    // Who may not ask is told less.
    let settings: Option<HashMap<String, String>> =
        cmd("CONFIG").arg("GET").arg("appendfsync").query_async(&mut connection).await.ok();
    let appendfsync = settings.and_then(|mut settings| settings.remove("appendfsync"));
    Ok(warnings(&info, appendfsync.as_deref(), options.aof))
}

fn warnings(info: &Info<'_>, appendfsync: Option<&str>, asked: Aof) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let Some(policy) = info.get("maxmemory_policy").filter(|policy| *policy != "noeviction") {
        warnings.push(Warning::Eviction(policy.to_owned()));
    }
    let falls_short = match (info.get("aof_enabled"), appendfsync) {
        _ if asked == Aof::No => None,
        (Some("1"), Some("always")) => None,
        (Some("1"), Some("everysec")) => (asked == Aof::Always).then_some(Warning::SyncedEverySecond),
        (Some("1"), Some(_)) => Some(Warning::SyncedSometime),
        (Some("1"), None) => Some(Warning::Unknown),
        _ => Some(Warning::NoFile),
    };
    warnings.extend(falls_short);
    warnings
}

/// What `INFO` says.
struct Info<'a>(HashMap<&'a str, &'a str>);

impl<'a> Info<'a> {
    fn read(text: &'a str) -> Self {
        Self(text.lines().filter_map(|line| line.trim_end().split_once(':')).collect())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }
}

/// What an error of the library is for the operator.
fn explain(error: &RedisError, options: &Options) -> OpenError {
    let place = options.place();
    let whole = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let detail = error.detail().map_or_else(|| whole.clone(), str::to_owned);
    match error.kind() {
        ErrorKind::AuthenticationFailed => OpenError::Refused(place, detail),
        ErrorKind::Server(ServerErrorKind::NoPerm) => OpenError::NotAllowed(place, detail),
        ErrorKind::Server(ServerErrorKind::BusyLoading) => OpenError::Loading(place),
        // What Redis says there is about its protocol, and long.
        _ if error.code() == Some("NOAUTH") => OpenError::Refused(place, "it asks for a password".to_owned()),
        _ if error.code() == Some("WRONGPASS") => OpenError::Refused(place, detail),
        ErrorKind::Io if whole.contains("invalid peer certificate") => OpenError::Untrusted(place, whole),
        ErrorKind::Io if options.is_tls() && !error.is_connection_refusal() => {
            OpenError::NotRedis(place, "TLS", whole)
        }
        ErrorKind::Io if error.is_connection_dropped() && !error.is_connection_refusal() => {
            OpenError::HangsUp(place)
        }
        ErrorKind::Io => OpenError::Unreachable(place, whole),
        _ => OpenError::NotRedis(place, "the protocol of Redis", whole),
    }
}
