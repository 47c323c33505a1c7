//! Errors of the command line.

use super::redis::RedisFault;
use super::secret::SecretError;

/// Error of the command line, in one line that names the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("{0}")]
    Arguments(String),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Redis(#[from] RedisFault),
    #[error(
        "--log (or REALTIME_LOG) is not a filter: {0}; write a level such as `info`, or `info,hyper=debug`"
    )]
    Filter(String),
    #[error("there is no home directory for rooms; name a directory with --data-dir, or add --memory")]
    NoHome,
    #[error("the server would refuse this token: {0}")]
    Token(realtime_server::auth::TokenError),
}
