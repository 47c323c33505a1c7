//! Whether a file is sound: what can be told before anything is changed.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::OpenError;
use super::schema::{self, APPLICATION_ID, VERSION};

/// The header of an SQLite file: <https://sqlite.org/fileformat2.html#the_database_header>.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// Steps of SQLite's machine between two looks at the time.
const STEPS: i32 = 1_000;

/// Reads the header of a file, without SQLite, which might already change something.
///
/// Only for who has the lock, and no connection to the file yet: when a process closes a file, POSIX takes all of its locks
/// on it away, SQLite's as well.
pub(super) fn header(path: &Path) -> Result<(), OpenError> {
    let unusable = |cause| OpenError::Unusable { path: path.to_owned(), cause };
    // One that was being made, or written the old way, when the power went: only SQLite can tell.
    if path.with_extension("db-journal").exists() {
        return Ok(());
    }
    let mut bytes = [0; HEADER_BYTES];
    let mut file = File::open(path).map_err(unusable)?;
    if file.metadata().map_err(unusable)?.len() == 0 {
        return Ok(());
    }
    match file.read_exact(&mut bytes) {
        Err(fault) if fault.kind() == ErrorKind::UnexpectedEof => {
            return Err(OpenError::Damaged { path: path.to_owned(), what: "it is cut short".to_owned() });
        }
        read => read.map_err(unusable)?,
    }
    if !bytes.starts_with(MAGIC) {
        return Err(OpenError::Foreign { path: path.to_owned(), what: "it is no SQLite database" });
    }
    let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|index| bytes[at + index]));
    if number(APPLICATION_ID_AT) != APPLICATION_ID {
        return Err(foreign(path));
    }
    known_version(path, number(USER_VERSION_AT))
}

/// Refuses a database that another program made, and a format that is newer than today's. A database without tables is
/// new.
pub(super) fn identity(path: &Path, connection: &Connection) -> Result<(), OpenError> {
    let failed = |cause| OpenError::of(path, cause);
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let id: u32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(foreign(path));
    }
    known_version(path, schema::version(connection).map_err(failed)?)
}

fn foreign(path: &Path) -> OpenError {
    OpenError::Foreign { path: path.to_owned(), what: "another program made this database" }
}

fn known_version(path: &Path, found: u32) -> Result<(), OpenError> {
    if found > VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: VERSION });
    }
    Ok(())
}

/// Reads through the whole file, or as much of it as `patience` allows, up to the first fault; tells whether that was
/// all.
pub(super) fn content(
    path: &Path,
    mut connection: Connection,
    patience: Duration,
) -> Result<bool, OpenError> {
    let until = Instant::now() + patience;
    let failed = |cause| OpenError::of(path, cause);
    connection.progress_handler(STEPS, Some(move || Instant::now() > until)).map_err(failed)?;
    let verdict: rusqlite::Result<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(true),
        Ok(report) => {
            // A heading for each database, and then a line for each fault: the first will do.
            let what = report.lines().find(|line| !line.starts_with("***")).unwrap_or(&report).to_owned();
            Err(OpenError::Damaged { path: path.to_owned(), what })
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
