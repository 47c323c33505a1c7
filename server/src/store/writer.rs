//! The only connection that writes, one batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp, UserId};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Result, Transaction, TransactionBehavior};

use super::checkpoint::CheckpointMode;
use super::entry_key::{EntryKey, RoomId};
use super::lock::Lock;
use super::reader::{Setting, View, millis, number, timestamp};
use super::watch::StoreWatch;
use super::written_pages::WrittenPages;

/// Writing connection; holds the lock of the store.
pub(crate) struct StoreWriter {
    connection: Connection,
    wal_pages: Arc<AtomicU32>,
    watch: Arc<StoreWatch>,
    _lock: Lock,
}

/// One transaction: committed as a whole or not at all.
pub(crate) struct Batch<'a> {
    pub(super) transaction: Transaction<'a>,
    view: View<'a>,
    insert: CachedStatement<'a>,
}

/// The rooms that a user has founded since a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FoundedRooms {
    pub(crate) since: Timestamp,
    pub(crate) rooms: u32,
}

/// Entry to be inserted.
pub(crate) struct Row<'a> {
    pub(crate) key: EntryKey,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
    /// Dedup digest; `None` if the sender gave no `client_msg_id`.
    pub(crate) dedup_digest: Option<u128>,
    /// `None` once retention has dropped it.
    pub(crate) frame: Option<&'a str>,
}

impl StoreWriter {
    pub(super) fn new(
        mut connection: Connection,
        watch: Arc<StoreWatch>,
        written: Arc<WrittenPages>,
        lock: Lock,
    ) -> Result<Self> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let pages = wal_pages.clone();
        connection.wal_hook(Some(move |_: &mut _, frames| {
            let frames = u32::try_from(frames).unwrap_or(0);
            pages.store(frames, Ordering::Relaxed);
            written.add_frames(frames.into());
            Ok(())
        }))?;
        Ok(Self { connection, wal_pages, watch, _lock: lock })
    }

    /// Begins a batch. A batch that is dropped is rolled back.
    pub(crate) fn begin(&self) -> Result<Batch<'_>> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let insert = self
            .connection
            .prepare_cached("INSERT INTO entry (place, id, ts, known, frame) VALUES (?, ?, ?, ?, ?)")?;
        Ok(Batch { transaction, view: View(&self.connection), insert })
    }

    /// Snapshot as of the last commit.
    pub(crate) fn view(&self) -> View<'_> {
        View(&self.connection)
    }

    /// Bytes within the database that entries have left, and that later ones fill.
    pub(crate) fn reusable_bytes(&self) -> u64 {
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
        let pages = number("freelist_count").unwrap_or(0);
        pages.saturating_mul(number("page_size").unwrap_or(0)).unsigned_abs()
    }

    /// Pages in the WAL as of the last commit; a checkpoint moves them into the file.
    pub(crate) fn wal_pages(&self) -> u32 {
        self.wal_pages.load(Ordering::Relaxed)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Watch on the files of this store.
    pub(crate) fn watch(&self) -> &StoreWatch {
        &self.watch
    }

    /// Moves the WAL into the file; see [`StoreWatch::checkpoint`].
    pub(crate) fn checkpoint(&self, mode: CheckpointMode) -> Result<bool> {
        self.watch.checkpoint(&self.connection, mode)
    }
}

impl Batch<'_> {
    /// Snapshot that includes the batch.
    pub(crate) fn view(&self) -> View<'_> {
        self.view
    }

    /// Adds a room without entries; its first entry must follow in the same batch. `None`: there are too many rooms.
    ///
    /// `first` is the oldest seq that can be read: 1 for a new room.
    pub(crate) fn add_room(&self, name: &RoomName, epoch: &Epoch, first: Seq) -> Result<Option<RoomId>> {
        self.transaction
            .prepare_cached("INSERT INTO room (name, epoch, first) VALUES (?, ?, ?)")?
            .execute((name.as_str(), epoch.as_str(), number(first)))?;
        let id = self.transaction.last_insert_rowid();
        let room = RoomId::new(id);
        if room.is_none() {
            self.transaction.execute("DELETE FROM room WHERE id = ?", [id])?;
        }
        Ok(room)
    }

    /// The rooms that a user has founded lately, as far as they were counted.
    pub(crate) fn founded(&self, user: &UserId) -> Result<Option<FoundedRooms>> {
        self.transaction
            .prepare_cached("SELECT since, rooms FROM founder WHERE user = ?")?
            .query_row([user.as_str()], |row| {
                Ok(FoundedRooms { since: timestamp(row, 0)?, rooms: row.get(1)? })
            })
            .optional()
    }

    /// Stores the rooms that a user has founded. Removes a few counts that began before `outdated`.
    pub(crate) fn set_founded(
        &self,
        user: &UserId,
        founded: FoundedRooms,
        outdated: Timestamp,
    ) -> Result<()> {
        self.transaction
            .prepare_cached(
                "DELETE FROM founder WHERE user IN (SELECT user FROM founder WHERE since < ? ORDER BY since LIMIT 4)",
            )?
            .execute([millis(outdated)])?;
        self.transaction
            .prepare_cached("INSERT OR REPLACE INTO founder (user, since, rooms) VALUES (?, ?, ?)")?
            .execute((user.as_str(), millis(founded.since), founded.rooms))?;
        Ok(())
    }

    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<()> {
        let known = row.dedup_digest.map(u128::to_be_bytes);
        self.insert.execute((row.key, row.id.to_u128().to_be_bytes(), millis(row.ts), known, row.frame))?;
        Ok(())
    }

    /// Commits: when this returns, the batch is on the disk.
    pub(crate) fn commit(self) -> Result<()> {
        let Self { transaction, insert, .. } = self;
        drop(insert);
        transaction.commit()
    }
}

/// Length and end of a run of entries.
pub(crate) struct LeadingRun {
    /// Newest entry of the run; `None` if it is empty.
    pub(crate) last: Option<Seq>,
    pub(crate) count: u32,
}

/// Class of an entry for retention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Drop,
    Keep,
    /// Its time is in the future, so its age is unknown. It is older than its successor.
    Unknown,
}

/// Limit on the entries of unknown age that a run looks beyond.
const MAX_UNKNOWN: u32 = 65_536;

/// Operations of retention.
impl Batch<'_> {
    /// Sets a setting.
    pub(crate) fn set(&self, setting: Setting, value: &str) -> Result<()> {
        self.transaction
            .prepare_cached("INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value")?
            .execute((setting.name(), value))?;
        Ok(())
    }

    /// Length of the leading run from `from` that may be dropped, at most about `limit`. It ends with an entry of the class
    /// [`Class::Drop`], and may contain entries of unknown age before it.
    pub(crate) fn leading_run(
        &self,
        room: RoomId,
        from: Seq,
        to: Seq,
        limit: u32,
        classify: impl Fn(Seq, Timestamp) -> Class,
    ) -> Result<LeadingRun> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT place, ts FROM entry WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?",
        )?;
        let most = limit.saturating_add(MAX_UNKNOWN);
        let mut rows = statement.query((room.key(from), room.key(to), most))?;
        let mut run = LeadingRun { last: None, count: 0 };
        let mut read = 0;
        while run.count < limit
            && let Some(row) = rows.next()?
        {
            read += 1;
            let seq = row.get::<_, EntryKey>(0)?.seq();
            match classify(seq, timestamp(row, 1)?) {
                Class::Drop => run = LeadingRun { last: Some(seq), count: read },
                Class::Unknown => {}
                Class::Keep => break,
            }
        }
        Ok(run)
    }

    /// Drops the frames of entries; the room can then be read from the entry after `to`.
    pub(crate) fn drop_frames(&self, room: RoomId, from: Seq, to: Seq) -> Result<()> {
        self.transaction
            .prepare_cached("UPDATE entry SET frame = NULL WHERE place BETWEEN ? AND ?")?
            .execute((room.key(from), room.key(to)))?;
        self.forget_changes((room.start(), room.key(to)))?;
        self.raise_first(room, to)
    }

    /// Deletes the entries of a room up to `seq`.
    pub(crate) fn delete_up_to(&self, room: RoomId, seq: Seq) -> Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM entry WHERE place BETWEEN ? AND ?")?
            .execute((room.start(), room.key(seq)))?;
        self.forget_changes((room.start(), room.key(seq)))?;
        self.raise_first(room, seq)
    }

    /// Removes a room with all its entries.
    pub(crate) fn remove_room(&self, room: RoomId) -> Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM entry WHERE place BETWEEN ? AND ?")?
            .execute((room.start(), room.end()))?;
        self.forget_changes((room.start(), room.end()))?;
        self.forget_settings(room)?;
        self.transaction.prepare_cached("DELETE FROM room WHERE id = ?")?.execute([room])?;
        Ok(())
    }

    /// Raises the oldest seq that can be read to the one after `seq`; never lowers it.
    fn raise_first(&self, room: RoomId, seq: Seq) -> Result<()> {
        self.transaction
            .prepare_cached("UPDATE room SET first = max(first, ?) WHERE id = ?")?
            .execute((number(seq.next()), room))?;
        Ok(())
    }
}
