//! Rooms from lines of JSON, as an export wrote them: each of them whole, or not at all.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read};

use realtime_shared::{EntryId, Message, RoomName, Seq, ServerEvent, Timestamp, codec};

use super::header::Header;
use super::read::RoomRow;
use super::{Batch, Checkpoint, RoomId, Row, Store, Writer, digest};

/// Longest line that is read: no frame is longer.
const LINE_BYTES: u64 = codec::SERVER_FRAME_BYTES as u64;
/// Pages of the log from which it is moved into the file between two rooms: 16 MiB.
const LOG_PAGES: u32 = 4_096;

/// A room that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Which.
    pub room: RoomName,
    /// How many entries of it were read.
    pub entries: u64,
    /// Whether it is new. Otherwise it was there already, with all of them, and nothing was changed.
    pub new: bool,
}

/// Why an import ended early. Rooms before the one that it ended in are there; of that one there is nothing.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct ImportError {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

impl Store {
    /// Adds rooms that are not there yet, with their epoch, numbers and ids. A room that is there with the same entries
    /// stays as it is; one with others is an error.
    ///
    /// `imported` is told of each room when it is on the disk, `progress` how many entries of it were read and how many
    /// there are.
    pub fn import(
        self,
        input: &mut dyn BufRead,
        imported: &mut dyn FnMut(Imported),
        progress: &mut dyn FnMut(&RoomName, u64, u64),
    ) -> Result<(), ImportError> {
        let mut lines = Lines { input, number: 0, line: String::new() };
        let result = self.into_writer().map_err(|error| error.to_string()).and_then(|writer| {
            while lines.next()? {
                let header = Header::read(&lines.line)?;
                imported(import(&writer, &header, &mut lines, progress)?);
                if writer.log_pages() > LOG_PAGES {
                    writer.checkpoint(Checkpoint::Passive).map_err(said)?;
                }
            }
            writer.checkpoint(Checkpoint::Truncate).map(drop).map_err(said)
        });
        result.map_err(|what| ImportError { line: lines.number, what })
    }
}

/// Lines, one at a time.
struct Lines<'a> {
    input: &'a mut dyn BufRead,
    number: u64,
    line: String,
}

impl Lines<'_> {
    /// Reads the next one; `false` at the end.
    fn next(&mut self) -> Result<bool, String> {
        self.line.clear();
        self.number += 1;
        let read = self.input.take(LINE_BYTES + 1).read_line(&mut self.line);
        match read {
            Ok(0) => Ok(false),
            Ok(_) if self.line.ends_with('\n') => Ok(true),
            Ok(bytes) if bytes as u64 > LINE_BYTES => Err(format!("it is longer than {LINE_BYTES} bytes")),
            Ok(_) => Err("it is cut short".to_owned()),
            Err(fault) if fault.kind() == io::ErrorKind::InvalidData => Err("it is not UTF-8".to_owned()),
            Err(fault) => Err(format!("cannot read: {fault}")),
        }
    }

    /// The frame in the line, without its end.
    fn frame(&self) -> &str {
        self.line.trim_end_matches(['\r', '\n'])
    }
}

fn import(
    writer: &Writer,
    header: &Header,
    lines: &mut Lines<'_>,
    progress: &mut dyn FnMut(&RoomName, u64, u64),
) -> Result<Imported, String> {
    let mut batch = writer.begin().map_err(said)?;
    let target = Target::of(&batch, header)?;
    let total = header.entries();
    for (nth, seq) in (1..).zip(header.first.get()..=header.head.get()) {
        if !lines.next()? {
            return Err(format!("{:?} ends before its newest message, {}", header.room, header.head));
        }
        let frame = lines.frame();
        let message = entry(frame, header, Seq::new(seq))?;
        match &target {
            Target::New(room) => {
                let known = message.client_msg_id.as_ref().map(|id| digest(&message.from, id));
                add(&mut batch, *room, Seq::new(seq), message.id, message.ts, known, Some(frame))?;
            }
            Target::There(row) => same(&batch, row, &message, frame)?,
        }
        progress(&header.room, nth, total);
    }
    let new = if let Target::New(room) = target {
        if total == 0 {
            add(&mut batch, room, header.head, header.head_id, header.head_ts, None, None)?;
        }
        batch.commit().map_err(said)?;
        true
    } else {
        false
    };
    Ok(Imported { room: header.room.clone(), entries: total, new })
}

/// Where entries go.
enum Target {
    /// Into a room that was added for them.
    New(RoomId),
    /// Nowhere: the room is there, and has to have them.
    There(RoomRow),
}

impl Target {
    fn of(batch: &Batch<'_>, header: &Header) -> Result<Self, String> {
        let room = &header.room;
        let Some((row, head)) = batch.view().room(room).map_err(said)? else {
            let added = batch.add_room(room, &header.epoch, header.first).map_err(said)?;
            return added.map(Self::New).ok_or_else(|| "there are too many rooms".to_owned());
        };
        if row.epoch != header.epoch {
            return Err(format!(
                "there is another room {room:?}, with another past; nothing of it was changed"
            ));
        }
        if head.seq < header.head {
            return Err(format!(
                "{room:?} is there already, up to message {}, and this one goes on to {}; nothing of it was changed",
                head.seq, header.head
            ));
        }
        Ok(Self::There(row))
    }
}

/// The message in a line, which is this entry of the room's log.
fn entry(frame: &str, header: &Header, seq: Seq) -> Result<Message, String> {
    let decoded = codec::decode_server(frame).map_err(|fault| format!("it is no message: {fault}"))?;
    let ServerEvent::Message(message) = decoded.event else {
        return Err(format!("message {seq} of {:?} was expected", header.room));
    };
    if message.room != header.room || message.seq != seq {
        return Err(format!(
            "message {seq} of {:?} was expected, and not {} of {:?}",
            header.room, message.seq, message.room
        ));
    }
    if message.epoch.as_ref().is_some_and(|epoch| *epoch != header.epoch) {
        return Err("it is of another log than the line before the messages says".to_owned());
    }
    if seq == header.head && (message.id, message.ts) != (header.head_id, header.head_ts) {
        return Err("it is another newest message than the line before the messages says".to_owned());
    }
    Ok(message)
}

fn add(
    batch: &mut Batch<'_>,
    room: RoomId,
    seq: Seq,
    id: EntryId,
    ts: Timestamp,
    known: Option<u128>,
    frame: Option<&str>,
) -> Result<(), String> {
    let place = room.place(seq);
    if place.seq() != seq {
        return Err(format!("{seq} is a larger number than a message can have"));
    }
    batch.add(&Row { place, id, ts, known, frame }).map_err(said)
}

/// That an entry is in the room as it is in the line, if it was not dropped there.
fn same(batch: &Batch<'_>, row: &RoomRow, message: &Message, frame: &str) -> Result<(), String> {
    let place = row.id.place(message.seq);
    let mut same = true;
    let stored = batch.view().entry(place).map_err(said)?;
    if let Some((id, _)) = stored {
        same = id == message.id;
    }
    batch
        .view()
        .entries((place, place), false, |_, _, stored| {
            same &= stored == frame;
            false
        })
        .map_err(said)?;
    if same {
        Ok(())
    } else {
        Err(format!(
            "message {} of {:?} is another one there; nothing of it was changed",
            message.seq, message.room
        ))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is called with the error that a call returned")]
fn said(error: rusqlite::Error) -> String {
    format!("cannot use the store: {error}")
}
