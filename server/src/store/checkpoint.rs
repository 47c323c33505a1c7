//! Checkpoints, which move the WAL into the file.

use rusqlite::Connection;

/// Mode of a checkpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CheckpointMode {
    /// Moves what no reader still needs. Neither waits nor blocks.
    Passive,
    /// Moves everything and empties the WAL. Waits for readers, up to the busy timeout.
    Truncate,
}

/// Moves committed pages from the WAL into the file. Returns `false` if a reader of an older snapshot prevented a part of
/// it.
pub(crate) fn checkpoint(connection: &Connection, mode: CheckpointMode) -> rusqlite::Result<bool> {
    let statement = match mode {
        CheckpointMode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        CheckpointMode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    connection.query_row(statement, [], |row| Ok(row.get::<_, i64>(0)? == 0))
}
