//! A Redis that several instances share: who and where it is, and whether it is one that keeps our promises.
//!
//! A leaf: [`Options`] is what the operator wrote, [`RedisEndpoint::open`] connects once and looks, and [`RedisEndpoint`] is what a
//! server is started with. How rooms lie in it is the broker's.

mod check;
mod error;
mod options;
#[cfg(test)]
mod tests;

use std::time::Duration;

use ::redis::Client;
use tokio::time::{Instant, sleep, timeout};

pub use self::check::Warning;
pub use self::error::{BadOption, OpenError};
pub use self::options::{Aof, Options};

/// How long one attempt to connect and look may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(250);

/// A Redis that was there and is fit.
#[derive(Debug, Clone)]
pub struct RedisEndpoint {
    options: Options,
    client: Client,
    warnings: Vec<Warning>,
}

impl RedisEndpoint {
    /// Connects and looks; where it does not answer (and only then), tries again for as long as `wait`.
    ///
    /// To be called in a tokio runtime. Fails with what is wrong and what to do about it, in one line.
    pub async fn open(options: Options, wait: Duration) -> Result<Self, OpenError> {
        let client = options.client()?;
        let until = Instant::now() + wait;
        let mut told = false;
        loop {
            let looked = timeout(ATTEMPT, check::look(&client, &options)).await;
            match looked.unwrap_or_else(|_| Err(options.silent())) {
                Ok(warnings) => return Ok(Self { options, client, warnings }),
                Err(error) if error.may_pass() && Instant::now() + PAUSE < until => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, seconds = wait.as_secs(), "waiting for Redis");
                    }
                    sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// What it was opened with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What falls short of what was asked for, each in a sentence that says what may be lost.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Makes connections to it.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }
}
