//! Recovery of a joiner: the standing of its position in the log, and the start of its replay.

use std::sync::Arc;

use realtime_shared::{Joined, Position, Recovery, RoomName, Seq, UserId};

use super::cursor::Cursor;
use super::log::{Arrival, Place, RoomLog};
use super::registry::Entrance;
use super::{Log, Registry, Room};
use crate::broker::{Entry, Presence, Range, Unavailable, joined};
use crate::faults::{self, Fault};

/// The start of a joiner, as far as the ring knows. A position that is old or in the past is not beyond the head.
pub(super) struct Start {
    pub(super) end: Place,
    pub(super) head: Position,
    pub(super) known: Standing,
}

/// Standing of a position in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In the log's past, or at its head.
    Past,
    /// Not in the log's past.
    Foreign,
    /// Older than the ring.
    Old,
}

impl Registry {
    /// Corrects the start of a joiner whose position this instance does not know: another instance may have acknowledged an
    /// entry that has not arrived here.
    ///
    /// Unavailable if the room's log was discarded meanwhile: its members are being closed.
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

    /// Determines the recovery of a joiner and its cursor.
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

    /// The entry after which the replay begins, which is not beyond the head, and the recovery that the joiner is sent.
    pub(super) async fn recovery(
        &self,
        room: &Room,
        start: &Start,
        since: &Position,
    ) -> Result<(Seq, Recovery), Unavailable> {
        let head = start.head.seq();
        let (standing, oldest) = match start.known {
            // The store may be ahead of the log that the joiner starts in.
            _ if since.seq() > head => (Standing::Foreign, None),
            Standing::Old => self.standing_in_store(&room.name, since).await?,
            known => (known, None),
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
            let oldest = match oldest {
                Some(oldest) => Some(oldest),
                None => self.oldest_after(&room.name, from).await?.map(|entry| entry.seq),
            };
            from = oldest.map_or(head, |oldest| oldest.previous().clamp(from, head));
        }
        let replayed = head.checked_since(from).unwrap_or(0);
        let recovery = match standing {
            Standing::Foreign => Recovery::Reset { replayed },
            Standing::Past if from == wanted => Recovery::Complete { replayed },
            Standing::Past | Standing::Old => Recovery::Truncated { replayed },
        };
        Ok((from, recovery))
    }

    /// Reads from the store how a position stands that is older than the ring. The second value is the oldest entry that the
    /// store has of those a replay can begin with; `None` if it is not known.
    async fn standing_in_store(
        &self,
        room: &RoomName,
        since: &Position,
    ) -> Result<(Standing, Option<Seq>), Unavailable> {
        let Position::At { seq, id, .. } = since else { return Ok((Standing::Past, None)) };
        let Some(oldest) = self.oldest_after(room, seq.previous()).await? else {
            return Ok((Standing::Old, None));
        };
        Ok(if oldest.seq != *seq {
            (Standing::Old, Some(oldest.seq))
        } else if oldest.id == *id || faults::breaks(Fault::NoIdCheck) {
            (Standing::Past, Some(oldest.seq))
        } else {
            // The store may have older entries of this log.
            (Standing::Foreign, None)
        })
    }

    /// The oldest entry of the store after `seq`.
    async fn oldest_after(&self, room: &RoomName, seq: Seq) -> Result<Option<Entry>, Unavailable> {
        let page = self.broker.history(room, Range::After(seq), 1, 1).await?;
        Ok(page.entries.into_iter().next())
    }
}

impl Room {
    /// The start of a joiner; `None` if the log is not open.
    pub(super) fn start(&self, since: Option<&Position>) -> Option<Start> {
        Start::of(&self.state.lock().log, since)
    }
}

impl Start {
    /// The start in a log that the caller has locked.
    pub(super) fn of(log: &Log, since: Option<&Position>) -> Option<Self> {
        let Log::Open(log) = log else { return None };
        Some(Self {
            end: log.end(),
            head: log.head().clone(),
            known: since.map_or(Standing::Past, |since| standing(log, since)),
        })
    }
}

/// Standing of a position, as far as the ring knows.
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
