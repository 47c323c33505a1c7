//! JSON files with a version.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Version of the formats.
pub(super) const VERSION: u32 = 1;

/// Reason why a file has no content for this version.
#[derive(Debug)]
pub(super) enum ReadError {
    /// A later version wrote it.
    Later,
    /// It is damaged or not of this program.
    Broken(String),
    Failed(io::Error),
}

/// Reads a file of at most `limit` bytes. `None` if there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path, limit: u64) -> Result<Option<T>, ReadError> {
    match bytes(path, limit) {
        Ok(bytes) => parse(&bytes, limit).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(ReadError::Failed(error)),
    }
}

/// Content of a file, up to one byte beyond its limit.
fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], limit: u64) -> Result<T, ReadError> {
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let broken = |error: serde_json::Error| ReadError::Broken(error.to_string());
    if bytes.len() as u64 > limit {
        return Err(ReadError::Broken(format!("it has more than {limit} bytes")));
    }
    let Versioned { version } = serde_json::from_slice(bytes).map_err(broken)?;
    match version {
        VERSION => serde_json::from_slice(bytes).map_err(broken),
        0 => Err(ReadError::Broken("it has version 0".to_owned())),
        _ => Err(ReadError::Later),
    }
}
