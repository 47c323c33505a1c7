//! The file as something to take copies of, while a server may use it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use realtime_shared::RoomName;
use rusqlite::Connection;

use super::file::{FILE, connect};
use super::header::{FORMAT, Header};
use super::read::{Reader, View};
use super::{OpenError, check};

/// A store that is only read.
pub struct Archive {
    pub(super) path: PathBuf,
    reader: Reader,
}

/// Why rooms could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is no such room.
    #[error("there is no room {0:?}")]
    NoSuchRoom(RoomName),
    /// What was read could not be written.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    /// It could not be read.
    #[error("cannot read the store: {0}")]
    Store(#[from] rusqlite::Error),
}

impl Archive {
    /// Opens the store in `directory`, which has to be there. A server may be using it.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join(FILE);
        if !path.exists() {
            return Err(OpenError::Missing(path));
        }
        let failed = |cause| OpenError::of(&path, cause);
        let connection = connect(&path).map_err(failed)?;
        check::identity(&path, &connection)?;
        let reader = Reader::new(connection).map_err(failed)?;
        Ok(Self { path, reader })
    }

    /// Another connection to it.
    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        connect(&self.path)
    }

    /// Writes rooms as lines of JSON, all as of one moment: for each a line that says which log it is, and then the
    /// frames of its entries, oldest first. All rooms where none is named.
    ///
    /// `progress` is told how many entries were written, and how many there are.
    pub fn export(
        &self,
        rooms: &[RoomName],
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, ExportError> {
        let exported = self.reader.ask(|view| Ok(export(view, rooms, out, progress)))??;
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
        view.entries((row.id.place(header.first), row.id.end()), false, |_, _, frame| {
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
    Ok(view.room(room)?.map(|(row, head)| Header {
        format: FORMAT,
        room: room.clone(),
        epoch: row.epoch,
        first: row.first,
        head: head.seq,
        head_id: head.id,
        head_ts: head.ts,
    }))
}
