//! Index of the words of messages, in a database of its own beside the store.
//!
//! Everything in it follows from the store, so it may be lost: it is built again. It has the tokens of the messages from
//! `low` to `high` of each room. A message is a row of `doc`, whose number orders messages by time. Its tokens are in one of
//! several full-text indexes of SQLite (FTS5), each for the messages of a span of time; see [`buckets`]. A search goes
//! through them from the newest to the oldest and ends as soon as it has found enough.
//!
//! The full-text indexes do not keep texts, so a text is removed by its tokens, which `doc` has. `secure-delete` takes them
//! out of the index at once. What SQLite leaves of them in unused space is overwritten by [`SearchIndex::erase`].

mod buckets;
mod documents;
#[cfg(test)]
mod tests;

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use realtime_shared::{EntryId, Seq};
use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior};

use self::buckets::Buckets;
pub(crate) use self::documents::{DocumentChange, IndexedText, first_number, room_token, user_token};
use super::checkpoint::{CheckpointMode, checkpoint};
use super::entry_key::{EntryKey, RoomId};
use super::erasing::clear_pages;
use super::file::{check_files, connect};
use super::reader::{entry_id, number, seq};
use super::unused_space::MAX_PAGES;
use super::watch::beside;
use super::written_pages::WrittenPages;
use crate::files::open_own;

/// Name of the index in the data directory.
const FILE: &str = "search.db";
/// Format of the tables and tokens. An index of another format is built again.
const FORMAT: u32 = 1;
/// Pages in the WAL that cause a checkpoint: 16 MiB.
const WAL_PAGES: u32 = 4_096;
/// Pages of which the unused space is overwritten in one transaction.
const CLEARED_PAGES: u32 = 256;

/// `room` has the indexed seqs of a room, `high_id` is the id of the entry `high`. `doc.place` is the key of an entry; NULL
/// if the message was forgotten, so that no other gets its number. The messages of `bucket` have numbers from `first` on; `docs` counts them, `dead` those that only the full-text index still has.
const TABLES: &str = "
    CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        epoch TEXT NOT NULL,
        low INTEGER NOT NULL,
        high INTEGER NOT NULL,
        high_id BLOB NOT NULL
    ) STRICT;
    CREATE TABLE doc (
        doc INTEGER PRIMARY KEY,
        place INTEGER UNIQUE,
        words TEXT NOT NULL
    ) STRICT;
    CREATE TABLE bucket (
        first INTEGER PRIMARY KEY,
        id INTEGER NOT NULL,
        docs INTEGER NOT NULL,
        dead INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE erasing (
        id INTEGER PRIMARY KEY
    ) STRICT;";

/// The part of a room's log that is indexed: the messages from `low` to `high`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedRoom {
    pub(crate) epoch: String,
    pub(crate) low: Seq,
    pub(crate) high: Seq,
    /// Id of the entry `high`. `None` if no entry was indexed.
    pub(crate) high_id: Option<EntryId>,
}

/// Index of the words of messages, for one thread.
pub(crate) struct SearchIndex {
    connection: Connection,
    buckets: Buckets,
    written: Arc<WrittenPages>,
    wal_pages: Arc<AtomicU32>,
    /// Texts were removed, and copies of them may be in unused space.
    is_erasing: bool,
}

impl SearchIndex {
    /// Opens the index in the directory of a store that is open. A damaged one, or one of another format, is built again.
    pub(crate) fn open(store: &Path) -> Result<Self> {
        let path = Self::path(store);
        match Self::open_existing(&path) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) => {}
            Err(error) if is_damage(&error) => {
                tracing::warn!(%error, "the search index is damaged; it is built again");
            }
            Err(error) => return Err(error),
        }
        Self::remove(store).map_err(unusable)?;
        Self::create(&path)
    }

    /// Removes the index, so that it does not keep what is deleted from the store.
    pub(crate) fn remove(store: &Path) -> io::Result<()> {
        for suffix in ["-wal", "-shm", "-journal", ""] {
            match fs::remove_file(beside(&Self::path(store), suffix)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    fn path(store: &Path) -> PathBuf {
        store.with_file_name(FILE)
    }

    fn open_existing(path: &Path) -> Result<Option<Self>> {
        check_files(path).map_err(unusable)?;
        if !path.exists() {
            return Ok(None);
        }
        let connection = connect(path)?;
        let format: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if format == FORMAT { Self::prepare(path, connection).map(Some) } else { Ok(None) }
    }

    fn create(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        drop(open_own(path, &mut options).map_err(unusable)?);
        let mut connection = connect(path)?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "user_version", FORMAT)?;
        transaction.commit()?;
        Self::prepare(path, connection)
    }

    fn prepare(path: &Path, mut connection: Connection) -> Result<Self> {
        let _: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        // The store is synced; the index catches up after a crash.
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "secure_delete", true)?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        checkpoint(&connection, CheckpointMode::Truncate)?;
        let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let is_erasing = connection.prepare("SELECT 1 FROM erasing")?.exists([])?;
        let buckets = Buckets::read(&connection)?;
        let written =
            WrittenPages::new(&beside(path, "-wal"), 0, page_bytes.unsigned_abs()).map_err(unusable)?;
        let (pages, wal_pages) = (written.clone(), Arc::new(AtomicU32::new(0)));
        let count = wal_pages.clone();
        connection.wal_hook(Some(move |_: &mut _, frames| {
            let frames = u32::try_from(frames).unwrap_or(0);
            count.store(frames, Ordering::Relaxed);
            pages.add_frames(frames.into());
            Ok(())
        }))?;
        Ok(Self { connection, buckets, written, wal_pages, is_erasing })
    }

    /// The indexed part of a room; `None` if the index does not have the room.
    pub(crate) fn room(&self, room: RoomId) -> Result<Option<IndexedRoom>> {
        self.connection
            .prepare_cached("SELECT epoch, low, high, high_id FROM room WHERE id = ?")?
            .query_row([room], |row| {
                let high_id = entry_id(row, 3)?;
                Ok(IndexedRoom {
                    epoch: row.get(0)?,
                    low: seq(row, 1)?,
                    high: seq(row, 2)?,
                    high_id: (high_id.to_u128() != 0).then_some(high_id),
                })
            })
            .optional()
    }

    /// True if a message is indexed.
    pub(crate) fn has(&self, key: EntryKey) -> Result<bool> {
        self.connection.prepare_cached("SELECT 1 FROM doc WHERE place = ?")?.exists([key])
    }

    /// Rooms of the index, in order of id.
    pub(crate) fn rooms_after(&self, after: Option<RoomId>, limit: u32) -> Result<Vec<RoomId>> {
        self.connection
            .prepare_cached("SELECT id FROM room WHERE id > coalesce(?, 0) ORDER BY id LIMIT ?")?
            .query_map((after, limit), |row| row.get(0))?
            .collect()
    }

    /// Applies changes of messages and the indexed parts of their rooms, in one transaction.
    pub(crate) fn update(
        &mut self,
        changes: Vec<DocumentChange>,
        rooms: &[(RoomId, IndexedRoom)],
    ) -> Result<()> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let mut buckets = self.buckets.clone();
        let removes_texts = documents::apply(&transaction, &mut buckets, changes)?;
        for (room, IndexedRoom { epoch, low, high, high_id }) in rooms {
            let high_id = high_id.map_or(0, EntryId::to_u128).to_be_bytes();
            transaction
                .prepare_cached(
                    "INSERT OR REPLACE INTO room (id, epoch, low, high, high_id) VALUES (?, ?, ?, ?, ?)",
                )?
                .execute((room, epoch, number(*low), number(*high), high_id))?;
        }
        if removes_texts {
            transaction.execute("INSERT OR IGNORE INTO erasing (id) VALUES (1)", [])?;
        }
        buckets.write(&transaction)?;
        transaction.commit()?;
        self.buckets = buckets;
        self.is_erasing |= removes_texts;
        self.bound_wal()
    }

    /// Forgets at most `limit` messages between two keys, inclusive. Returns their number. Their tokens stay in the full-text
    /// index until it is built again.
    pub(crate) fn forget(&mut self, between: (EntryKey, EntryKey), limit: u32) -> Result<usize> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let mut buckets = self.buckets.clone();
        let count = documents::forget(&transaction, &mut buckets, between, limit)?;
        buckets.write(&transaction)?;
        transaction.commit()?;
        self.buckets = buckets;
        self.bound_wal()?;
        Ok(count)
    }

    /// Forgets a room whose messages are forgotten.
    pub(crate) fn forget_room(&self, room: RoomId) -> Result<()> {
        self.connection.prepare_cached("DELETE FROM room WHERE id = ?")?.execute([room])?;
        Ok(())
    }

    /// Builds a full-text index again of which more than half of the messages were forgotten.
    pub(crate) fn shrink(&mut self) -> Result<()> {
        let Some(index) = self.buckets.wasteful() else { return Ok(()) };
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let mut buckets = self.buckets.clone();
        documents::rebuild(&transaction, &mut buckets, index)?;
        buckets.write(&transaction)?;
        transaction.commit()?;
        self.buckets = buckets;
        self.bound_wal()
    }

    /// True if [`Self::shrink`] has work.
    pub(crate) fn is_wasteful(&self) -> bool {
        self.buckets.wasteful().is_some()
    }

    /// Calls `take` with the keys of the messages before the number `before` that match an FTS5 expression, newest first,
    /// until it returns false.
    pub(crate) fn find(
        &self,
        expression: &str,
        before: i64,
        take: &mut dyn FnMut(EntryKey, i64) -> Result<bool>,
    ) -> Result<()> {
        let mut place = self.connection.prepare_cached("SELECT place FROM doc WHERE doc = ?")?;
        for bucket in self.buckets.newest_first().filter(|bucket| bucket.docs > 0 && bucket.first < before) {
            let table = bucket.table();
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT rowid FROM {table} WHERE {table} MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC"
            ))?;
            let mut rows = statement.query((expression, before))?;
            while let Some(row) = rows.next()? {
                let doc: i64 = row.get(0)?;
                let key: Option<Option<EntryKey>> = place.query_row([doc], |row| row.get(0)).optional()?;
                let Some(key) = key.flatten() else { continue };
                if !take(key, doc)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Overwrites what removed texts have left in the files of the index. Returns false if another process prevents it.
    pub(crate) fn erase(&mut self) -> Result<bool> {
        let count: i64 = self.connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        if let Ok(count) = u32::try_from(count)
            && count <= MAX_PAGES
        {
            let mut pages = self.written.take();
            while let Some(run) = pages.take_run(CLEARED_PAGES, count) {
                let transaction =
                    Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
                clear_pages(&transaction, &run.collect::<Vec<_>>())?;
                transaction.commit()?;
            }
        }
        self.connection.execute("DELETE FROM erasing", [])?;
        self.is_erasing = !checkpoint(&self.connection, CheckpointMode::Truncate)?;
        Ok(!self.is_erasing)
    }

    /// True if texts were removed that are still to be erased.
    pub(crate) fn is_erasing(&self) -> bool {
        self.is_erasing
    }

    fn bound_wal(&self) -> Result<()> {
        if self.wal_pages.load(Ordering::Relaxed) >= WAL_PAGES {
            checkpoint(&self.connection, CheckpointMode::Truncate)?;
        }
        Ok(())
    }
}

impl Drop for SearchIndex {
    fn drop(&mut self) {
        // The next start does it otherwise.
        let _ = checkpoint(&self.connection, CheckpointMode::Truncate);
    }
}

/// True if an index is to be built again after this error.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{ConstraintViolation, DatabaseCorrupt, NotADatabase, TypeMismatch};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => {
            // The last one is a table that is missing, or has other columns.
            matches!(failure.code, DatabaseCorrupt | NotADatabase | ConstraintViolation | TypeMismatch)
                || failure.extended_code == 1
        }
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => true,
        _ => false,
    }
}

/// The error of SQLite for a file that cannot be used.
fn unusable(cause: impl std::error::Error) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
        Some(cause.to_string()),
    )
}
