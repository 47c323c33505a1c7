//! Queries on the store.

use realtime_shared::{EntryId, Epoch, Position, RoomName, RoomSummary, Seq, Timestamp};
use rusqlite::types::{FromSqlError, Type};
use rusqlite::{Connection, OptionalExtension, Result, Row};

use super::entry_key::{EntryKey, RoomId};

/// Read-only connection; each query sees the last commit before it.
pub(crate) struct StoreReader {
    connection: Connection,
}

/// Row of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomRow {
    pub(crate) id: RoomId,
    pub(crate) epoch: Epoch,
    /// Oldest seq that can be read.
    pub(crate) first: Seq,
}

/// Newest entry of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: Seq,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
}

/// Fact that the store keeps about itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Setting {
    /// Time of the last sweep, in milliseconds since 1970.
    SweptAt,
    /// Limits of the retention at the last sweep.
    Retain,
    /// A message was deleted before: the start erases what a crash has left of deleted texts.
    HasDeleted,
}

impl Setting {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::SweptAt => "swept_at",
            Self::Retain => "retain",
            Self::HasDeleted => "has_deleted",
        }
    }
}

/// One snapshot of the file.
#[derive(Clone, Copy)]
pub(crate) struct View<'a>(pub(super) &'a Connection);

impl StoreReader {
    pub(super) fn new(connection: Connection) -> Result<Self> {
        connection.pragma_update(None, "query_only", true)?;
        Ok(Self { connection })
    }

    /// Runs a query on one snapshot, as of the last commit.
    pub(crate) fn read<T>(&self, query: impl FnOnce(View<'_>) -> Result<T>) -> Result<T> {
        let transaction = self.connection.unchecked_transaction()?;
        query(View(&transaction))
    }
}

impl View<'_> {
    /// Room of this name and its newest entry.
    pub(crate) fn room(self, name: &RoomName) -> Result<Option<(RoomRow, Head)>> {
        let row = self
            .0
            .prepare_cached("SELECT id, epoch, first FROM room WHERE name = ?")?
            .query_row([name.as_str()], |row| {
                Ok(RoomRow { id: row.get(0)?, epoch: epoch(row, 1)?, first: seq(row, 2)? })
            })
            .optional()?;
        row.map(|row| Ok((self.head(row.id)?, row)))
            .transpose()
            .map(|found| found.map(|(head, row)| (row, head)))
    }

    /// Newest entry of a room; a room is created together with its first entry.
    pub(crate) fn head(self, room: RoomId) -> Result<Head> {
        self.0
            .prepare_cached(
                "SELECT place, id, ts FROM entry WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1",
            )?
            .query_row((room.start(), room.end()), |row| {
                Ok(Head {
                    seq: row.get::<_, EntryKey>(0)?.seq(),
                    id: entry_id(row, 1)?,
                    ts: timestamp(row, 2)?,
                })
            })
    }

    /// Calls `take` with seq, id and frame of the entries between two keys, inclusive, until it returns `false`. Entries
    /// without a frame are skipped.
    pub(crate) fn entries(
        self,
        between: (EntryKey, EntryKey),
        newest_first: bool,
        mut take: impl FnMut(Seq, EntryId, &str) -> bool,
    ) -> Result<()> {
        let mut statement = self.0.prepare_cached(if newest_first {
            "SELECT place, id, frame FROM entry WHERE place BETWEEN ? AND ? AND frame IS NOT NULL ORDER BY place DESC"
        } else {
            "SELECT place, id, frame FROM entry WHERE place BETWEEN ? AND ? AND frame IS NOT NULL ORDER BY place"
        })?;
        let mut rows = statement.query(between)?;
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, EntryKey>(0)?.seq();
            if !take(seq, entry_id(row, 1)?, row.get_ref(2)?.as_str()?) {
                break;
            }
        }
        Ok(())
    }

    /// Seq and dedup digest of the entries between two keys that have one, in order.
    pub(crate) fn dedup_digests(self, between: (EntryKey, EntryKey)) -> Result<Vec<(Seq, u128)>> {
        self.0
            .prepare_cached(
                "SELECT place, known FROM entry WHERE place BETWEEN ? AND ? AND known IS NOT NULL ORDER BY place",
            )?
            .query_map(between, |row| {
                Ok((row.get::<_, EntryKey>(0)?.seq(), bytes_16(row, 1)?))
            })?
            .collect()
    }

    /// Id and time of an entry.
    pub(crate) fn entry(self, key: EntryKey) -> Result<Option<(EntryId, Timestamp)>> {
        self.0
            .prepare_cached("SELECT id, ts FROM entry WHERE place = ?")?
            .query_row([key], |row| Ok((entry_id(row, 0)?, timestamp(row, 1)?)))
            .optional()
    }

    /// Value of a setting; `None` if it was never set.
    pub(crate) fn setting(self, setting: Setting) -> Result<Option<String>> {
        self.0
            .prepare_cached("SELECT value FROM setting WHERE name = ?")?
            .query_row([setting.name()], |row| row.get(0))
            .optional()
    }

    /// Rooms in order of id, with the oldest seq of each that can be read.
    pub(crate) fn rooms_after(self, after: Option<RoomId>, limit: u32) -> Result<Vec<(RoomId, Seq)>> {
        self.0
            .prepare_cached("SELECT id, first FROM room WHERE id > coalesce(?, 0) ORDER BY id LIMIT ?")?
            .query_map((after, limit), |row| Ok((row.get(0)?, seq(row, 1)?)))?
            .collect()
    }

    /// Name of a room; `None` if it breaks the rules, so that no client can name the room.
    pub(crate) fn room_name(self, room: RoomId) -> Result<Option<RoomName>> {
        self.0
            .prepare_cached("SELECT name FROM room WHERE id = ?")?
            .query_row([room], |row| Ok(RoomName::new(row.get_ref(0)?.as_str()?).ok()))
    }

    /// Epoch of a room, and its oldest seq that can be read; `None` if there is no such room.
    pub(crate) fn log(self, room: RoomId) -> Result<Option<(String, Seq)>> {
        self.0
            .prepare_cached("SELECT epoch, first FROM room WHERE id = ?")?
            .query_row([room], |row| Ok((row.get(0)?, seq(row, 1)?)))
            .optional()
    }

    /// Rooms whose names begin with `start`, in the order of their names, at most `limit`.
    pub(crate) fn rooms_named(self, start: &str, limit: u32) -> Result<Vec<(RoomId, RoomName)>> {
        let mut statement =
            self.0.prepare_cached("SELECT id, name FROM room WHERE name >= ? ORDER BY name LIMIT ?")?;
        let mut rows = statement.query((start, limit))?;
        let mut named = Vec::new();
        while let Some(row) = rows.next()? {
            let name = row.get_ref(1)?.as_str()?;
            if !name.starts_with(start) {
                break;
            }
            // No client can name the others.
            if let Ok(name) = RoomName::new(name) {
                named.push((row.get(0)?, name));
            }
        }
        Ok(named)
    }

    /// True if a room has an entry before this seq.
    pub(crate) fn has_entries_before(self, room: RoomId, seq: Seq) -> Result<bool> {
        self.0
            .prepare_cached("SELECT 1 FROM entry WHERE place >= ? AND place < ? LIMIT 1")?
            .exists((room.start(), room.key(seq)))
    }

    /// Names of all rooms, in order of creation.
    pub(crate) fn room_names(self) -> Result<Vec<RoomName>> {
        let mut statement = self.0.prepare("SELECT name FROM room ORDER BY id")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        names.filter_map(|name| name.map(|name| RoomName::new(&name).ok()).transpose()).collect()
    }

    /// Number of all rooms.
    pub(crate) fn room_count(self) -> Result<u64> {
        let count = self.0.query_row("SELECT count(*) FROM room", [], |row| row.get::<_, i64>(0))?;
        Ok(count.cast_unsigned())
    }

    /// At most `limit` rooms in order of id, with their heads and a member count of 0; and the id of the last one, if
    /// there may be more.
    pub(crate) fn rooms(
        self,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<(Vec<RoomSummary>, Option<RoomId>)> {
        let mut statement = self.0.prepare_cached(
            "SELECT id, name, epoch FROM room WHERE id > coalesce(?, 0) ORDER BY id LIMIT ?",
        )?;
        let mut rows = statement.query((after, limit))?;
        let (mut summaries, mut last, mut count) = (Vec::new(), None, 0);
        while let Some(row) = rows.next()? {
            let number = row.get(0)?;
            (last, count) = (Some(number), count + 1);
            // No client can name this room: its name breaks the rules.
            let Ok(room) = RoomName::new(row.get_ref(1)?.as_str()?) else { continue };
            let Head { seq, id, ts } = self.head(number)?;
            let position = Position::At { epoch: epoch(row, 2)?, seq, id };
            let last_ts = Some(ts);
            summaries.push(RoomSummary { room, member_count: 0, position, last_ts, user_id: None });
        }
        Ok((summaries, last.filter(|_| count == limit)))
    }
}

/// Time as a column value.
pub(super) fn millis(ts: Timestamp) -> i64 {
    ts.millis().min(i64::MAX.cast_unsigned()).cast_signed()
}

/// Seq as a column value.
pub(super) fn number(seq: Seq) -> i64 {
    seq.get().min(i64::MAX.cast_unsigned()).cast_signed()
}

pub(super) fn timestamp(row: &Row<'_>, index: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get::<_, i64>(index)?.max(0).cast_unsigned()))
}

pub(super) fn seq(row: &Row<'_>, index: usize) -> Result<Seq> {
    Ok(Seq::new(row.get::<_, i64>(index)?.max(0).cast_unsigned()))
}

pub(super) fn entry_id(row: &Row<'_>, index: usize) -> Result<EntryId> {
    bytes_16(row, index).map(EntryId::from_u128)
}

fn epoch(row: &Row<'_>, index: usize) -> Result<Epoch> {
    let text = row.get_ref(index)?.as_str()?;
    Epoch::new(text).ok_or_else(|| unreadable(index, FromSqlError::InvalidType))
}

/// Column value of 16 bytes, big-endian.
fn bytes_16(row: &Row<'_>, index: usize) -> Result<u128> {
    let blob = row.get_ref(index)?.as_blob()?;
    let bytes = blob.try_into().map_err(|_| {
        unreadable(index, FromSqlError::InvalidBlobSize { expected_size: 16, blob_size: blob.len() })
    })?;
    Ok(u128::from_be_bytes(bytes))
}

pub(super) fn unreadable(
    index: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(index, Type::Blob, Box::new(error))
}
