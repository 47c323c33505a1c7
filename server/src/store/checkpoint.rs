//! Checkpoints, which move the WAL into the file.

use rusqlite::Connection;

/// Mode of a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckpointMode {
    /// Moves what no reader still needs. Neither waits nor blocks.
    Passive,
    /// Moves everything and empties the WAL. Waits for readers, up to the busy timeout.
    Truncate,
}

/// Content of the WAL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalState {
    /// Frames in the WAL: one page each.
    pub(crate) frames: u64,
    /// Frames among them that are in the file already.
    pub(crate) moved: u64,
}

/// Moves committed pages from the WAL into the file. Returns `false` if a reader of an older snapshot prevented a part of
/// it.
pub(super) fn checkpoint(connection: &Connection, mode: CheckpointMode) -> rusqlite::Result<bool> {
    let statement = match mode {
        CheckpointMode::Passive => "PRAGMA wal_checkpoint(PASSIVE)",
        CheckpointMode::Truncate => "PRAGMA wal_checkpoint(TRUNCATE)",
    };
    connection.query_row(statement, [], |row| {
        let (busy, frames, moved): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(busy == 0 && frames == moved)
    })
}

/// Reads the state of the WAL without changing anything.
pub(super) fn wal_state(connection: &Connection) -> rusqlite::Result<WalState> {
    connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| {
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(WalState { frames: count(row.get(1)?), moved: count(row.get(2)?) })
    })
}
