//! Folding of new entries into the state of messages and rooms, in the batch that adds them.

use realtime_shared::{
    Change, ChangeEntry, EntryEvent, EntryId, Message, MessageState, Reaction, RoomSettings, Seq, SlowMode,
    Timestamp, UserId, codec,
};
use rusqlite::Result;
use serde::Serialize;

use super::Batch;
use super::changes::{FoldedMessage, SettingsRow};
use super::entry_key::{EntryKey, RoomId};
use super::reader::millis;

/// An entry whose text was deleted, with its new frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) seq: Seq,
    pub(crate) id: EntryId,
    pub(crate) frame: String,
}

impl Batch<'_> {
    /// Records a new message that answers a stored entry, which has this key.
    pub(crate) fn add_reply(&self, answered: EntryKey, reply: EntryKey) -> Result<()> {
        self.execute("INSERT OR IGNORE INTO reply (place, reply) VALUES (?, ?)", (answered, reply))?;
        self.execute(
            "INSERT INTO thread (place, replies) VALUES (?, 1) ON CONFLICT DO UPDATE SET replies = replies + 1",
            [answered],
        )
    }

    /// Records a new entry that is not a message.
    pub(crate) fn add_other(&self, key: EntryKey) -> Result<()> {
        let start = key.room().start();
        self.execute(
            "INSERT INTO other (place, rank) VALUES (?1, 1 + coalesce(
                (SELECT rank FROM other WHERE place BETWEEN ?2 AND ?1 ORDER BY place DESC LIMIT 1), 0))",
            (key, start),
        )
    }

    /// Records a change of the message `target`. Returns the entries that it deletes, with their new frames.
    pub(crate) fn change(
        &self,
        room: RoomId,
        entry: &ChangeEntry,
        target: FoldedMessage,
    ) -> Result<Vec<Replaced>> {
        let FoldedMessage { mut message, state: before } = target;
        let (key, was_pinned) = (room.key(message.seq), message.pinned);
        if !message.apply(entry, None) {
            return Ok(Vec::new());
        }
        let state = MessageState::after(before.as_ref(), entry, &message);
        self.execute("INSERT OR REPLACE INTO changed (place, state) VALUES (?, ?)", (key, json(&state)?))?;
        if state.is_pinned() != was_pinned {
            self.execute(
                if was_pinned {
                    "DELETE FROM pin WHERE place = ?"
                } else {
                    "INSERT INTO pin (place) VALUES (?)"
                },
                [key],
            )?;
        }
        match &entry.change {
            Change::Reaction(Reaction { emoji, removed, .. }) => self.execute(
                if *removed {
                    "DELETE FROM reaction WHERE place = ? AND user = ? AND emoji = ?"
                } else {
                    "INSERT OR IGNORE INTO reaction (place, user, emoji) VALUES (?, ?, ?)"
                },
                (key, entry.from.as_str(), emoji.key()),
            )?,
            Change::Edit(_) => {
                self.execute("INSERT INTO edit (place, edit) VALUES (?, ?)", (key, room.key(entry.seq)))?;
            }
            Change::Delete(_) => return self.delete_message(key, &message, entry),
            Change::Pin(_) | Change::Room(_) => {}
        }
        Ok(Vec::new())
    }

    /// Replaces the frames that have a text of a message.
    fn delete_message(
        &self,
        key: EntryKey,
        message: &Message,
        deletion: &ChangeEntry,
    ) -> Result<Vec<Replaced>> {
        let mut replaced = Vec::new();
        for key in self.view().with_text_of(key)? {
            let stored = self.view().frame(key)?.and_then(|frame| codec::decode_entry(&frame));
            let Some(stored) = stored else { continue };
            let Some(tombstone) = stored.tombstone(&deletion.from, deletion.ts) else { continue };
            let frame = codec::encode_entry(&tombstone);
            self.execute("UPDATE entry SET frame = ? WHERE place = ?", (&frame, key))?;
            replaced.push(Replaced { seq: key.seq(), id: stored.head().id, frame });
        }
        self.execute("DELETE FROM reaction WHERE place = ?", [key])?;
        self.execute("DELETE FROM edit WHERE place = ?", [key])?;
        self.execute("DELETE FROM mention WHERE place = ?", [key])?;
        if let Some(answered) = message.reply_to {
            self.execute(
                "UPDATE thread SET replies = replies - 1 WHERE place = ?1
                 AND EXISTS (SELECT 1 FROM reply WHERE place = ?1 AND reply = ?2)",
                (key.sibling(answered), key),
            )?;
        }
        Ok(replaced)
    }

    /// Records a change of the settings of a room.
    pub(crate) fn set_settings(&self, room: RoomId, row: &SettingsRow) -> Result<()> {
        let SettingsRow { settings, id, ts } = row;
        self.execute(
            "INSERT OR REPLACE INTO room_setting (room, settings, id, ts) VALUES (?, ?, ?, ?)",
            (room, json::<RoomSettings>(settings)?, id.to_u128().to_be_bytes(), millis(*ts)),
        )?;
        if settings.slow_mode == SlowMode::OFF {
            self.execute("DELETE FROM speaker WHERE room = ?", [room])?;
        }
        Ok(())
    }

    /// Records a message of a user in a room with slow mode. Removes a few records from before `outdated`.
    pub(crate) fn set_spoke_at(
        &self,
        room: RoomId,
        user: &UserId,
        ts: Timestamp,
        outdated: Timestamp,
    ) -> Result<()> {
        self.execute(
            "DELETE FROM speaker WHERE room = ?1 AND user IN
                (SELECT user FROM speaker WHERE room = ?1 AND ts < ?2 ORDER BY ts LIMIT 4)",
            (room, millis(outdated)),
        )?;
        self.execute(
            "INSERT OR REPLACE INTO speaker (room, user, ts) VALUES (?, ?, ?)",
            (room, user.as_str(), millis(ts)),
        )
    }

    /// Folds an entry of an import: the rules have allowed it before. `None`: its kind is unknown.
    pub(crate) fn fold_imported(&self, key: EntryKey, first: Seq, event: Option<&EntryEvent>) -> Result<()> {
        let room = key.room();
        match event {
            Some(EntryEvent::Message(Message { reply_to, .. })) => match reply_to {
                Some(answered) if *answered >= first => self.add_reply(room.key(*answered), key),
                Some(_) | None => Ok(()),
            },
            Some(EntryEvent::Change(entry)) => {
                self.add_other(key)?;
                if let Change::Room(change) = &entry.change {
                    let mut settings =
                        self.view().settings(room)?.map(|row| row.settings).unwrap_or_default();
                    if settings.apply(change, entry.seq) {
                        self.set_settings(room, &SettingsRow { settings, id: entry.id, ts: entry.ts })?;
                    }
                } else if let Some((target, _)) = entry.change.target()
                    && let Some(target) = self.view().message(room.key(target))?
                {
                    self.change(room, entry, target)?;
                }
                Ok(())
            }
            None => self.add_other(key),
        }
    }

    /// Drops what is known of the entries between two keys, inclusive, which begin their room.
    pub(super) fn forget_changes(&self, between: (EntryKey, EntryKey)) -> Result<()> {
        for statement in [
            "DELETE FROM other WHERE place BETWEEN ? AND ?",
            "DELETE FROM changed WHERE place BETWEEN ? AND ?",
            "DELETE FROM reaction WHERE place BETWEEN ? AND ?",
            "DELETE FROM edit WHERE place BETWEEN ? AND ?",
            "DELETE FROM thread WHERE place BETWEEN ? AND ?",
            "DELETE FROM reply WHERE place BETWEEN ? AND ?",
            "DELETE FROM pin WHERE place BETWEEN ? AND ?",
            "DELETE FROM mention WHERE place BETWEEN ? AND ?",
        ] {
            self.execute(statement, between)?;
        }
        Ok(())
    }

    pub(super) fn forget_settings(&self, room: RoomId) -> Result<()> {
        self.execute("DELETE FROM room_setting WHERE room = ?", [room])?;
        self.execute("DELETE FROM marker WHERE room = ?", [room])?;
        self.execute("DELETE FROM speaker WHERE room = ?", [room])
    }

    pub(super) fn execute(&self, statement: &str, values: impl rusqlite::Params) -> Result<()> {
        self.transaction.prepare_cached(statement)?.execute(values).map(drop)
    }
}

fn json<T: Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}
