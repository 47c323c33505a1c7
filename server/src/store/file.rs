//! Opening the store: who may, and what is done before anybody relies on it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{OpenError, Reader, Writer, check, schema};

/// The database, in the data directory.
pub(super) const FILE: &str = "store.db";
/// Whose lock says that somebody uses the directory, and who it is.
const LOCK: &str = "store.lock";
/// How long the file is read through at the start: all of one of some hundred thousand messages.
const CHECK: Duration = Duration::from_millis(150);
/// The log's size from which on it is cut back when it begins anew: 64 MiB.
const LOG_BYTES: i64 = 64 << 20;
/// How long to wait for somebody who has locked the file: nobody does so for long, and posts wait behind it.
const BUSY: Duration = Duration::from_secs(2);

/// A store that is this process's until it is dropped.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    /// Whether all of the file has been read, or only as much as the start allows.
    checked: bool,
    lock: Lock,
}

/// Unlocked by the system when it is dropped, or the process ends.
#[derive(Debug)]
pub(crate) struct Lock(#[expect(dead_code, reason = "it is held, not read")] File);

impl Store {
    /// Opens the store in `directory`, and makes either where there is none: the directory with mode 0700, the file
    /// with 0600.
    ///
    /// What a killed predecessor wrote and did not sync is on the disk when this returns: a message of it that comes
    /// again may be said to be stored.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let unusable = |cause| OpenError::Unusable { path: directory.to_owned(), cause };
        make_directory(directory).map_err(unusable)?;
        let lock = Lock::take(directory)?;
        let path = directory.join(FILE);
        make_file(&path).map_err(|cause| OpenError::Unusable { path: path.clone(), cause })?;
        sync_directory(directory).map_err(unusable)?;
        check::header(&path)?;
        let failed = |cause| OpenError::of(&path, cause);
        let mut connection = connect(&path).map_err(failed)?;
        check::identity(&path, &connection)?;
        let checked = check::content(&path, connect(&path).map_err(failed)?, CHECK)?;
        sync_log(&path).map_err(unusable)?;
        prepare(&mut connection).map_err(failed)?;
        Ok(Self { path, connection, checked, lock })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether all of the file was read through when it was opened; a large one is only in part.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// Another view of the file, for reading.
    pub(crate) fn reader(&self) -> rusqlite::Result<Reader> {
        connect(&self.path).and_then(Reader::new)
    }

    /// Another connection, to move what is written from the log into the file.
    pub(crate) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        connect(&self.path)
    }

    /// The one that writes. The lock goes with it.
    pub(crate) fn into_writer(self) -> rusqlite::Result<Writer> {
        Writer::new(self.connection, self.lock)
    }
}

impl Lock {
    fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(LOCK);
        let unusable = |cause| OpenError::Unusable { path: path.clone(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // It may be about to write who it is.
                let _ = (&file).take(256).read_to_string(&mut holder);
                let holder = holder.trim();
                let holder = if holder.is_empty() { "another program" } else { holder }.to_owned();
                return Err(OpenError::InUse { path: directory.to_owned(), holder });
            }
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        file.set_len(0).map_err(unusable)?;
        writeln!(file, "process {}", std::process::id()).map_err(unusable)?;
        Ok(Self(file))
    }
}

fn make_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parents = parents(path);
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    parents.into_iter().try_for_each(sync_directory)
}

/// The directories in which there is going to be a new name when `path` is made: from its own up to the first one that
/// is there.
pub(super) fn parents(path: &Path) -> Vec<&Path> {
    let mut parents = Vec::new();
    for parent in path.ancestors().skip(1) {
        let here = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        parents.push(here);
        if here.is_dir() {
            break;
        }
    }
    parents
}

/// Makes an empty file, or takes care that the one there is nobody else's to read.
fn make_file(path: &Path) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let own = mode & 0o700;
    if mode == own { Ok(()) } else { fs::set_permissions(path, Permissions::from_mode(own)) }
}

/// Has the names in a directory written, as a file's own sync does not.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A connection to a file that is there. That it ends changes nothing in the file.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY)?;
    // Of commits, and of what a checkpoint moves.
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Makes a file that is sound ready to be written.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    schema::bring_up(connection)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(unusable("the file system cannot have SQLite's write-ahead log"));
    }
    // A thread of its own does that: it takes long.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // What a rush, or a long export, has made of the log does not stay so.
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    // Where somebody reads meanwhile some of it stays in the log, which is on the disk.
    checkpoint(connection, Checkpoint::Truncate).map(drop)
}

fn unusable(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some(what.to_owned()),
    )
}

/// How much a checkpoint moves from the log into the file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Checkpoint {
    /// What no reader needs where it is. Nobody waits for it, and it for nobody.
    Passive,
    /// All of it, and then the log is empty. Waits for readers, though not for ever.
    Truncate,
}

/// Moves what was committed from the log into the file; tells whether all of it could be, as it
/// cannot while somebody reads what was before.
pub(crate) fn checkpoint(connection: &Connection, how: Checkpoint) -> rusqlite::Result<bool> {
    let statement = match how {
        Checkpoint::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        Checkpoint::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    connection.query_row(statement, [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// Has the log on the disk: what was written to it and not synced is taken for committed by whoever opens it.
fn sync_log(path: &Path) -> io::Result<()> {
    match File::open(path.with_extension("db-wal")) {
        Ok(log) => log.sync_all(),
        Err(fault) if fault.kind() == ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(fault),
    }
}
