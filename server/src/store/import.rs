//! Import of rooms from lines of JSON, as an export wrote them: each room completely or not at all.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read};

use realtime_shared::{
    Change, ClientMsgId, Edit, EntryEvent, EntryId, Epoch, RoomName, Seq, ServerEvent, Timestamp, UserId,
    codec,
};
use serde::Deserialize;

use super::header::Header;
use super::{Batch, CheckpointMode, RoomId, RoomRow, Row, Store, StoreWriter, digest};

/// Longest line that is read; no frame is longer.
const LINE_BYTES: u64 = codec::SERVER_FRAME_BYTES as u64;
/// Pages in the WAL that cause a checkpoint between two rooms: 16 MiB.
const WAL_PAGES: u32 = 4_096;

/// Result for one room of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    pub room: RoomName,
    /// Number of its entries in the input.
    pub entries: u64,
    /// `false` if the store already held the room with all of these entries, and was not changed.
    pub new: bool,
}

/// Error that ended an import. Rooms before it are imported; the room that contains it is not.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct ImportError {
    /// Line number, from 1.
    pub line: u64,
    pub fault: String,
}

impl Store {
    /// Adds rooms that are missing, with their epoch, seqs and ids. A room that exists with the same entries is unchanged;
    /// one with other entries is an error.
    ///
    /// `imported` is called for each room that is on the disk; `progress` receives the number of its entries that were read
    /// and the total.
    pub fn import(
        self,
        input: &mut dyn BufRead,
        imported: &mut dyn FnMut(Imported),
        progress: &mut dyn FnMut(&RoomName, u64, u64),
    ) -> Result<(), ImportError> {
        let mut lines = Lines::new(input);
        let result = self.into_writer().map_err(|error| error.to_string()).and_then(|writer| {
            while lines.next()? {
                let header = Header::read(&lines.line)?;
                imported(import(&writer, &header, &mut lines, progress)?);
                if writer.wal_pages() > WAL_PAGES {
                    writer.checkpoint(CheckpointMode::Passive).map_err(store_error)?;
                }
            }
            writer.checkpoint(CheckpointMode::Truncate).map(drop).map_err(store_error)
        });
        result.map_err(|fault| ImportError { line: lines.number, fault })
    }
}

/// Input, line by line.
pub(crate) struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
    line: String,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(input: &'a mut dyn BufRead) -> Self {
        Self { input, number: 0, line: String::new() }
    }

    /// Number of the line that was read last, from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Reads the next line; `false` at the end.
    pub(crate) fn next(&mut self) -> Result<bool, String> {
        self.line.clear();
        self.number += 1;
        let read = self.input.take(LINE_BYTES + 1).read_line(&mut self.line);
        match read {
            Ok(0) => Ok(false),
            Ok(_) if self.line.ends_with('\n') => Ok(true),
            Ok(bytes) if bytes as u64 > LINE_BYTES => Err(format!("longer than {LINE_BYTES} bytes")),
            Ok(_) => Err("it is truncated".to_owned()),
            Err(fault) if fault.kind() == io::ErrorKind::InvalidData => Err("not UTF-8".to_owned()),
            Err(fault) => Err(format!("cannot read: {fault}")),
        }
    }

    /// Frame in the line, without the line end.
    pub(crate) fn frame(&self) -> &str {
        self.line.trim_end_matches(['\r', '\n'])
    }
}

fn import(
    writer: &StoreWriter,
    header: &Header,
    lines: &mut Lines<'_>,
    progress: &mut dyn FnMut(&RoomName, u64, u64),
) -> Result<Imported, String> {
    let mut batch = writer.begin().map_err(store_error)?;
    let target = Target::of(&batch, header)?;
    let total = header.entries();
    for (nth, seq) in (1..).zip(header.first.get()..=header.head.get()) {
        if !lines.next()? {
            return Err(format!("room {:?} ends before its newest entry, {}", header.room, header.head));
        }
        let frame = lines.frame();
        let line = decode_entry(frame, header, Seq::new(seq))?;
        match &target {
            Target::New(room) => {
                add(&mut batch, *room, line.seq, line.id, line.ts, line.dedup_digest(), Some(frame))?;
                let key = room.key(line.seq);
                batch.fold_imported(key, header.first, line.event.as_ref()).map_err(store_error)?;
            }
            Target::Existing(row) => verify_entry(&batch, row, &line, frame)?,
        }
        progress(&header.room, nth, total);
    }
    let new = if let Target::New(room) = target {
        if total == 0 {
            add(&mut batch, room, header.head, header.head_id, header.head_ts, None, None)?;
        }
        batch.commit().map_err(store_error)?;
        true
    } else {
        false
    };
    Ok(Imported { room: header.room.clone(), entries: total, new })
}

/// Destination of the entries of one room.
enum Target {
    /// Room added by this import.
    New(RoomId),
    /// Existing room, which must already hold the entries.
    Existing(RoomRow),
}

impl Target {
    fn of(batch: &Batch<'_>, header: &Header) -> Result<Self, String> {
        let room = &header.room;
        let Some((row, head)) = batch.view().room(room).map_err(store_error)? else {
            let added = batch.add_room(room, &header.epoch, header.first).map_err(store_error)?;
            return added.map(Self::New).ok_or_else(|| "there are too many rooms".to_owned());
        };
        if row.epoch != header.epoch {
            return Err(format!(
                "the store has a room {room:?} with another epoch; the room was not changed"
            ));
        }
        if head.seq < header.head {
            return Err(format!(
                "the store has room {room:?} up to entry {}, the import continues to {}; the room was not changed",
                head.seq, header.head
            ));
        }
        Ok(Self::Existing(row))
    }
}

/// The fields of an entry of any kind that its row needs.
#[derive(Deserialize)]
pub(crate) struct ImportLine {
    room: RoomName,
    pub(crate) seq: Seq,
    pub(crate) id: EntryId,
    pub(crate) ts: Timestamp,
    from: Option<UserId>,
    client_msg_id: Option<ClientMsgId>,
    epoch: Option<Epoch>,
    /// `None` if its kind is unknown to this version.
    #[serde(skip)]
    event: Option<EntryEvent>,
}

impl ImportLine {
    /// The entry; `None` if its kind is unknown to this version.
    pub(crate) fn event(&self) -> Option<&EntryEvent> {
        self.event.as_ref()
    }

    /// The digest by which the entry is recognized when its sender submits it again.
    pub(crate) fn dedup_digest(&self) -> Option<u128> {
        Some(digest(self.from.as_ref()?, self.client_msg_id.as_ref()?))
    }
}

impl From<EntryEvent> for ImportLine {
    fn from(event: EntryEvent) -> Self {
        let head = event.head();
        Self {
            room: head.room.clone(),
            seq: head.seq,
            id: head.id,
            ts: head.ts,
            from: Some(head.from.clone()),
            client_msg_id: head.client_msg_id.clone(),
            epoch: head.epoch.clone(),
            event: Some(event),
        }
    }
}

/// The entry in a line, checked to be the one at `seq` of the room's log. Its kind may be unknown to this version.
pub(crate) fn decode_entry(frame: &str, header: &Header, seq: Seq) -> Result<ImportLine, String> {
    let event = codec::decode_server(frame).map_err(|fault| format!("not an entry: {fault}"))?.event;
    let expected = || format!("expected entry {seq} of {:?}", header.room);
    if event.entry().is_none() {
        return Err(expected());
    }
    let line = match event {
        ServerEvent::Entry(entry) => ImportLine::from(entry),
        _ => serde_json::from_str(frame).map_err(|fault| format!("{}: {fault}", expected()))?,
    };
    if line.room != header.room || line.seq != seq {
        return Err(format!("{}, found {} of {:?}", expected(), line.seq, line.room));
    }
    if line.epoch.as_ref().is_some_and(|epoch| *epoch != header.epoch) {
        return Err("its epoch differs from that of the header line".to_owned());
    }
    if seq == header.head && (line.id, line.ts) != (header.head_id, header.head_ts) {
        return Err("the newest entry differs from that of the header line".to_owned());
    }
    Ok(line)
}

fn add(
    batch: &mut Batch<'_>,
    room: RoomId,
    seq: Seq,
    id: EntryId,
    ts: Timestamp,
    dedup_digest: Option<u128>,
    frame: Option<&str>,
) -> Result<(), String> {
    let key = room.key(seq);
    if key.seq() != seq {
        return Err(format!("seq {seq} is too large"));
    }
    batch.add(&Row { key, id, ts, dedup_digest, frame }).map_err(store_error)
}

/// Verifies that the room holds the entry as it is in the line, unless retention has dropped it.
fn verify_entry(batch: &Batch<'_>, row: &RoomRow, line: &ImportLine, frame: &str) -> Result<(), String> {
    let key = row.id.key(line.seq);
    let mut same = true;
    let stored = batch.view().entry(key).map_err(store_error)?;
    if let Some((id, _)) = stored {
        same = id == line.id;
    }
    batch
        .view()
        .entries((key, key), false, |_, _, stored| {
            same &= stored == frame || is_tombstone(stored);
            false
        })
        .map_err(store_error)?;
    if same {
        Ok(())
    } else {
        Err(format!(
            "entry {} of {:?} differs from that in the store; the room was not changed",
            line.seq, line.room
        ))
    }
}

/// True if an entry was deleted: an older export has its text.
pub(crate) fn is_tombstone(frame: &str) -> bool {
    match codec::decode_entry(frame) {
        Some(EntryEvent::Message(message)) => message.deleted.is_some(),
        Some(EntryEvent::Change(entry)) => matches!(entry.change, Change::Edit(Edit { deleted: true, .. })),
        None => false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "passed to `map_err`")]
fn store_error(error: rusqlite::Error) -> String {
    format!("cannot use the store: {error}")
}
