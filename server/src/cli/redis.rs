//! Flags of `serve` that say which Redis several instances share.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use realtime_server::redis_endpoint::{Aof, BadOption, Options};

use super::units::positive_duration;

/// The environment variable that has the password. There is no flag for it: any user of a host can read flags.
const PASSWORD_VARIABLE: &str = "REALTIME_REDIS_PASSWORD";

#[derive(Debug, Args)]
#[command(next_help_heading = "Redis, for several instances that are one chat")]
pub(super) struct RedisArgs {
    /// Keep rooms in this Redis (7.0 or newer), which other instances may have too: redis://host:6379, or rediss:// for
    /// TLS. A password in it is seen by other users of this host, where it is a flag: give the URL in the environment, or
    /// the password in REALTIME_REDIS_PASSWORD
    #[arg(long, env = "REALTIME_REDIS_URL", value_name = "URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// The user of Redis (ACL) [default: that of the URL, or none]
    #[arg(long, env = "REALTIME_REDIS_USER", value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    redis_user: Option<String>,

    /// A file that has the password of that user; a newline at its end does not count. The password itself may be in the
    /// environment instead, in REALTIME_REDIS_PASSWORD
    #[arg(long, env = "REALTIME_REDIS_PASSWORD_FILE", value_name = "FILE")]
    redis_password_file: Option<PathBuf>,

    /// Certificates of the authorities to trust for rediss://, PEM [default: the system's]
    #[arg(long, env = "REALTIME_REDIS_CA", value_name = "FILE")]
    redis_ca: Option<PathBuf>,

    /// What all keys and channels in Redis begin with: instances with another one are another chat. Another number of a
    /// database alone does not make one: databases share channels
    #[arg(long, env = "REALTIME_REDIS_PREFIX", value_name = "TEXT", default_value = "realtime", value_parser = prefix)]
    redis_prefix: String,

    /// How safe Redis is expected to have what it answered: always (on the disk), everysec (within a second), no. Where
    /// it is less safe, a warning says what may be lost
    #[arg(long, env = "REALTIME_REDIS_AOF", value_name = "HOW", default_value = "always", value_parser = aof)]
    redis_aof: Aof,

    /// How long to wait for Redis at the start [default: not at all]
    #[arg(long, env = "REALTIME_WAIT_FOR_REDIS", value_name = "DURATION", value_parser = positive_duration)]
    wait_for_redis: Option<Duration>,

    /// The channel on which other programs publish JSON for everybody: with a `room` it is a message there, without one a
    /// notice to everyone. Empty: none
    #[arg(long, env = "REALTIME_RELAY_CHANNEL", value_name = "NAME", default_value = "ws:broadcast")]
    relay_channel: String,
}

/// What is wrong with what was said of Redis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RedisFault {
    #[error(transparent)]
    Option(#[from] BadOption),
    #[error("cannot read {path}: {fault}", path = .0.display(), fault = .1)]
    Unreadable(PathBuf, std::io::Error),
    #[error("{PASSWORD_VARIABLE} and {path} both have a password for Redis; give one of them", path = .0.display())]
    TwoPasswords(PathBuf),
    #[error("the password for Redis is not UTF-8")]
    NotText,
    #[error("{0} is about a Redis, and there is none: give --redis-url")]
    WithoutUrl(&'static str),
    #[error("a user of Redis needs a password: give --redis-password-file or {PASSWORD_VARIABLE}")]
    UserWithoutPassword,
    #[error("rooms are either in memory or in Redis: give one of --memory and --redis-url")]
    Memory,
}

/// A Redis to be opened.
#[derive(Debug)]
pub(crate) struct RedisPlan {
    pub(crate) options: Options,
    pub(crate) wait: Duration,
}

impl RedisArgs {
    /// Which Redis, if any.
    pub(super) fn check(&self, in_memory: bool) -> Result<Option<RedisPlan>, RedisFault> {
        // An empty variable is as good as none.
        let Some(url) = self.redis_url.as_deref().filter(|url| !url.is_empty()) else {
            let flags = [
                ("--redis-user", self.redis_user.is_some()),
                ("--redis-password-file", self.redis_password_file.is_some()),
                ("--redis-ca", self.redis_ca.is_some()),
                ("--wait-for-redis", self.wait_for_redis.is_some()),
            ];
            let said = flags.into_iter().find_map(|(flag, said)| said.then_some(flag));
            return said.map_or(Ok(None), |flag| Err(RedisFault::WithoutUrl(flag)));
        };
        if in_memory {
            return Err(RedisFault::Memory);
        }
        let mut options = Options::new(url)?;
        if let Some(user) = &self.redis_user {
            options = options.with_user(user);
        }
        let variable = std::env::var_os(PASSWORD_VARIABLE).filter(|password| !password.is_empty());
        if let Some(password) = self.password(variable)? {
            options = options.with_password(&password);
        }
        if self.redis_user.is_some() && !options.has_password() {
            return Err(RedisFault::UserWithoutPassword);
        }
        if let Some(path) = &self.redis_ca {
            let pem = fs::read(path).map_err(|fault| RedisFault::Unreadable(path.clone(), fault))?;
            options = options.with_ca(&pem)?;
        }
        options.prefix.clone_from(&self.redis_prefix);
        options.relay_channel = (!self.relay_channel.is_empty()).then(|| self.relay_channel.clone());
        options.aof = self.redis_aof;
        Ok(Some(RedisPlan { options, wait: self.wait_for_redis.unwrap_or_default() }))
    }

    fn password(&self, variable: Option<OsString>) -> Result<Option<String>, RedisFault> {
        let bytes = match (variable, &self.redis_password_file) {
            (Some(_), Some(path)) => return Err(RedisFault::TwoPasswords(path.clone())),
            (Some(variable), None) => variable.as_bytes().to_vec(),
            (None, Some(path)) => {
                fs::read(path).map_err(|fault| RedisFault::Unreadable(path.clone(), fault))?
            }
            (None, None) => return Ok(None),
        };
        let password = String::from_utf8(bytes).map_err(|_| RedisFault::NotText)?;
        Ok(Some(password.strip_suffix('\n').unwrap_or(&password).trim_end_matches('\r').to_owned()))
    }
}

fn aof(text: &str) -> Result<Aof, BadOption> {
    text.parse()
}

/// No brace: what is between them says to a cluster where a key is.
fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty()
        || text.contains(['{', '}'])
        || text.chars().any(|c| c.is_control() || c.is_whitespace())
    {
        return Err("it has at least one character, and no brace or space".to_owned());
    }
    Ok(text.to_owned())
}
