//! The tables, and how a file of an older format becomes one of today's.
//!
//! To change them: add a step at the end of [`STEPS`]; the ones before it stay as they are.

use rusqlite::{Connection, Result, TransactionBehavior};

/// Says whose file it is: "rtim". In the header, where `file` shows it.
pub(super) const APPLICATION_ID: u32 = 0x7274_696D;
/// The format of today.
pub(super) const VERSION: u32 = 1;

/// From nothing to today's tables: the step at an index leads from that format to the next.
const STEPS: [&str; VERSION as usize] = [
    // `entry.place` is the room's id and the entry's number in one (see `Place`). `first` is the oldest number that may
    // still be read. `known` is a digest of the sender and its own id for the message. `frame` comes last: what is
    // before it is found without reading it. A dropped frame is NULL.
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
];

/// The format of an open file; 0 for one without tables.
pub(super) fn version(connection: &Connection) -> Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the tables to today's format, in one step or not at all.
pub(super) fn bring_up(connection: &mut Connection) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let steps = STEPS.get(version(&transaction)? as usize..).unwrap_or_default();
    for step in steps {
        transaction.execute_batch(step)?;
    }
    if !steps.is_empty() {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.commit()
}
