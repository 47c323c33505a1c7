//! Read-only store for exports and backups, also while a server uses it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use realtime_shared::RoomName;
use rusqlite::Connection;

use super::file::{FILE, check_files, connect};
use super::header::{CHANGES_FORMAT, FORMAT, Header};
use super::reader::{StoreReader, View};
use super::{StoreOpenError, integrity, schema};

/// Read-only store.
pub struct Archive {
    pub(super) path: PathBuf,
    reader: StoreReader,
}

/// Error of an export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("there is no room {0:?}")]
    NoSuchRoom(RoomName),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error("cannot read the store: {0}")]
    Store(#[from] rusqlite::Error),
}

impl Archive {
    /// Opens the store in `directory`, which must exist. A server may be using it.
    pub fn open(directory: &Path) -> Result<Self, StoreOpenError> {
        let path = directory.join(FILE);
        check_files(&path)?;
        if !path.exists() {
            return Err(StoreOpenError::Missing(path));
        }
        let failed = |cause| StoreOpenError::of(&path, cause);
        let connection = connect(&path).map_err(failed)?;
        integrity::identity(&path, &connection)?;
        let reader = StoreReader::new(connection).map_err(failed)?;
        Ok(Self { path, reader })
    }

    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        connect(&self.path)
    }

    /// Writes rooms as lines of JSON, all from one snapshot: for each room a header line, then the frames of its entries,
    /// oldest first. Exports all rooms if `rooms` is empty.
    ///
    /// `progress` receives the number of entries written and the total.
    pub fn export(
        &self,
        rooms: &[RoomName],
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, ExportError> {
        let exported = self.reader.read(|view| Ok(export(view, rooms, out, progress)))??;
        out.flush()?;
        Ok(exported)
    }
}

fn export(
    view: View<'_>,
    rooms: &[RoomName],
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, ExportError> {
    let named = if rooms.is_empty() { view.room_names()? } else { rooms.to_vec() };
    let found = named
        .into_iter()
        .map(|name| header(view, &name)?.ok_or(ExportError::NoSuchRoom(name)))
        .collect::<Result<Vec<_>, _>>()?;
    let total = found.iter().map(Header::entries).sum();
    let mut written = 0;
    for header in &found {
        serde_json::to_writer(&mut *out, header).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        let Some((row, _)) = view.room(&header.room)? else { continue };
        let mut result = Ok(());
        view.entries((row.id.key(header.first), row.id.end()), false, |_, _, frame| {
            result = out.write_all(frame.as_bytes()).and_then(|()| out.write_all(b"\n"));
            written += 1;
            progress(written, total);
            result.is_ok()
        })?;
        result?;
    }
    Ok(written)
}

fn header(view: View<'_>, room: &RoomName) -> Result<Option<Header>, ExportError> {
    let Some((row, head)) = view.room(room)? else { return Ok(None) };
    let has_changes = schema::has_changes(view.0)? && view.has_others(row.id, row.first)?;
    Ok(Some(Header {
        format: if has_changes { CHANGES_FORMAT } else { FORMAT },
        room: room.clone(),
        epoch: row.epoch,
        first: row.first,
        head: head.seq,
        head_id: head.id,
        head_ts: head.ts,
    }))
}
