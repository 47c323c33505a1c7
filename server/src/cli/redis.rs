//! Flags for the Redis that several instances share.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use realtime_server::files::{Exposure, FileFault, read_named};
use realtime_server::redis_endpoint::{Aof, InvalidOption, RedisOptions};

use super::units::positive_duration;

/// Environment variable with the URL.
pub(super) const URL_VARIABLE: &str = "REALTIME_REDIS_URL";
/// Environment variable with the password. There is no flag for it: every user of a host can read flags.
pub(super) const PASSWORD_VARIABLE: &str = "REALTIME_REDIS_PASSWORD";
/// Limit on the size of a file with a password.
const MAX_PASSWORD_BYTES: u64 = 64 * 1024;
/// Limit on the size of a file with certificates; a system's list has 200 KiB.
const MAX_CA_BYTES: u64 = 16 * 1024 * 1024;

/// Flags of `serve`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Redis, for several instances that form one chat")]
pub(super) struct RedisArgs {
    #[command(flatten)]
    access: RedisAccessArgs,

    /// Durability that is expected of Redis: always (on the disk before it answers), everysec (within a second) or no.
    /// If Redis is less durable, a warning explains the possible loss
    #[arg(long, env = "REALTIME_REDIS_AOF", value_name = "LEVEL", default_value = "always", value_parser = aof)]
    redis_aof: Aof,

    /// Channel on which other programs publish JSON: with a `room` it becomes a message there, otherwise a notice to
    /// everyone. Empty: none
    #[arg(long, env = "REALTIME_RELAY_CHANNEL", value_name = "NAME", default_value = "ws:broadcast")]
    relay_channel: String,
}

/// Flags of all commands that use Redis.
#[derive(Debug, Args)]
#[command(next_help_heading = "Redis, for several instances that form one chat")]
pub(super) struct RedisAccessArgs {
    /// Redis that stores the rooms (7.0 or newer), shared by all instances: redis://host:6379, or rediss:// for TLS. Other
    /// users of this host can read a password in a flag: give the URL in the environment, or the password in
    /// REALTIME_REDIS_PASSWORD
    #[arg(long, env = "REALTIME_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// User of Redis (ACL) [default: that of the URL, or none]
    #[arg(long, env = "REALTIME_REDIS_USER", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    redis_user: Option<String>,

    /// File with the password of the Redis user; a trailing newline is ignored. Alternatively, the variable
    /// REALTIME_REDIS_PASSWORD holds the password itself
    #[arg(long, env = "REALTIME_REDIS_PASSWORD_FILE", value_name = "FILE")]
    redis_password_file: Option<PathBuf>,

    /// PEM file of the certificate authorities to trust for rediss:// [default: those of the system]
    #[arg(long, env = "REALTIME_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<PathBuf>,

    /// Prefix of all keys and channels in Redis. Instances with different prefixes are different chats; a different
    /// database number is not enough, since databases share channels
    #[arg(long, env = "REALTIME_REDIS_PREFIX", value_name = "TEXT", default_value = "realtime", value_parser = prefix)]
    redis_prefix: String,

    /// Time to wait for Redis at the start [default: none]
    #[arg(long, env = "REALTIME_WAIT_FOR_REDIS", value_name = "DURATION", value_parser = positive_duration)]
    wait_for_redis: Option<Duration>,
}

/// Error in the flags and variables for Redis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisFault {
    #[error(transparent)]
    Option(#[from] InvalidOption),
    #[error("{path} {fault}", path = .0.display(), fault = .1)]
    Unusable(PathBuf, FileFault),
    #[error("{PASSWORD_VARIABLE} and {path} both have a password for Redis; give one of them", path = .0.display())]
    TwoPasswords(PathBuf),
    #[error("the password for Redis is not UTF-8")]
    NotText,
    #[error("{0} needs Redis: give --redis-url")]
    WithoutUrl(&'static str),
    #[error("a Redis user needs a password: give --redis-password-file or {PASSWORD_VARIABLE}")]
    UserWithoutPassword,
    #[error("rooms are either in memory or in Redis: give --memory or --redis-url, not both")]
    Memory,
}

/// Redis to open.
#[derive(Debug)]
pub(crate) struct RedisPlan {
    pub(crate) options: RedisOptions,
    pub(crate) wait: Duration,
    /// The password is in an argument, which every user of the host can read.
    pub(crate) password_in_arguments: bool,
}

impl RedisArgs {
    /// Converts the flags; `None` without a Redis.
    pub(super) fn check(&self, in_memory: bool, exposure: Exposure) -> Result<Option<RedisPlan>, RedisFault> {
        let Some(mut plan) = self.access.check(exposure)? else {
            // A server whose variable of the URL is empty by mistake would serve the rooms of a file.
            return self.access.refuse_without_url().map(|()| None);
        };
        if in_memory {
            return Err(RedisFault::Memory);
        }
        plan.options.relay_channel = (!self.relay_channel.is_empty()).then(|| self.relay_channel.clone());
        plan.options.aof = self.redis_aof;
        Ok(Some(plan))
    }
}

impl RedisAccessArgs {
    /// Converts the flags; `None` without a Redis. There is no relay channel.
    pub(super) fn check(&self, exposure: Exposure) -> Result<Option<RedisPlan>, RedisFault> {
        let Some(url) = &self.redis_url else { return self.refuse_without_url().map(|()| None) };
        if url.is_empty() {
            // An empty variable chooses the file. The other variables of a server may stay.
            return Ok(None);
        }
        let mut options = RedisOptions::new(url)?;
        let password_in_arguments = options.has_password() && is_in_arguments(url, std::env::args_os());
        if let Some(user) = &self.redis_user {
            options = options.with_user(user);
        }
        let variable = std::env::var_os(PASSWORD_VARIABLE).filter(|password| !password.is_empty());
        if let Some(password) = self.password(variable, exposure)? {
            options = options.with_password(&password);
        }
        if self.redis_user.is_some() && !options.has_password() {
            return Err(RedisFault::UserWithoutPassword);
        }
        if let Some(path) = &self.redis_ca {
            let pem = read(path, MAX_CA_BYTES, Exposure::Public)?;
            options = options.with_ca(&pem)?;
        }
        options.prefix.clone_from(&self.redis_prefix);
        options.relay_channel = None;
        Ok(Some(RedisPlan { options, wait: self.wait_for_redis.unwrap_or_default(), password_in_arguments }))
    }

    /// Refuses flags that do nothing without a Redis.
    fn refuse_without_url(&self) -> Result<(), RedisFault> {
        let flags = [
            ("--redis-user", self.redis_user.is_some()),
            ("--redis-password-file", self.redis_password_file.is_some()),
            ("--redis-ca", self.redis_ca.is_some()),
            ("--wait-for-redis", self.wait_for_redis.is_some()),
        ];
        let given = flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag));
        given.map_or(Ok(()), |flag| Err(RedisFault::WithoutUrl(flag)))
    }

    fn password(&self, variable: Option<OsString>, exposure: Exposure) -> Result<Option<String>, RedisFault> {
        let bytes = match (variable, &self.redis_password_file) {
            (Some(_), Some(path)) => return Err(RedisFault::TwoPasswords(path.clone())),
            (Some(variable), None) => variable.as_bytes().to_vec(),
            (None, Some(path)) => read(path, MAX_PASSWORD_BYTES, exposure)?,
            (None, None) => return Ok(None),
        };
        let password = String::from_utf8(bytes).map_err(|_| RedisFault::NotText)?;
        Ok(Some(password.strip_suffix('\n').unwrap_or(&password).trim_end_matches('\r').to_owned()))
    }
}

fn read(path: &Path, limit: u64, exposure: Exposure) -> Result<Vec<u8>, RedisFault> {
    read_named(path, limit, exposure).map_err(|fault| RedisFault::Unusable(path.to_owned(), fault))
}

/// Returns true if the URL is in the arguments, and not only in its variable.
fn is_in_arguments(url: &str, arguments: impl IntoIterator<Item = OsString>) -> bool {
    arguments.into_iter().any(|argument| {
        argument.to_str().is_some_and(|text| text == url || text.strip_prefix("--redis-url=") == Some(url))
    })
}

fn aof(text: &str) -> Result<Aof, InvalidOption> {
    text.parse()
}

/// Refuses braces: Redis Cluster uses the text between them as the hash tag of a key.
fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty()
        || text.contains(['{', '}'])
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err("it must have at least one character, and no braces or spaces".to_owned());
    }
    Ok(text.to_owned())
}
