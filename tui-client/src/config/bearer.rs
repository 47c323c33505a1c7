//! Bearer tokens: given directly, or in a file.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use realtime_shared::UserId;

use super::error::ConfigError;
use super::subject;
use crate::net::TokenSource;

/// Time in which a token file is written.
const MOMENT: Duration = Duration::from_secs(1);
/// Reads of a token file in that time.
const READS: u32 = 20;
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
    if !metadata.is_file() {
        return fixed(&read_token(&mut file).map_err(failed)?, "the token file");
    }
    let whole = read_whole(path, sleep).map_err(failed)?;
    let (_, user) = fixed(&whole, "the token file")?;
    let path = path.to_owned();
    Ok((TokenSource::from_fn(move || read_whole(&path, sleep)).cheap(), user))
}

/// Reads a token file that its owner may be writing: a file that has changed a moment ago, has no token or is absent is read again,
/// until it has the same token twice, or for [`MOMENT`] in all.
fn read_whole(path: &Path, pause: impl Fn(Duration)) -> io::Result<String> {
    let mut before: io::Result<String> = Ok(String::new());
    for _ in 0..READS {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                before = Err(error);
                pause(MOMENT / READS);
                continue;
            }
        };
        let token = read_token(&mut file)?;
        let is_old = || {
            let age = file.metadata().and_then(|metadata| metadata.modified()).map(|at| at.elapsed());
            // A time in the future is that of another clock.
            age.is_ok_and(|age| age.is_ok_and(|age| age > MOMENT))
        };
        if is_token(token.trim()) && (before.as_ref().is_ok_and(|before| *before == token) || is_old()) {
            return Ok(token);
        }
        before = Ok(token);
        pause(MOMENT / READS);
    }
    before
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::time::SystemTime;

    use super::*;

    /// Reads a file that gets the next of these texts in each pause. Returns the token and the number of pauses.
    fn read(texts: &[&str], is_old: bool) -> (String, usize) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        fs::write(&path, texts[0]).expect("written");
        if is_old {
            File::options()
                .write(true)
                .open(&path)
                .expect("open")
                .set_modified(SystemTime::UNIX_EPOCH)
                .expect("set");
        }
        let pauses = Cell::new(0);
        let token = read_whole(&path, |_| {
            pauses.set(pauses.get() + 1);
            if let Some(text) = texts.get(pauses.get()) {
                fs::write(&path, text).expect("written");
            }
        });
        (token.expect("read").trim().to_owned(), pauses.get())
    }

    #[test]
    fn a_token_file_that_is_being_written_is_read_until_it_is_whole() {
        let whole = |pauses| ("aa.bb.cc".to_owned(), pauses);
        assert_eq!(read(&["aa.bb.cc\n"], true), whole(0), "an old file");
        assert_eq!(read(&["aa.bb.cc\n"], false), whole(1));
        assert_eq!(
            read(&["", "aa.b", "aa.bb.c", "aa.bb.cc"], false),
            whole(4),
            "a cut token has the form of one"
        );
        assert_eq!(read(&["aa.b", "aa.bb.cc"], true), whole(2));
    }

    #[test]
    fn a_token_file_may_be_absent_while_it_is_replaced() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("token");
        let token = read_whole(&path, |_| fs::write(&path, "aa.bb.cc").expect("written"));
        assert_eq!(token.expect("read"), "aa.bb.cc");
        let error = read_whole(&directory.path().join("none"), |_| {}).expect_err("absent");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_file_without_a_token_is_read_for_a_moment() {
        assert_eq!(read(&["no token"], true), ("no token".to_owned(), READS as usize));
    }
}
