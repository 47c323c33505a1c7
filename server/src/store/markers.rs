//! Read markers, mentions and the users of direct rooms.

use realtime_shared::{DirectPair, RoomName, Seq, UserId};
use rusqlite::{OptionalExtension, Result, Row};

use super::Batch;
use super::entry_key::{EntryKey, RoomId};
use super::reader::{View, number, seq, unreadable};

/// A read marker of a user in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MarkerRow {
    pub(crate) seq: Seq,
    /// The user has left the room, or was never in it.
    pub(crate) left: bool,
}

impl View<'_> {
    pub(crate) fn marker(self, room: RoomId, user: &UserId) -> Result<Option<MarkerRow>> {
        self.0
            .prepare_cached("SELECT seq, gone FROM marker WHERE user = ? AND room = ?")?
            .query_row((user.as_str(), room), |row| Ok(MarkerRow { seq: seq(row, 0)?, left: row.get(1)? }))
            .optional()
    }

    /// The rooms in which a user has a read marker.
    pub(crate) fn marked_rooms(self, user: &UserId) -> Result<Vec<(RoomId, MarkerRow)>> {
        self.0
            .prepare_cached("SELECT room, seq, gone FROM marker WHERE user = ?")?
            .query_map([user.as_str()], |row| {
                Ok((row.get(0)?, MarkerRow { seq: seq(row, 1)?, left: row.get(2)? }))
            })?
            .collect()
    }

    /// The rooms in which a user is mentioned. The cost is that of the rooms, not of the mentions.
    pub(crate) fn mentioned_rooms(self, user: &UserId) -> Result<Vec<RoomId>> {
        let mut next = self.0.prepare_cached(
            "SELECT place FROM mention WHERE user = ? AND place > coalesce(?, 0) ORDER BY place LIMIT 1",
        )?;
        let (mut rooms, mut after) = (Vec::new(), None);
        loop {
            let found = next.query_row((user.as_str(), after), |row| row.get::<_, EntryKey>(0)).optional()?;
            let Some(key) = found else { return Ok(rooms) };
            rooms.push(key.room());
            after = Some(key.room().end());
        }
    }

    /// Number of mentions of a user between two keys, inclusive, at most `limit`, and the first of them.
    pub(crate) fn mentions_between(
        self,
        user: &UserId,
        (from, to): (EntryKey, EntryKey),
        limit: u32,
    ) -> Result<(u64, Option<Seq>)> {
        self.0
            .prepare_cached(
                "SELECT count(*), min(place) FROM (
                    SELECT place FROM mention WHERE user = ? AND place BETWEEN ? AND ? ORDER BY place LIMIT ?)",
            )?
            .query_row((user.as_str(), from, to, limit), |row| {
                let first = row.get::<_, Option<EntryKey>>(1)?.map(EntryKey::seq);
                Ok((row.get::<_, i64>(0)?.max(0).cast_unsigned(), first))
            })
    }

    /// The users whom a message mentions.
    pub(crate) fn mentioned_by(self, message: EntryKey) -> Result<Vec<UserId>> {
        self.0
            .prepare_cached("SELECT user FROM mention WHERE place = ?")?
            .query_map([message], |row| user_id(row, 0))?
            .collect()
    }

    /// The users of a direct room; `None` if they are not stored.
    pub(crate) fn direct_pair(self, room: &RoomName) -> Result<Option<DirectPair>> {
        self.0
            .prepare_cached("SELECT one, other FROM direct WHERE name = ?")?
            .query_row([room.as_str()], |row| pair(row, 0))
            .optional()
    }

    /// The direct rooms of a user.
    pub(crate) fn direct_rooms(self, user: &UserId) -> Result<Vec<DirectPair>> {
        self.0
            .prepare_cached(
                "SELECT one, other FROM direct WHERE one = ?1
                 UNION SELECT one, other FROM direct WHERE other = ?1",
            )?
            .query_map([user.as_str()], |row| pair(row, 0))?
            .collect()
    }

    /// Number of direct rooms that no message has founded yet.
    pub(crate) fn unfounded_direct_rooms(self) -> Result<u64> {
        let count = self.0.query_row(
            "SELECT count(*) FROM direct WHERE name NOT IN (SELECT name FROM room)",
            [],
            |row| row.get::<_, i64>(0),
        )?;
        Ok(count.max(0).cast_unsigned())
    }
}

impl Batch<'_> {
    pub(crate) fn set_marker(&self, room: RoomId, user: &UserId, marker: MarkerRow) -> Result<()> {
        self.execute(
            "INSERT INTO marker (user, room, seq, gone) VALUES (?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET seq = excluded.seq, gone = excluded.gone",
            (user.as_str(), room, number(marker.seq), marker.left),
        )
    }

    /// Records that a user is in a room. The first marker of the user is at `seq`.
    pub(crate) fn add_marker(&self, room: RoomId, user: &UserId, seq: Seq) -> Result<()> {
        self.execute(
            "INSERT INTO marker (user, room, seq, gone) VALUES (?, ?, ?, 0)
             ON CONFLICT DO UPDATE SET gone = 0 WHERE gone",
            (user.as_str(), room, number(seq)),
        )
    }

    /// Records that a user has left a room.
    pub(crate) fn leave_marker(&self, room: RoomId, user: &UserId) -> Result<()> {
        self.execute("UPDATE marker SET gone = 1 WHERE user = ? AND room = ?", (user.as_str(), room))
    }

    /// Replaces the mentions of a message, which had `before`.
    pub(crate) fn set_mentions(&self, message: EntryKey, before: &[UserId], users: &[UserId]) -> Result<()> {
        for user in before.iter().filter(|user| !users.contains(user)) {
            self.execute("DELETE FROM mention WHERE user = ? AND place = ?", (user.as_str(), message))?;
        }
        for user in users.iter().filter(|user| !before.contains(user)) {
            self.execute("INSERT INTO mention (user, place) VALUES (?, ?)", (user.as_str(), message))?;
        }
        Ok(())
    }

    /// Stores the users of a direct room.
    pub(crate) fn add_direct(&self, pair: &DirectPair) -> Result<()> {
        let [one, other] = pair.users();
        self.execute(
            "INSERT INTO direct (name, one, other) VALUES (?, ?, ?)",
            (pair.room().as_str(), one.as_str(), other.as_str()),
        )
    }
}

fn pair(row: &Row<'_>, index: usize) -> Result<DirectPair> {
    DirectPair::new(&user_id(row, index)?, &user_id(row, index + 1)?)
        .map_err(|error| unreadable(index, error))
}

fn user_id(row: &Row<'_>, index: usize) -> Result<UserId> {
    UserId::new(row.get_ref(index)?.as_str()?).map_err(|error| unreadable(index, error))
}
