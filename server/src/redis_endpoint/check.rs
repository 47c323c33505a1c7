//! Checks of a Redis at the start: its kind, the rights of the user, and the durability of its writes.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Client, ErrorKind, RedisError, ServerErrorKind, cmd};
use tokio::time::timeout;

use super::error::RedisOpenError;
use super::fault::error_text;
use super::identity::Identity;
use super::options::{Aof, RedisOptions};
use super::slots::{ForeignSlots, SLOTS, foreign_slots};
use super::trial::{Trial, connect};

/// Time limit of a trial at run time.
const RECHECK_TIMEOUT: Duration = Duration::from_millis(2_500);

/// A property of Redis with which the server works, but not as well as it could.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisWarning {
    /// Redis evicts keys by this policy when its memory is full.
    Eviction(String),
    NoAppendOnlyFile,
    /// The operating system decides when the append-only file is synced.
    SyncedBySystem,
    SyncedEverySecond,
    /// Redis does not allow reading the setting.
    UnknownSync,
    /// Redis allows reading neither its state nor its settings.
    UnknownDurability,
    /// Redis refuses writes for now, with this error.
    RefusesWrites(String),
    /// Redis refuses `SCAN`.
    NoScan,
}

impl fmt::Display for RedisWarning {
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
            Self::UnknownDurability => f.write_str(
                "Redis does not show how durable its writes are (INFO and CONFIG are not allowed): more acknowledged \
                 messages may be lost than --redis-aof allows",
            ),
            Self::RefusesWrites(error) => {
                write!(f, "Redis refuses writes ({error}): messages are refused with `unavailable` for now")
            }
            Self::NoScan => f.write_str(
                "Redis does not allow SCAN: if it loses its list of rooms, rooms without a member are listed again only \
                 after their next message; the server's README has the rules that a user needs",
            ),
        }
    }
}

/// Connects to Redis and checks it.
pub(super) async fn check(
    client: &Client,
    options: &RedisOptions,
) -> Result<Vec<RedisWarning>, RedisOpenError> {
    let explained = |error: RedisError| explain(&error, options);
    let mut connection = match connect(client).await {
        Ok(connection) => connection,
        Err(error) => return Err(identify(options).await.unwrap_or_else(|| explained(error))),
    };
    let identity = Identity::read(&mut connection).await.map_err(explained)?;
    if let Some(refusal) = identity.refusal(options.address()) {
        return Err(refusal);
    }
    let trial = try_all(&mut connection, &identity, &options.prefix, options.relay_channel.as_deref());
    let trial = trial.await.map_err(|unfit| match unfit {
        Unfit::Broken(error) => explain(&error, options),
        Unfit::Missing(missing) => RedisOpenError::Refuses(options.address(), missing),
        Unfit::Loading => RedisOpenError::Loading(options.address()),
        Unfit::Slots(foreign) => {
            RedisOpenError::ClusterNode(options.address(), SLOTS - foreign.count, foreign.example)
        }
    })?;
    let mut warnings = durability_warnings(&mut connection, &identity, options.aof).await;
    warnings.extend(trial.passing.map(RedisWarning::RefusesWrites));
    warnings.extend(trial.lacks_scan.then_some(RedisWarning::NoScan));
    Ok(warnings)
}

/// The reason why a Redis fails the trial.
enum Unfit {
    Broken(RedisError),
    /// Refused commands, keys and channels.
    Missing(String),
    Loading,
    Slots(ForeignSlots),
}

/// Tries everything that the engine needs. Fails if something is missing that no waiting brings.
async fn try_all(
    connection: &mut MultiplexedConnection,
    identity: &Identity,
    prefix: &str,
    relay_channel: Option<&str>,
) -> Result<Trial, Unfit> {
    if identity.is_cluster()
        && let Some(foreign) = foreign_slots(connection, prefix).await.map_err(Unfit::Broken)?
    {
        return Err(Unfit::Slots(foreign));
    }
    let trial = Trial::run(connection, prefix, relay_channel).await.map_err(Unfit::Broken)?;
    if let Some(missing) = trial.missing() {
        return Err(Unfit::Missing(missing));
    }
    if trial.passing.as_deref().is_some_and(|error| error.starts_with("LOADING")) {
        return Err(Unfit::Loading);
    }
    Ok(trial)
}

/// Repeats the trial on a connection of its own, after Redis refused something at run time. The error is the cause.
pub(crate) async fn recheck(
    client: &Client,
    prefix: &str,
    relay_channel: Option<&str>,
) -> Result<(), String> {
    let trying = async {
        let mut connection = connect(client).await.map_err(Unfit::Broken)?;
        let identity = Identity::read(&mut connection).await.map_err(Unfit::Broken)?;
        try_all(&mut connection, &identity, prefix, relay_channel).await
    };
    match timeout(RECHECK_TIMEOUT, trying).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(Unfit::Broken(error))) => Err(error_text(&error)),
        Ok(Err(Unfit::Missing(missing))) => Err(missing),
        Ok(Err(Unfit::Loading)) => Err("LOADING".to_owned()),
        Ok(Err(Unfit::Slots(foreign))) => Err(foreign.example),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

/// The fault of a server that refuses to connect, if it is one of its kind: a Sentinel knows no users of Redis, and a
/// cluster no databases.
async fn identify(options: &RedisOptions) -> Option<RedisOpenError> {
    let client = options.without_login().client().ok()?;
    let identity = Identity::read(&mut connect(&client).await.ok()?).await.ok()?;
    identity.refusal(options.address())
}

async fn durability_warnings(
    connection: &mut MultiplexedConnection,
    identity: &Identity,
    expected: Aof,
) -> Vec<RedisWarning> {
    // A user without the right to read the settings gets none.
    let mut get = cmd("CONFIG");
    get.arg("GET").arg("appendfsync").arg("appendonly").arg("maxmemory-policy");
    let settings: Option<HashMap<String, String>> = get.query_async(connection).await.ok();
    let setting = |name: &str| settings.as_ref()?.get(name).map(String::as_str);
    let mut warnings = Vec::new();
    let policy = identity.info("maxmemory_policy").or_else(|| setting("maxmemory-policy"));
    if let Some(policy) = policy.filter(|policy| *policy != "noeviction") {
        warnings.push(RedisWarning::Eviction(policy.to_owned()));
    }
    let has_aof = match setting("appendonly") {
        _ if identity.has_info() => Some(identity.info("aof_enabled") == Some("1")),
        setting => setting.map(|setting| setting == "yes"),
    };
    let falls_short = match (has_aof, setting("appendfsync")) {
        _ if expected == Aof::No => None,
        (None, _) => Some(RedisWarning::UnknownDurability),
        (Some(false), _) => Some(RedisWarning::NoAppendOnlyFile),
        (Some(true), Some("always")) => None,
        (Some(true), Some("everysec")) => {
            (expected == Aof::Always).then_some(RedisWarning::SyncedEverySecond)
        }
        (Some(true), Some(_)) => Some(RedisWarning::SyncedBySystem),
        (Some(true), None) => Some(RedisWarning::UnknownSync),
    };
    warnings.extend(falls_short);
    warnings
}

/// The error for the operator that corresponds to an error of the library.
fn explain(error: &RedisError, options: &RedisOptions) -> RedisOpenError {
    let address = options.address();
    let whole = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    let detail = error.detail().map_or_else(|| whole.clone(), str::to_owned);
    match error.kind() {
        ErrorKind::AuthenticationFailed => RedisOpenError::Refused(address, detail),
        _ if whole.contains("switch database") => RedisOpenError::Database(address, detail),
        ErrorKind::Server(ServerErrorKind::NoPerm) => RedisOpenError::Refuses(address, detail),
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
