//! Errors of the configuration.

use std::io;
use std::path::PathBuf;

use crate::net::UrlError;
use crate::typed_room::TypedRoomError;

/// Error of the configuration. Each text names the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(
        "no token: give --token, --token-file or REALTIME_TOKEN, or set token_file or token_command in config.toml \
            (`realtime-server token --user you` prints one)"
    )]
    NoToken,
    #[error("--token and --token-file exclude each other: give one of them")]
    TwoTokens,
    #[error(
        "the token from {0} is malformed: a token is three parts of letters, digits, - and _, separated by dots"
    )]
    MalformedToken(&'static str),
    #[error("cannot read the token file {}: {}", .0.display(), .1)]
    TokenFile(PathBuf, io::Error),
    /// Other users can read the token.
    #[error("other users can read the token file {path}: run `chmod 600 {path}`", path = .0.display())]
    OpenTokenFile(PathBuf),
    /// The program of `token_command` printed no token.
    #[error("token_command prints no token: {0}")]
    TokenCommand(io::Error),
    /// The file of `--config` cannot be read.
    #[error("cannot read the configuration {}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    #[error("--room `{0}`: {1}")]
    Room(String, TypedRoomError),
    #[error("{0}: {1}")]
    Url(&'static str, UrlError),
}
