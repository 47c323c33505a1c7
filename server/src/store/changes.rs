//! Queries on what entries have made of messages and rooms.

use std::collections::HashSet;

use realtime_shared::{
    Emoji, EntryEvent, EntryId, Message, MessageState, RoomSettings, Seq, Timestamp, UserId, codec,
};
use rusqlite::{OptionalExtension, Result, Row};
use serde::de::DeserializeOwned;

use super::entry_key::{EntryKey, RoomId};
use super::reader::{View, entry_id, seq, timestamp, unreadable};

/// A message with its changes.
#[derive(Debug)]
pub(crate) struct FoldedMessage {
    pub(crate) message: Message,
    /// `None`: no entry has changed the message.
    pub(crate) state: Option<MessageState>,
}

/// Settings of a room, and the entry that last changed them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SettingsRow {
    pub(crate) settings: RoomSettings,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
}

impl View<'_> {
    /// Oldest seq of a room that can be read.
    pub(crate) fn first(self, room: RoomId) -> Result<Seq> {
        self.0.prepare_cached("SELECT first FROM room WHERE id = ?")?.query_row([room], |row| seq(row, 0))
    }

    /// The frame of an entry; `None` if the room does not have it.
    pub(crate) fn frame(self, key: EntryKey) -> Result<Option<String>> {
        let frame = self
            .0
            .prepare_cached("SELECT frame FROM entry WHERE place = ?")?
            .query_row([key], |row| row.get::<_, Option<String>>(0))
            .optional()?;
        Ok(frame.flatten())
    }

    /// A message as its changes left it; `None` if the entry is not a message, or the room does not have it.
    pub(crate) fn message(self, key: EntryKey) -> Result<Option<FoldedMessage>> {
        let Some(frame) = self.frame(key)? else { return Ok(None) };
        let Some(EntryEvent::Message(message)) = codec::decode_entry(&frame) else { return Ok(None) };
        let state = self.state(key)?;
        let message = match &state {
            Some(state) => state.restore(message),
            None => message,
        };
        Ok(Some(FoldedMessage { message, state }))
    }

    /// The state of a message; `None` if no entry has changed it.
    pub(crate) fn state(self, key: EntryKey) -> Result<Option<MessageState>> {
        self.0
            .prepare_cached("SELECT state FROM changed WHERE place = ?")?
            .query_row([key], |row| json(row, 0))
            .optional()
    }

    /// True if the user has reacted to a message with this emoji.
    pub(crate) fn has_reacted(self, key: EntryKey, user: &UserId, emoji: &Emoji) -> Result<bool> {
        self.0.prepare_cached("SELECT 1 FROM reaction WHERE place = ? AND user = ? AND emoji = ?")?.exists((
            key,
            user.as_str(),
            emoji.key(),
        ))
    }

    /// Keys of the emoji with which the user has reacted to a message.
    pub(crate) fn reactions(self, key: EntryKey, user: &UserId) -> Result<HashSet<String>> {
        self.0
            .prepare_cached("SELECT emoji FROM reaction WHERE place = ? AND user = ?")?
            .query_map((key, user.as_str()), |row| row.get(0))?
            .collect()
    }

    /// Entries with a text of a message: itself and its edits.
    pub(crate) fn with_text_of(self, key: EntryKey) -> Result<Vec<EntryKey>> {
        let mut statement = self.0.prepare_cached("SELECT edit FROM edit WHERE place = ? ORDER BY edit")?;
        let edits = statement.query_map([key], |row| row.get(0))?;
        std::iter::once(Ok(key)).chain(edits).collect()
    }

    /// Number of direct replies that are not deleted.
    pub(crate) fn replies(self, key: EntryKey) -> Result<u64> {
        let count = self
            .0
            .prepare_cached("SELECT replies FROM thread WHERE place = ?")?
            .query_row([key], |row| row.get::<_, i64>(0))
            .optional()?;
        Ok(count.unwrap_or(0).max(0).cast_unsigned())
    }

    /// At most `limit` direct replies between two keys, inclusive, from one end.
    pub(crate) fn replies_between(
        self,
        key: EntryKey,
        (from, to): (EntryKey, EntryKey),
        newest_first: bool,
        limit: usize,
    ) -> Result<Vec<Seq>> {
        let mut statement = self.0.prepare_cached(if newest_first {
            "SELECT reply FROM reply WHERE place = ? AND reply BETWEEN ? AND ? ORDER BY reply DESC LIMIT ?"
        } else {
            "SELECT reply FROM reply WHERE place = ? AND reply BETWEEN ? AND ? ORDER BY reply LIMIT ?"
        })?;
        statement.query_map((key, from, to, row_limit(limit)), seq_of)?.collect()
    }

    /// Pinned messages between two keys, inclusive, from one end.
    pub(crate) fn pinned_between(
        self,
        between: (EntryKey, EntryKey),
        newest_first: bool,
    ) -> Result<Vec<Seq>> {
        let mut statement = self.0.prepare_cached(if newest_first {
            "SELECT place FROM pin WHERE place BETWEEN ? AND ? ORDER BY place DESC"
        } else {
            "SELECT place FROM pin WHERE place BETWEEN ? AND ? ORDER BY place"
        })?;
        statement.query_map(between, seq_of)?.collect()
    }

    /// Number of pinned messages of a room.
    pub(crate) fn pins(self, room: RoomId) -> Result<usize> {
        let count = self
            .0
            .prepare_cached("SELECT count(*) FROM pin WHERE place BETWEEN ? AND ?")?
            .query_row((room.start(), room.end()), |row| row.get::<_, i64>(0))?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Settings of a room; `None` if they were never changed.
    pub(crate) fn settings(self, room: RoomId) -> Result<Option<SettingsRow>> {
        self.0
            .prepare_cached("SELECT settings, id, ts FROM room_setting WHERE room = ?")?
            .query_row([room], |row| {
                Ok(SettingsRow { settings: json(row, 0)?, id: entry_id(row, 1)?, ts: timestamp(row, 2)? })
            })
            .optional()
    }

    /// Time of the newest message of a user, if the room had slow mode then.
    pub(crate) fn spoke_at(self, room: RoomId, user: &UserId) -> Result<Option<Timestamp>> {
        self.0
            .prepare_cached("SELECT ts FROM speaker WHERE room = ? AND user = ?")?
            .query_row((room, user.as_str()), |row| timestamp(row, 0))
            .optional()
    }

    /// True if a room has entries that are not messages, from a seq on.
    pub(super) fn has_others(self, room: RoomId, from: Seq) -> Result<bool> {
        self.0
            .prepare_cached("SELECT 1 FROM other WHERE place BETWEEN ? AND ? LIMIT 1")?
            .exists((room.key(from), room.end()))
    }

    /// True if an entry is a message. The entry is one of the log.
    pub(crate) fn is_message(self, key: EntryKey) -> Result<bool> {
        Ok(!self.0.prepare_cached("SELECT 1 FROM other WHERE place = ?")?.exists([key])?)
    }

    /// Number of entries of a room before `seq` that are not messages, beginning at an unknown one: only differences count.
    fn rank_before(self, room: RoomId, seq: Seq) -> Result<u64> {
        let rank = |sql: &str, between: (EntryKey, EntryKey)| {
            self.0.prepare_cached(sql)?.query_row(between, |row| row.get::<_, i64>(0)).optional()
        };
        let before = (room.start(), room.key(seq.previous()));
        let newest =
            rank("SELECT rank FROM other WHERE place BETWEEN ? AND ? ORDER BY place DESC LIMIT 1", before)?;
        let rank = if let Some(newest) = newest {
            newest
        } else {
            let all = (room.start(), room.end());
            let first =
                rank("SELECT rank FROM other WHERE place BETWEEN ? AND ? ORDER BY place LIMIT 1", all)?;
            first.map_or(0, |first| first - 1)
        };
        Ok(rank.max(0).cast_unsigned())
    }

    /// Number of messages from `from` up to the entry before `to`, which are stored entries of a room.
    pub(crate) fn messages_between(self, room: RoomId, from: Seq, to: Seq) -> Result<u64> {
        let entries = to.get().saturating_sub(from.get());
        if entries == 0 {
            return Ok(0);
        }
        let others = self.rank_before(room, to)?.saturating_sub(self.rank_before(room, from)?);
        Ok(entries.saturating_sub(others))
    }

    /// The first of the newest entries of a room that have at most `messages` messages, and are at most `entries`. The room
    /// has its entries from `first` to `head`.
    pub(crate) fn oldest_within(
        self,
        room: RoomId,
        (first, head): (Seq, Seq),
        messages: u64,
        entries: u64,
    ) -> Result<Seq> {
        let end = head.next();
        let (mut from, mut to) = (first.max(end.back(entries)), first.max(end.back(messages)));
        // The seq is in `from..=to`. Without entries of other kinds it is `to`.
        if from < to && self.messages_between(room, from, end)? <= messages {
            return Ok(from);
        }
        while from < to {
            let middle = Seq::new(u64::midpoint(from.get(), to.get()));
            if self.messages_between(room, middle, end)? <= messages {
                to = middle;
            } else {
                from = middle.next();
            }
        }
        Ok(to)
    }

    /// The newest message of a room from `from` to `seq`.
    pub(crate) fn message_up_to(self, room: RoomId, from: Seq, seq: Seq) -> Result<Option<Seq>> {
        if seq < from || self.is_message(room.key(seq))? {
            return Ok((seq >= from).then_some(seq));
        }
        // Bounds of a message: none is in `other..=seq`, at least one in `some..=seq`.
        let (mut other, mut step) = (seq, 1);
        let mut some = loop {
            let next = Seq::new(seq.get().saturating_sub(step)).max(from);
            if self.messages_between(room, next, other)? > 0 {
                break next;
            }
            if next == from {
                return Ok(None);
            }
            (other, step) = (next, step * 2);
        };
        while some.next() < other {
            let middle = Seq::new(u64::midpoint(some.get(), other.get()));
            if self.messages_between(room, middle, other)? > 0 {
                some = middle;
            } else {
                other = middle;
            }
        }
        Ok(Some(some))
    }

    /// The oldest message of a room from `seq` to `to`.
    pub(crate) fn message_from(self, room: RoomId, seq: Seq, to: Seq) -> Result<Option<Seq>> {
        if seq > to || self.is_message(room.key(seq))? {
            return Ok((seq <= to).then_some(seq));
        }
        // None is in `seq..other`, at least one in `seq..some`.
        let (mut other, mut step) = (seq.next(), 1);
        let mut some = loop {
            let next = Seq::new(seq.get().saturating_add(step)).next().min(to.next());
            if self.messages_between(room, other, next)? > 0 {
                break next;
            }
            if next > to {
                return Ok(None);
            }
            (other, step) = (next, step * 2);
        };
        while other.next() < some {
            let middle = Seq::new(u64::midpoint(other.get(), some.get()));
            if self.messages_between(room, other, middle)? > 0 {
                some = middle;
            } else {
                other = middle;
            }
        }
        Ok(Some(other))
    }
}

fn row_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn seq_of(row: &Row<'_>) -> Result<Seq> {
    row.get::<_, EntryKey>(0).map(EntryKey::seq)
}

/// Column value in JSON.
fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize) -> Result<T> {
    serde_json::from_str(row.get_ref(index)?.as_str()?).map_err(|error| unreadable(index, error))
}
