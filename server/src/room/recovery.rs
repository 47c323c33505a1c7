//! What a joiner missed: how its position stands to the log, and from where it is replayed.

use std::sync::Arc;

use realtime_shared::{Joined, Position, Recovery, RoomName, Seq, UserId};

use super::cursor::Cursor;
use super::log::{Arrival, Place, RoomLog};
use super::registry::Entrance;
use super::{Log, Registry, Room};
use crate::broker::{Presence, Range, Unavailable, joined};
use crate::faults::{self, Fault};

/// Where a joiner starts, as far as the ring can tell. An older position, or one in the past, is not beyond the head.
pub(super) struct Start {
    pub(super) end: Place,
    pub(super) head: Position,
    pub(super) known: Standing,
}

/// How a position stands to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In its past, or at its head.
    Past,
    /// Not of its past.
    Foreign,
    /// Older than anything that is still here.
    Old,
}

impl Registry {
    /// Corrects where a joiner starts: a position that this instance does not know may be of an entry that another one
    /// has acknowledged, and that is still on its way here.
    ///
    /// Unavailable where the room's log began anew meanwhile: its members are being closed.
    pub(super) async fn catch_up(
        &self,
        room: &Room,
        start: Start,
        since: Option<&Position>,
    ) -> Result<Start, Unavailable> {
        if start.known != Standing::Foreign {
            return Ok(start);
        }
        self.broker.catch_up(&room.name).await?;
        room.start(since).ok_or(Unavailable)
    }

    /// Finds out what is replayed, and from where.
    pub(super) async fn entrance(
        &self,
        room: &Arc<Room>,
        user: &UserId,
        start: Start,
        since: Option<&Position>,
        presence: Presence,
    ) -> Result<(Entrance, Joined), Unavailable> {
        let arrival = Arrival { place: start.end, presence_version: presence.presence_version };
        let live = Cursor::Ring { place: start.end, arrival };
        let (cursor, recovery) = match since {
            None => (live, None),
            Some(since) => {
                let (mut from, recovery) = self.recovery(room, &start, since).await?;
                self.metrics.recovered(recovery);
                if faults::breaks(Fault::ReplayOffByOne) && from < start.head.seq() {
                    from = from.next();
                }
                let cursor = if from == start.head.seq() {
                    live
                } else {
                    Cursor::Store { after: from, head: start.head.seq(), arrival }
                };
                (cursor, Some(recovery))
            }
        };
        let mut joined = joined(user, &room.name, presence);
        joined.position = Some(start.head);
        joined.recovery = recovery;
        Ok((Entrance { room: room.clone(), cursor, end: start.end }, joined))
    }

    /// After which entry the replay begins, which is not beyond the head, and what is said of it.
    pub(super) async fn recovery(
        &self,
        room: &Room,
        start: &Start,
        since: &Position,
    ) -> Result<(Seq, Recovery), Unavailable> {
        let head = start.head.seq();
        let standing = match start.known {
            // Whatever the store has: it may be ahead of the log that the joiner is told of.
            _ if since.seq() > head => Standing::Foreign,
            Standing::Old => self.standing_in_store(&room.name, since).await?,
            known => known,
        };
        let wanted = match standing {
            Standing::Past => since.seq(),
            Standing::Foreign | Standing::Old => Seq::ZERO,
        };
        let mut from = wanted.max(head.back(self.config.replay_limit as u64));
        let in_ring = match &room.state.lock().log {
            Log::Open(log) => log.place_after(from).is_some(),
            Log::Opening { .. } => false,
        };
        if from < head && !in_ring {
            let page = self.broker.history(&room.name, Range::After(from), 1, 1).await?;
            from = page.entries.first().map_or(head, |oldest| oldest.seq.previous().clamp(from, head));
        }
        let replayed = head.checked_since(from).unwrap_or(0);
        let recovery = match standing {
            Standing::Foreign => Recovery::Reset { replayed },
            Standing::Past if from == wanted => Recovery::Complete { replayed },
            Standing::Past | Standing::Old => Recovery::Truncated { replayed },
        };
        Ok((from, recovery))
    }

    /// Asks the store how a position stands that is too old for the ring.
    async fn standing_in_store(&self, room: &RoomName, since: &Position) -> Result<Standing, Unavailable> {
        let Position::At { seq, id, .. } = since else { return Ok(Standing::Past) };
        let page = self.broker.history(room, Range::After(seq.previous()), 1, 1).await?;
        Ok(match page.entries.first() {
            Some(entry) if entry.seq == *seq && (entry.id == *id || faults::breaks(Fault::NoIdCheck)) => {
                Standing::Past
            }
            Some(entry) if entry.seq == *seq => Standing::Foreign,
            _ => Standing::Old,
        })
    }
}

impl Room {
    /// Where a reader starts that comes now. `None`: the log is not open, or no more.
    pub(super) fn start(&self, since: Option<&Position>) -> Option<Start> {
        Start::of(&self.state.lock().log, since)
    }
}

impl Start {
    /// The same, of a log that the caller holds.
    pub(super) fn of(log: &Log, since: Option<&Position>) -> Option<Self> {
        let Log::Open(log) = log else { return None };
        Some(Self {
            end: log.end(),
            head: log.head().clone(),
            known: since.map_or(Standing::Past, |since| standing(log, since)),
        })
    }
}

/// How a position stands to a log, as far as the ring can tell.
fn standing(log: &RoomLog, since: &Position) -> Standing {
    let Position::At { epoch, seq, id } = since else { return Standing::Past };
    if log.head().epoch() != Some(epoch) || *seq > log.head().seq() {
        return Standing::Foreign;
    }
    match log.id_at(*seq) {
        Some(known) if known == *id || faults::breaks(Fault::NoIdCheck) => Standing::Past,
        Some(_) => Standing::Foreign,
        None => Standing::Old,
    }
}
