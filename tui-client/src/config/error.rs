//! Errors of the configuration.

use std::io;
use std::path::PathBuf;

use realtime_shared::NameError;

use crate::net::UrlError;

/// What is wrong with the configuration. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no token.
    #[error(
        "no token: give --token, --token-file or REALTIME_TOKEN, or a place for it in config.toml \
            (`realtime-server token --user you` prints one)"
    )]
    NoToken,
    /// There are two.
    #[error("--token and --token-file exclude each other: give one of them")]
    TwoTokens,
    /// It is not a token.
    #[error(
        "the token from {0} is not one: a token is three parts of letters, digits, - and _, with dots between"
    )]
    MalformedToken(&'static str),
    /// The token file cannot be read.
    #[error("cannot read the token file {}: {}", .0.display(), .1)]
    TokenFile(PathBuf, io::Error),
    /// Others could read the token.
    #[error("others may read the token file {path}: run `chmod 600 {path}`", path = .0.display())]
    OpenTokenFile(PathBuf),
    /// What prints the token does not.
    #[error("token_command prints no token: {0}")]
    TokenCommand(io::Error),
    /// The file that `--config` names cannot be read.
    #[error("cannot read the configuration {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// A room's name is none.
    #[error("--room `{0}` {1}")]
    Room(String, NameError),
    /// A room's name is kept for later.
    #[error("--room `{0}`: names that begin with dm: are kept for later")]
    ReservedRoom(String),
    /// The address is none.
    #[error("{0}: {1}")]
    Url(&'static str, UrlError),
}
