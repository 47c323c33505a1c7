//! Bearer tokens: given directly, or in a file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use realtime_shared::UserId;

use super::error::ConfigError;
use super::subject;
use crate::net::TokenSource;

/// Longest token file, in bytes.
pub(super) const TOKEN_FILE_BYTES: u64 = 64 * 1024;

/// A token, and its user if it names one.
pub(super) type Bearer = (TokenSource, Option<UserId>);

pub(super) fn fixed(token: &str, source: &'static str) -> Result<Bearer, ConfigError> {
    let token = token.trim();
    if is_token(token) {
        Ok((token.into(), subject::subject(token)))
    } else {
        Err(ConfigError::MalformedToken(source))
    }
}

/// Token file. It is read again for each connection, so that a renewed token is used without a restart.
pub(super) fn from_file(path: &Path) -> Result<Bearer, ConfigError> {
    let failed = |error| ConfigError::TokenFile(path.to_owned(), error);
    let mut file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if is_open_to_others(&metadata) {
        return Err(ConfigError::OpenTokenFile(path.to_owned()));
    }
    let token = read_token(&mut file).map_err(failed)?;
    let (once, user) = fixed(&token, "the token file")?;
    if !metadata.is_file() {
        return Ok((once, user));
    }
    let path = path.to_owned();
    Ok((TokenSource::from_fn(move || read_token(&mut File::open(&path)?)).cheap(), user))
}

fn read_token(file: &mut File) -> io::Result<String> {
    let mut token = String::new();
    file.take(TOKEN_FILE_BYTES).read_to_string(&mut token)?;
    Ok(token)
}

fn is_open_to_others(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o077 != 0
}

/// True if `token` has the form of a signed JWT.
fn is_token(token: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    token.split('.').count() == 3 && token.split('.').all(is_part)
}
