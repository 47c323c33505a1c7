//! Errors of the command line.

use std::io;
use std::path::PathBuf;

use super::redis::RedisFault;
use super::secret::SecretError;
use crate::logging::FilterError;

/// Error of the command line, in one line that names the remedy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error("{0}")]
    Arguments(String),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Redis(#[from] RedisFault),
    #[error("--log (or REALTIME_LOG): {0}")]
    LogFilter(FilterError),
    #[error("cannot read the log level from {path}: {error}", path = .0.display(), error = .1)]
    LogLevelFile(PathBuf, io::Error),
    #[error("there is no home directory for rooms; name a directory with --data-dir, or add --memory")]
    NoHome,
    #[error("the server would refuse this token: {0}")]
    Token(realtime_server::auth::TokenError),
}
