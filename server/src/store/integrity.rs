//! Checks of a file before anything in it is changed.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};

use super::StoreOpenError;
use super::schema::{self, APPLICATION_ID, VERSION};

/// Size of the header of an SQLite file: <https://sqlite.org/fileformat2.html#the_database_header>.
const HEADER_BYTES: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const USER_VERSION_AT: usize = 60;
const APPLICATION_ID_AT: usize = 68;

/// Instructions of SQLite's virtual machine between two checks of the deadline.
const CHECK_STEPS: i32 = 1_000;

/// Checks the header of a file without SQLite, which might already change something.
///
/// The caller holds the lock and has no connection to the file yet: when a process closes a file, POSIX releases all of
/// its locks on it, those of SQLite too.
pub(super) fn header(path: &Path) -> Result<(), StoreOpenError> {
    let unusable = |cause| StoreOpenError::Unusable { path: path.to_owned(), cause };
    // A rollback journal is left by a power cut during creation or during a write without WAL; only SQLite can replay it.
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
            return Err(StoreOpenError::Damaged {
                path: path.to_owned(),
                fault: "it is truncated".to_owned(),
            });
        }
        read => read.map_err(unusable)?,
    }
    if !bytes.starts_with(MAGIC) {
        return Err(StoreOpenError::Foreign { path: path.to_owned(), fault: "it is not an SQLite database" });
    }
    let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|index| bytes[at + index]));
    if number(APPLICATION_ID_AT) != APPLICATION_ID {
        return Err(foreign(path));
    }
    supported_version(path, number(USER_VERSION_AT))
}

/// Refuses a database of another program, and a newer format. A database without tables is new.
pub(super) fn identity(path: &Path, connection: &Connection) -> Result<(), StoreOpenError> {
    let failed = |cause| StoreOpenError::of(path, cause);
    let tables: u32 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let id: u32 = connection.pragma_query_value(None, "application_id", |row| row.get(0)).map_err(failed)?;
    if tables > 0 && id != APPLICATION_ID {
        return Err(foreign(path));
    }
    supported_version(path, schema::version(connection).map_err(failed)?)
}

fn foreign(path: &Path) -> StoreOpenError {
    StoreOpenError::Foreign { path: path.to_owned(), fault: "another program created this database" }
}

fn supported_version(path: &Path, found: u32) -> Result<(), StoreOpenError> {
    if found > VERSION {
        return Err(StoreOpenError::Newer { path: path.to_owned(), found, supported: VERSION });
    }
    Ok(())
}

/// Checks the whole file, or as much as `time_limit` allows, up to the first fault. Returns `true` if the check was
/// complete.
pub(super) fn content(
    path: &Path,
    mut connection: Connection,
    time_limit: Duration,
) -> Result<bool, StoreOpenError> {
    let deadline = Instant::now() + time_limit;
    let failed = |cause| StoreOpenError::of(path, cause);
    connection.progress_handler(CHECK_STEPS, Some(move || Instant::now() > deadline)).map_err(failed)?;
    let verdict: rusqlite::Result<String> =
        connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(true),
        Ok(report) => {
            // A heading for each database, then a line for each fault: the first fault is enough.
            let fault = report.lines().find(|line| !line.starts_with("***")).unwrap_or(&report).to_owned();
            Err(StoreOpenError::Damaged { path: path.to_owned(), fault })
        }
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
