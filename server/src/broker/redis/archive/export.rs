//! Export: each room as of one moment, with the entries that are stored then.

use std::collections::BTreeSet;
use std::io::{self, Write};

use realtime_shared::{Position, RoomName, Seq};

use super::access::RedisArchive;
use crate::broker::redis::log::room_state::{RoomState, states_of};
use crate::broker::{Page, Range, Unavailable};
use crate::store::{CHANGES_FORMAT, FORMAT, Header};

/// Rooms whose states are read with one request.
const ROOMS: usize = 500;
/// Most entries and bytes of one request.
const PAGE: (usize, usize) = (1_000, 1 << 20);

/// Error of an export from Redis.
#[derive(Debug, thiserror::Error)]
pub enum RedisExportError {
    #[error("there is no room {0:?}")]
    NoSuchRoom(RoomName),
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
    #[error("Redis does not answer, or refuses to read the rooms")]
    Unavailable,
    /// Retention, or a deletion by hand, removed entries that were to be written.
    #[error("room {0:?} has lost entries that follow entry {1}: try again, and remove the output so far")]
    Changed(RoomName, Seq),
}

impl From<Unavailable> for RedisExportError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl RedisArchive {
    /// Writes rooms as lines of JSON: for each room a header line, then the frames of its entries, oldest first. Exports
    /// all rooms with an entry if `rooms` is empty.
    ///
    /// `progress` receives the number of entries written and the total.
    pub async fn export(
        &self,
        rooms: &[RoomName],
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<u64, RedisExportError> {
        let named = if rooms.is_empty() { self.all_rooms().await? } else { rooms.to_vec() };
        let mut found = Vec::with_capacity(named.len());
        let mut total = 0_u64;
        for part in named.chunks(ROOMS) {
            let mut states = states_of(&self.transport, part.to_vec()).await?.into_iter().peekable();
            for room in part {
                let state = states.next_if(|(name, _)| name == room).map(|(_, state)| state);
                // A room without a state has a key of another type.
                let state = state.ok_or(RedisExportError::Unavailable)?;
                if state.last_ts.is_some() {
                    total = total.saturating_add(state.log.head.seq().get());
                    found.push((room, state));
                } else if !rooms.is_empty() {
                    return Err(RedisExportError::NoSuchRoom(room.clone()));
                }
            }
        }
        let mut written = 0;
        for (room, state) in found {
            let first =
                self.export_room(room, &state, out, &mut |done| progress(written + done, total)).await?;
            // Entries that retention has dropped do not count.
            total = total.saturating_sub(first.get() - 1);
            written += state.log.head.seq().get() - (first.get() - 1);
            progress(written, total);
        }
        out.flush()?;
        Ok(written)
    }

    /// All rooms of the list, sorted.
    async fn all_rooms(&self) -> Result<Vec<RoomName>, Unavailable> {
        let (mut cursor, mut rooms) = (Some("0".to_owned()), BTreeSet::new());
        while let Some(from) = cursor {
            let (some, next) = self.index.scan(&from, ROOMS).await?;
            rooms.extend(some);
            cursor = next;
        }
        Ok(rooms.into_iter().collect())
    }

    /// Writes a room up to the head of its state. Returns the seq of its first entry.
    async fn export_room(
        &self,
        room: &RoomName,
        state: &RoomState,
        out: &mut dyn Write,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Seq, RedisExportError> {
        let (Position::At { epoch, seq: head, id }, Some(head_ts)) = (&state.log.head, state.last_ts) else {
            return Err(RedisExportError::NoSuchRoom(room.clone()));
        };
        let channel = self.transport.keys.channel(room);
        let has_others = self.history.has_others(&channel).await?;
        let (mut first, mut last) = (None, Seq::ZERO);
        while last < *head {
            let changed = || RedisExportError::Changed(room.clone(), last);
            let page: Page = self.history.stored(&channel, Range::After(last), PAGE).await?;
            if page.epoch.as_ref() != Some(epoch) || page.entries.is_empty() {
                return Err(changed());
            }
            let entries = page.entries.iter().take_while(|entry| entry.seq <= *head);
            for entry in entries {
                if first.is_none() {
                    first = Some(entry.seq);
                    let header = Header {
                        format: if has_others { CHANGES_FORMAT } else { FORMAT },
                        room: room.clone(),
                        epoch: epoch.clone(),
                        first: entry.seq,
                        head: *head,
                        head_id: *id,
                        head_ts,
                    };
                    serde_json::to_writer(&mut *out, &header).map_err(io::Error::from)?;
                    out.write_all(b"\n")?;
                } else if entry.seq != last.next() {
                    return Err(RedisExportError::Changed(room.clone(), last));
                }
                if entry.seq == *head && entry.id != *id {
                    return Err(RedisExportError::Changed(room.clone(), last));
                }
                out.write_all(entry.json.as_bytes())?;
                out.write_all(b"\n")?;
                last = entry.seq;
            }
            progress(last.get() - first.map_or(0, |first| first.get() - 1));
        }
        first.ok_or_else(|| RedisExportError::Changed(room.clone(), last))
    }
}
