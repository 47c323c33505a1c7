//! Opening of the store: lock, checks and preparation.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::checkpoint::{CheckpointMode, checkpoint, wal_state};
use super::lock::Lock;
use super::reserved_names::Renamed;
use super::space::{DiskSpace, open_with_reserve};
use super::watch::{StoreWatch, beside};
use super::written_pages::WrittenPages;
use super::{StoreOpenError, StoreReader, StoreWriter, integrity, schema};
use crate::files::{FileFault, check_directory, check_own, open_own};

/// Name of the database in the data directory.
pub const FILE: &str = "store.db";
/// Time limit of the check at startup: enough to check a whole file of several hundred thousand messages.
const CHECK_TIME: Duration = Duration::from_millis(150);
/// Size to which a WAL is truncated when it restarts: 64 MiB.
const WAL_BYTES: i64 = 64 << 20;
/// Time to wait for a lock of another process: such locks are short, and posts wait behind this one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// Open store, locked for this process until it is dropped.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Connection,
    /// True if the check at startup covered the whole file.
    fully_checked: bool,
    /// The disk was full at the start.
    reserve_given_up: bool,
    watch: Arc<StoreWatch>,
    written: Arc<WrittenPages>,
    lock: Lock,
}

impl Store {
    /// Opens the store in `directory`, and creates what is missing: the directory with mode 0700, the file with 0600.
    ///
    /// Syncs what a killed predecessor wrote to the WAL: a resend of such a message is acknowledged as stored.
    ///
    /// If the disk is full, the reserve of the store is given up.
    pub fn open(directory: &Path) -> Result<Self, StoreOpenError> {
        let (store, reserve_given_up) = open_with_reserve(directory, || Self::open_once(directory))?;
        Ok(Self { reserve_given_up, ..store })
    }

    fn open_once(directory: &Path) -> Result<Self, StoreOpenError> {
        let unusable = |cause| StoreOpenError::Unusable { path: directory.to_owned(), cause };
        create_directory(directory).map_err(unusable)?;
        check_directory(directory)
            .map_err(|fault| StoreOpenError::Unsafe { path: directory.to_owned(), fault })?;
        let lock = Lock::take(directory)?;
        let path = directory.join(FILE);
        check_files(&path)?;
        let database =
            create_file(&path).map_err(|fault| StoreOpenError::Unsafe { path: path.clone(), fault })?;
        refuse_lone_wal(&path, &database)?;
        sync_directory(directory).map_err(unusable)?;
        integrity::header(&path)?;
        let failed = |cause| StoreOpenError::of(&path, cause);
        let mut connection = connect(&path).map_err(failed)?;
        integrity::identity(&path, &connection)?;
        let fully_checked = integrity::content(&path, connect(&path).map_err(failed)?, CHECK_TIME)?;
        sync_wal(&path).map_err(unusable)?;
        prepare(&mut connection).map_err(failed)?;
        let watch = StoreWatch::new(&path, database, &connection).map_err(unusable)?;
        // What a reader keeps in the WAL was not written by this process.
        let frames = wal_state(&connection).map_err(failed)?.frames;
        let written =
            WrittenPages::new(&beside(&path, "-wal"), frames, watch.page_bytes()).map_err(unusable)?;
        Ok(Self { path, connection, fully_checked, reserve_given_up: false, watch, written, lock })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if the check at startup covered the whole file; it covers a large one only in part.
    #[must_use]
    pub fn is_fully_checked(&self) -> bool {
        self.fully_checked
    }

    pub(crate) fn reader(&self) -> rusqlite::Result<StoreReader> {
        connect(&self.path).and_then(StoreReader::new)
    }

    /// Opens a connection for checkpoints.
    pub(crate) fn checkpointer(&self) -> rusqlite::Result<Connection> {
        connect(&self.path)
    }

    /// Space on the disk of this store; see [`DiskSpace::new`].
    pub(crate) fn space(&self, min_free: Option<u64>) -> Arc<DiskSpace> {
        DiskSpace::new(&self.path, min_free, self.reserve_given_up)
    }

    /// Watch on the files of this store.
    pub(crate) fn watch(&self) -> Arc<StoreWatch> {
        self.watch.clone()
    }

    /// Pages that were written since their unused space was last read.
    pub(crate) fn written(&self) -> Arc<WrittenPages> {
        self.written.clone()
    }

    /// Turns the store into its only writer. The lock goes with it.
    pub(crate) fn into_writer(self) -> rusqlite::Result<StoreWriter> {
        StoreWriter::new(self.connection, self.watch, self.written, self.lock)
    }
}

/// Checks the files of an existing store by name, before SQLite opens them.
pub(super) fn check_files(path: &Path) -> Result<(), StoreOpenError> {
    ["", "-wal", "-shm", "-journal"].into_iter().try_for_each(|suffix| {
        let path = beside(path, suffix);
        check_own(&path).map_err(|fault| StoreOpenError::Unsafe { path, fault })
    })
}

/// Refuses an empty database beside a WAL with messages: SQLite would delete the WAL.
fn refuse_lone_wal(path: &Path, database: &File) -> Result<(), StoreOpenError> {
    let unusable = |cause| StoreOpenError::Unusable { path: path.to_owned(), cause };
    let wal = beside(path, "-wal").metadata().map_or(0, |wal| wal.len());
    if wal > 0 && database.metadata().map_err(unusable)?.len() == 0 {
        return Err(StoreOpenError::LoneWal(path.to_owned()));
    }
    Ok(())
}

fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parents = parents(path);
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    parents.into_iter().try_for_each(sync_directory)
}

/// Directories that get a new name when `path` is created: from its parent up to the first existing one.
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

/// Creates an empty file, or removes the permissions of group and others from an existing one. The result stays open as
/// long as the store, see [`StoreWatch`].
fn create_file(path: &Path) -> Result<File, FileFault> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = open_own(path, &mut options)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let own = mode & 0o700;
    if mode != own {
        file.set_permissions(Permissions::from_mode(own))?;
    }
    Ok(file)
}

/// Syncs the names in a directory, which the sync of a file does not cover.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Prepared statements that a connection keeps: more than it ever uses.
const STATEMENTS: usize = 64;

/// Opens a connection to an existing file. Closing it does not change the file.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    // Applies to commits and to checkpoints.
    connection.pragma_update(None, "synchronous", "full")?;
    Ok(connection)
}

/// Prepares a sound file for writing.
fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    for Renamed { from, to } in schema::migrate(connection)? {
        tracing::warn!(room = %from, name = %to, "a room had a name that is now reserved, and was renamed");
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(unusable("the file system does not support SQLite's write-ahead log"));
    }
    // A deleted text does not stay in the free space of a page.
    connection.pragma_update(None, "secure_delete", true)?;
    // Checkpoints take long; a thread of their own runs them.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    // Shrinks the WAL after a burst or a long export.
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    // While another process reads, a part stays in the WAL, which is on the disk too.
    checkpoint(connection, CheckpointMode::Truncate).map(drop)
}

fn unusable(what: &str) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some(what.to_owned()),
    )
}

/// Syncs the WAL: the next process that opens it takes unsynced writes for committed.
fn sync_wal(path: &Path) -> io::Result<()> {
    match open_own(&beside(path, "-wal"), OpenOptions::new().read(true)) {
        Ok(log) => log.sync_all(),
        Err(fault) if fault.is_missing() => Ok(()),
        Err(FileFault::Io(fault)) => Err(fault),
        Err(fault) => Err(io::Error::other(fault)),
    }
}
