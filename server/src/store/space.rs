//! Space on the disk of the store: posts end before the disk is full, and the rest goes on.
//!
//! | state | posts | reserve |
//! | --- | --- | --- |
//! | enough space | stored | kept |
//! | less than `--min-free` | refused | kept |
//! | full: a write failed, also because of a quota | refused | given up |
//!
//! Retention, the start and the stop may use the space below `--min-free`, and then the reserve. After a full disk posts
//! are stored again once there is space for the reserve and as much for posts, which shows that a quota has space too.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_IOERR_SHMSIZE, SQLITE_IOERR_WRITE};

use super::reserve::{RESERVE_BYTES, Reserve, is_full};
use super::watch::beside;
use super::{StoreOpenError, WriteError, write_error};
use crate::metrics::Metrics;

/// Default of `--min-free`, unless the twentieth part of the file system is less.
const MIN_FREE_BYTES: u64 = 256 << 20;
/// First and longest pause between two attempts to create the reserve.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Reason for refusing posts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpaceFault {
    #[error("the disk of the store has {free} bytes free, less than --min-free ({min_free})")]
    Low { free: u64, min_free: u64 },
    #[error("the disk of the store is full, or a quota is used up")]
    Full,
}

/// Space on the disk of a store.
#[derive(Debug)]
pub(crate) struct DiskSpace {
    /// The database.
    path: Box<Path>,
    /// `None`: the default.
    min_free: Option<u64>,
    reserve: Reserve,
    /// Changed under the lock of `recovery`, and read without it: the reserve may take long to write.
    fault: Mutex<Option<SpaceFault>>,
    recovery: Mutex<Recovery>,
}

/// Attempts to create the reserve.
#[derive(Debug)]
struct Recovery {
    /// There was a reserve since the start.
    has_had_reserve: bool,
    /// Time of the next attempt to create the reserve, and the pause after it.
    attempt: (Instant, Duration),
}

/// Free space on a file system, and what posts must leave of it.
#[derive(Debug, Clone, Copy)]
struct Level {
    free: u64,
    min_free: u64,
}

impl DiskSpace {
    /// Space beside the database at `path`. Creates the reserve.
    ///
    /// `is_full`: the reserve was given up for the start.
    pub(crate) fn new(path: &Path, min_free: Option<u64>, is_full: bool) -> Arc<Self> {
        let directory = path.parent().unwrap_or(path);
        let recovery = Recovery { has_had_reserve: is_full, attempt: (Instant::now(), FIRST_PAUSE) };
        let space = Self {
            path: path.into(),
            min_free,
            reserve: Reserve::of(directory),
            fault: Mutex::new(is_full.then_some(SpaceFault::Full)),
            recovery: Mutex::new(recovery),
        };
        space.refresh();
        Arc::new(space)
    }

    /// Reason for refusing posts, as of the last look.
    pub(crate) fn fault(&self) -> Option<SpaceFault> {
        self.fault.lock().clone()
    }

    /// Checks whether posts of so many bytes may be stored. `reusable`: bytes within the database that entries have
    /// left, looked up only if the disk has little space.
    pub(crate) fn admit(&self, bytes: u64, reusable: impl FnOnce() -> u64) -> Result<(), SpaceFault> {
        let mut recovery = self.recovery.lock();
        let level = self.level();
        if self.is_full() && !self.recovers(&mut recovery, level) {
            return Err(SpaceFault::Full);
        }
        let fault = level.and_then(|level| level.fault(bytes, reusable));
        self.settle(fault.clone());
        fault.map_or(Ok(()), Err)
    }

    /// Classifies the error of a write. If the disk is full, gives up the reserve.
    pub(crate) fn write_error(&self, error: rusqlite::Error) -> WriteError {
        let code = error.sqlite_error().map(|error| error.extended_code);
        let disk_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull)
            || code == Some(SQLITE_IOERR_SHMSIZE)
            // SQLite does not name a quota.
            || code == Some(SQLITE_IOERR_WRITE) && self.reserve.probe().is_err_and(|error| is_full(&error));
        if !disk_full {
            return write_error(error);
        }
        let _recovery = self.recovery.lock();
        self.settle(Some(SpaceFault::Full));
        if self.reserve.give_up() {
            tracing::warn!(
                "the disk is full: the reserve of the store was given up for retention and the stop"
            );
        }
        WriteError::Retryable(error)
    }

    /// Looks at the space again, and creates the reserve if there is none. Called each second.
    pub(crate) fn tick(&self, metrics: &Metrics) {
        self.refresh();
        let length = |suffix| beside(&self.path, suffix).metadata().map_or(0, |found| found.len());
        let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        metrics.store_bytes.set(gauge(length("")));
        metrics.store_wal_bytes.set(gauge(length("-wal")));
        metrics.store_free_bytes.set(self.level().map_or(0, |level| gauge(level.free)));
    }

    /// Looks at the space again.
    fn refresh(&self) {
        let level = self.level();
        let mut recovery = self.recovery.lock();
        let is_full = self.is_full();
        if self.recovers(&mut recovery, level) || !is_full && level.is_none_or(Level::is_enough) {
            self.settle(None);
        }
    }

    fn is_full(&self) -> bool {
        self.fault() == Some(SpaceFault::Full)
    }

    /// Creates the reserve if there is none. True if a full disk has space again.
    fn recovers(&self, recovery: &mut Recovery, level: Option<Level>) -> bool {
        let mut has_reserve = self.reserve.is_whole();
        let is_full = self.is_full();
        let (next, pause) = recovery.attempt;
        if !has_reserve
            && level.is_none_or(Level::is_enough_with_reserve)
            && Instant::now() >= next
            && self.reserve.probe().is_ok()
        {
            let created = if is_full { self.reserve.create_again() } else { self.reserve.create() };
            has_reserve = created.is_ok();
            // A quota may allow a part of it. Writing that part again and again would keep others from the space.
            let pause = if has_reserve { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            let next = if has_reserve { Instant::now() } else { Instant::now() + pause };
            recovery.attempt = (next, pause);
        }
        recovery.has_had_reserve |= has_reserve;
        let without =
            !recovery.has_had_reserve && level.is_none_or(Level::is_enough) && self.reserve.probe().is_ok();
        is_full && (has_reserve || without)
    }

    /// Keeps a fault, and logs the first and the end.
    fn settle(&self, fault: Option<SpaceFault>) {
        let before = std::mem::replace(&mut *self.fault.lock(), fault.clone());
        match (before, fault) {
            (None, Some(fault)) => tracing::error!(%fault, "messages are refused; retention goes on"),
            (Some(_), None) => tracing::info!("the disk of the store has space again; messages are stored"),
            _ => {}
        }
    }

    /// `None` if the file system does not report it.
    fn level(&self) -> Option<Level> {
        let found = rustix::fs::statvfs(self.path.parent().unwrap_or(&self.path)).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let default = MIN_FREE_BYTES.min(bytes(found.f_blocks) / 20);
        Some(Level { free: bytes(found.f_bavail), min_free: self.min_free.unwrap_or(default) })
    }
}

impl Level {
    fn is_enough(self) -> bool {
        self.free >= self.min_free
    }

    fn is_enough_with_reserve(self) -> bool {
        self.free >= self.min_free.saturating_add(RESERVE_BYTES)
    }

    /// Reason for refusing posts of so many bytes.
    fn fault(self, bytes: u64, reusable: impl FnOnce() -> u64) -> Option<SpaceFault> {
        let Self { free, min_free } = self;
        // In the WAL, and later in the database.
        let left = free.saturating_sub(bytes.saturating_mul(2));
        // Pages that entries have left are filled before the database grows. The WAL has no such pages.
        let is_enough =
            left >= min_free || left >= min_free / 4 && left.saturating_add(reusable()) >= min_free;
        (!is_enough).then_some(SpaceFault::Low { free, min_free })
    }
}

/// Opens a store. If the disk is full, gives up the reserve and tries again; the flag is true then.
pub(super) fn open_with_reserve<T>(
    directory: &Path,
    open: impl Fn() -> Result<T, StoreOpenError>,
) -> Result<(T, bool), StoreOpenError> {
    let opened = open();
    let reserve = Reserve::of(directory);
    // Another process that uses the store keeps its reserve.
    let may_be_full = matches!(
        opened,
        Err(StoreOpenError::Unusable { .. } | StoreOpenError::Unsafe { .. } | StoreOpenError::Sqlite { .. })
    );
    if may_be_full && reserve.probe().is_err_and(|error| is_full(&error)) && reserve.give_up() {
        tracing::warn!("the disk is full: the reserve of the store was given up for the start");
        return open().map(|opened| (opened, true));
    }
    opened.map(|opened| (opened, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Option<SpaceFault> = Some(SpaceFault::Low { free: 100, min_free: 80 });

    #[test]
    fn posts_leave_the_minimum_free() {
        let level = Level { free: 100, min_free: 80 };
        for (bytes, reusable, fault) in
            [(0, 0, None), (10, 0, None), (11, 0, LOW), (11, 2, None), (40, 60, None), (41, 1_000, LOW)]
        {
            assert_eq!(level.fault(bytes, || reusable), fault, "{bytes} {reusable}");
        }
        assert_eq!(Level { free: 0, min_free: 0 }.fault(0, || 0), None);
    }

    #[test]
    fn the_default_minimum_is_a_twentieth_of_a_small_disk() {
        let directory = tempfile::tempdir().expect("a directory");
        let space = DiskSpace::new(&directory.path().join("store.db"), None, false);
        let found = rustix::fs::statvfs(directory.path()).expect("a file system");
        let twentieth = found.f_blocks * found.f_frsize / 20;
        assert_eq!(space.level().expect("known").min_free, twentieth.min(256 << 20));
    }

    #[test]
    fn a_full_disk_gives_up_the_reserve_until_there_is_space() {
        let directory = tempfile::tempdir().expect("a directory");
        let space = DiskSpace::new(&directory.path().join("store.db"), Some(0), false);
        assert!(space.reserve.is_whole());
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL);
        let error = space.write_error(rusqlite::Error::SqliteFailure(code, None));
        assert!(matches!(error, WriteError::Retryable(_)));
        assert!(!space.reserve.is_whole());
        assert_eq!(space.fault(), Some(SpaceFault::Full));
        space.recovery.lock().attempt.0 = Instant::now() + Duration::from_hours(1);
        assert_eq!(space.admit(1, || 0), Err(SpaceFault::Full));
        space.recovery.lock().attempt.0 = Instant::now();
        // The disk of the test has space in truth.
        assert_eq!((space.admit(1, || 0), space.fault()), (Ok(()), None));
        assert!(space.reserve.is_whole());
    }

    #[test]
    fn the_fault_can_be_read_while_the_reserve_is_created() {
        let directory = tempfile::tempdir().expect("a directory");
        let space = DiskSpace::new(&directory.path().join("store.db"), Some(0), true);
        let _creates = space.recovery.lock();
        let fault = space.fault.try_lock().expect("not locked");
        assert_eq!(*fault, None, "the first look has found space");
    }

    #[test]
    fn other_errors_keep_the_reserve() {
        let directory = tempfile::tempdir().expect("a directory");
        let space = DiskSpace::new(&directory.path().join("store.db"), Some(0), false);
        for code in [rusqlite::ffi::SQLITE_IOERR_FSYNC, SQLITE_IOERR_WRITE, rusqlite::ffi::SQLITE_IOERR] {
            let code = rusqlite::ffi::Error::new(code);
            let error = space.write_error(rusqlite::Error::SqliteFailure(code, None));
            assert!(matches!(error, WriteError::Fatal(_)));
        }
        assert!(space.reserve.is_whole() && space.fault().is_none());
    }

    #[test]
    fn a_minimum_above_the_free_space_refuses_posts_and_needs_no_reserve() {
        let directory = tempfile::tempdir().expect("a directory");
        let space = DiskSpace::new(&directory.path().join("store.db"), Some(u64::MAX), false);
        assert!(!space.reserve.is_whole());
        assert!(matches!(space.admit(0, || 0), Err(SpaceFault::Low { min_free: u64::MAX, .. })));
        assert!(space.fault().is_some());
    }
}
