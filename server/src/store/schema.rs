//! Tables of the store, and migrations from older formats.
//!
//! To change the tables, append a migration to [`MIGRATIONS`]; released migrations never change.

use rusqlite::{Connection, Result, TransactionBehavior};

use super::reserved_names::{self, Renamed};

/// Application id in the SQLite header, "rtim": `file` shows it.
pub(super) const APPLICATION_ID: u32 = 0x7274_696D;
/// Current format.
pub(super) const VERSION: u32 = 5;

/// Migrations from an empty file: the one at index N leads from format N to N + 1.
const MIGRATIONS: [&str; VERSION as usize] = [
    // `entry.place` combines the room's id and the seq (see `EntryKey`). `room.first` is the oldest seq that can be
    // read. `entry.known` is the dedup digest. `frame` is the last column, so that the others are read without it; it is
    // NULL once retention has dropped it.
    "CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        first INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE entry (
        place INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        ts INTEGER NOT NULL,
        known BLOB,
        frame TEXT
     ) STRICT;",
    // Facts about the store, by name: see `Setting`.
    "CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value TEXT NOT NULL
     ) STRICT;",
    // `founder` counts the rooms that a user has founded since a time.
    "CREATE TABLE founder (
        user TEXT PRIMARY KEY,
        since INTEGER NOT NULL,
        rooms INTEGER NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX founder_since ON founder (since);",
    // What entries have made of messages. `place` is that of a stored entry, and its rows go with its frame. `other` has the
    // entries that are not messages: `rank` numbers them within a room, so that a difference of ranks counts those of a
    // range. `changed.state` is a `MessageState`. `reaction.emoji` is `Emoji::key`. `edit.place`, `reply.place` and
    // `thread.place` are those of the message that was edited or answered; `thread.replies` counts the replies that are not
    // deleted. `room_setting.settings` are `RoomSettings`, `id` and `ts` those of the entry at their `rev`. `speaker` has the
    // time of the newest message of a user in a room with slow mode.
    //
    // A room has no rows here until an entry changes something: the migration touches no entry.
    "CREATE TABLE other (
        place INTEGER PRIMARY KEY,
        rank INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE changed (
        place INTEGER PRIMARY KEY,
        state TEXT NOT NULL
     ) STRICT;
     CREATE TABLE reaction (
        place INTEGER NOT NULL,
        user TEXT NOT NULL,
        emoji TEXT NOT NULL,
        PRIMARY KEY (place, user, emoji)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE edit (
        place INTEGER NOT NULL,
        edit INTEGER NOT NULL,
        PRIMARY KEY (place, edit)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE thread (
        place INTEGER PRIMARY KEY,
        replies INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE reply (
        place INTEGER NOT NULL,
        reply INTEGER NOT NULL,
        PRIMARY KEY (place, reply)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE pin (
        place INTEGER PRIMARY KEY
     ) STRICT;
     CREATE TABLE room_setting (
        room INTEGER PRIMARY KEY,
        settings TEXT NOT NULL,
        id BLOB NOT NULL,
        ts INTEGER NOT NULL
     ) STRICT;
     CREATE TABLE speaker (
        room INTEGER NOT NULL,
        user TEXT NOT NULL,
        ts INTEGER NOT NULL,
        PRIMARY KEY (room, user)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX speaker_ts ON speaker (room, ts);",
    // `marker.seq` is the entry up to which a user has read a room; `gone` is 1 if the user has left the room, or was never
    // in it. `mention.place` is that of a message that mentions the user. `direct` has the users of direct rooms, also of
    // those without a message.
    "CREATE TABLE marker (
        user TEXT NOT NULL,
        room INTEGER NOT NULL,
        seq INTEGER NOT NULL,
        gone INTEGER NOT NULL,
        PRIMARY KEY (user, room)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX marker_room ON marker (room);
     CREATE TABLE mention (
        user TEXT NOT NULL,
        place INTEGER NOT NULL,
        PRIMARY KEY (user, place)
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX mention_place ON mention (place);
     CREATE TABLE direct (
        name TEXT PRIMARY KEY,
        one TEXT NOT NULL,
        other TEXT NOT NULL
     ) STRICT, WITHOUT ROWID;
     CREATE INDEX direct_one ON direct (one);
     CREATE INDEX direct_other ON direct (other);",
];

/// Format of an open file; 0 for one without tables.
pub(super) fn version(connection: &Connection) -> Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// First format in which some names of rooms are reserved.
const RESERVES_NAMES: u32 = 4;

/// True if the tables of an open file include those of changes. A reader may open a file of an older format.
pub(super) fn has_changes(connection: &Connection) -> Result<bool> {
    version(connection).map(|version| version >= 4)
}

/// Migrates the tables to the current format in one transaction. Returns the rooms whose names are reserved now, and were
/// changed.
pub(super) fn migrate(connection: &mut Connection) -> Result<Vec<Renamed>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let from = version(&transaction)?;
    let steps = MIGRATIONS.get(from as usize..).unwrap_or_default();
    for step in steps {
        transaction.execute_batch(step)?;
    }
    let renamed = if from < RESERVES_NAMES { reserved_names::rename(&transaction)? } else { Vec::new() };
    if !steps.is_empty() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()?;
    Ok(renamed)
}
