//! The Redis that several instances share: its address, its credentials, and the checks at the start.
//!
//! [`RedisOptions`] is the configuration as written. [`RedisEndpoint::open`] connects once and checks the Redis. A server
//! starts with the resulting [`RedisEndpoint`]. The layout of rooms in Redis belongs to the broker.

mod check;
mod error;
pub(crate) mod fault;
mod identity;
mod options;
mod slots;
#[cfg(test)]
mod tests;
mod trial;

use std::time::Duration;

use ::redis::Client;
use tokio::time::{Instant, sleep, timeout};

pub use self::check::RedisWarning;
pub(crate) use self::check::recheck;
pub use self::error::{InvalidOption, RedisOpenError};
pub use self::options::{Aof, RedisOptions};

/// Time limit of one attempt to connect and check, which takes about ten round trips.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// A Redis that has passed the checks.
#[derive(Debug, Clone)]
pub struct RedisEndpoint {
    options: RedisOptions,
    client: Client,
    warnings: Vec<RedisWarning>,
}

impl RedisEndpoint {
    /// Connects and checks. Repeats attempts that fail transiently until `wait` is over.
    ///
    /// Must be called in a tokio runtime. The error is one line with the cause and a remedy.
    pub async fn open(options: RedisOptions, wait: Duration) -> Result<Self, RedisOpenError> {
        let client = options.client()?;
        let until = Instant::now() + wait;
        let mut logged = false;
        loop {
            let checked = timeout(ATTEMPT, check::check(&client, &options)).await;
            match checked.unwrap_or_else(|_| Err(options.silent())) {
                Ok(warnings) => return Ok(Self { options, client, warnings }),
                Err(error) if error.is_transient() && Instant::now() + PAUSE < until => {
                    if !std::mem::replace(&mut logged, true) {
                        tracing::warn!(%error, seconds = wait.as_secs(), "waiting for Redis");
                    }
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The options of this endpoint.
    #[must_use]
    pub fn options(&self) -> &RedisOptions {
        &self.options
    }

    /// Properties of Redis with which the server works less well. Each prints as a sentence with the consequence.
    #[must_use]
    pub fn warnings(&self) -> &[RedisWarning] {
        &self.warnings
    }

    /// The factory of connections.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }
}
