//! The one connection that writes, a batch at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use realtime_shared::{EntryId, Epoch, RoomName, Seq, Timestamp};
use rusqlite::{CachedStatement, Connection, Result, Transaction, TransactionBehavior};

use super::file::{Checkpoint, Lock, checkpoint};
use super::place::{Place, RoomId};
use super::read::{View, millis, number, seq, timestamp};

/// Writes, as long as it has the lock.
pub(crate) struct Writer {
    connection: Connection,
    log_pages: Arc<AtomicU32>,
    _lock: Lock,
}

/// What is written together, or not at all.
pub(crate) struct Batch<'a> {
    transaction: Transaction<'a>,
    view: View<'a>,
    insert: CachedStatement<'a>,
}

/// An entry on its way into the file.
pub(crate) struct Row<'a> {
    pub(crate) place: Place,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
    /// The digest by which it is known when it comes again.
    pub(crate) known: Option<u128>,
    /// None where retention has dropped it.
    pub(crate) frame: Option<&'a str>,
}

impl Writer {
    pub(super) fn new(mut connection: Connection, lock: Lock) -> Result<Self> {
        let log_pages = Arc::new(AtomicU32::new(0));
        let pages = log_pages.clone();
        connection.wal_hook(Some(move |_: &mut _, written| {
            pages.store(u32::try_from(written).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self { connection, log_pages, _lock: lock })
    }

    /// Begins a batch. It is undone where it is dropped.
    pub(crate) fn begin(&self) -> Result<Batch<'_>> {
        let transaction = Transaction::new_unchecked(&self.connection, TransactionBehavior::Immediate)?;
        let insert = self
            .connection
            .prepare_cached("INSERT INTO entry (place, id, ts, known, frame) VALUES (?, ?, ?, ?, ?)")?;
        Ok(Batch { transaction, view: View(&self.connection), insert })
    }

    /// The file as of the last commit.
    pub(crate) fn view(&self) -> View<'_> {
        View(&self.connection)
    }

    /// Pages in the log that a checkpoint moves into the file, as of the last commit.
    pub(crate) fn log_pages(&self) -> u32 {
        self.log_pages.load(Ordering::Relaxed)
    }

    /// Moves what is in the log into the file; see [`checkpoint`].
    pub(crate) fn checkpoint(&self, how: Checkpoint) -> Result<bool> {
        checkpoint(&self.connection, how)
    }
}

impl Batch<'_> {
    /// The file as it will be.
    pub(crate) fn view(&self) -> View<'_> {
        self.view
    }

    /// Adds a room without entries: its first one has to follow in the same batch. `None`: there are too many rooms.
    ///
    /// `first` is the oldest number that may be read: 1, for a room that is new.
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

    /// Adds an entry.
    pub(crate) fn add(&mut self, row: &Row<'_>) -> Result<()> {
        let known = row.known.map(u128::to_be_bytes);
        self.insert.execute((row.place, row.id.to_u128().to_be_bytes(), millis(row.ts), known, row.frame))?;
        Ok(())
    }

    /// Makes it lasting: when this returns, it is on the disk.
    pub(crate) fn commit(self) -> Result<()> {
        let Self { transaction, insert, .. } = self;
        drop(insert);
        transaction.commit()
    }
}

/// The oldest entries of a room that have something in common.
pub(crate) struct Run {
    /// The newest of them.
    pub(crate) last: Option<Seq>,
    pub(crate) count: u32,
}

/// What retention does.
impl Batch<'_> {
    /// Rooms in the order of their ids, and the oldest number of each that may still be read.
    pub(crate) fn rooms_after(&self, after: Option<RoomId>, most: u32) -> Result<Vec<(RoomId, Seq)>> {
        self.transaction
            .prepare_cached("SELECT id, first FROM room WHERE id > coalesce(?, 0) ORDER BY id LIMIT ?")?
            .query_map((after, most), |row| Ok((row.get(0)?, seq(row, 1)?)))?
            .collect()
    }

    /// How far the entries from `from` to `to` go on being such, at most `most` of them.
    pub(crate) fn run_of(
        &self,
        room: RoomId,
        from: Seq,
        to: Seq,
        most: u32,
        such: impl Fn(Seq, Timestamp) -> bool,
    ) -> Result<Run> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT place, ts FROM entry WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?",
        )?;
        let mut rows = statement.query((room.place(from), room.place(to), most))?;
        let mut run = Run { last: None, count: 0 };
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, Place>(0)?.seq();
            if !such(seq, timestamp(row, 1)?) {
                break;
            }
            run = Run { last: Some(seq), count: run.count + 1 };
        }
        Ok(run)
    }

    /// Takes the frames from entries, and lets a room be read from the one after them.
    pub(crate) fn drop_frames(&self, room: RoomId, from: Seq, to: Seq) -> Result<()> {
        self.transaction
            .prepare_cached("UPDATE entry SET frame = NULL WHERE place BETWEEN ? AND ?")?
            .execute((room.place(from), room.place(to)))?;
        self.begin_after(room, to)
    }

    /// Drops a room's oldest entries, up to a number.
    pub(crate) fn delete_up_to(&self, room: RoomId, seq: Seq) -> Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM entry WHERE place BETWEEN ? AND ?")?
            .execute((room.start(), room.place(seq)))?;
        self.begin_after(room, seq)
    }

    /// Lets a room be read from the entry after that one, if it is not so already.
    fn begin_after(&self, room: RoomId, seq: Seq) -> Result<()> {
        self.transaction
            .prepare_cached("UPDATE room SET first = max(first, ?) WHERE id = ?")?
            .execute((number(seq.next()), room))?;
        Ok(())
    }
}
