//! Recovery of a joiner: the comparison of its position with the log, and the start of its replay.
//!
//! The ring decides most cases. The store is read only for a position that is older than the ring, or if the replay
//! begins before the ring. A position beyond the head makes the instance catch up with its engine first, because
//! another instance may have acknowledged entries that have not arrived here.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use realtime_shared::{Position, Recovery, RoomName, Seq, UserId};
use tokio::time::timeout;

use super::cursor::{Cursor, RoomEnd, StoreReader};
use super::registry::{Entrance, Registry};
use super::ring::{Arrival, Passed, RingOffset, RoomRing};
use super::{RingState, Room, State};
use crate::broker::{Entry, Presence, Range, Unavailable, UnencodedJoined};
use crate::faults::{self, Fault};

/// Time for which a join waits for the read marker of its user.
const MARKER_TIMEOUT: Duration = Duration::from_millis(250);

/// The log of a room at the moment of a join.
pub(super) struct JoinPoint {
    /// The end of the ring.
    pub(super) end: RingOffset,
    /// The number of signals before that.
    pub(super) signals: u64,
    pub(super) head: Position,
    /// Status of the joiner's position. `Past` and `Old` imply that it is not beyond the head.
    pub(super) status: PositionStatus,
}

/// Relation of a joiner's position to the log, as far as the ring shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PositionStatus {
    /// The position is in the log.
    Past,
    /// The position is not in the log: it is of another log, or beyond the head.
    Foreign,
    /// The position is older than the ring. The store may have its entry.
    Old,
}

impl Registry {
    /// Catches up with the engine if the joiner's position is not known here, and returns the join point after that.
    /// Another instance may have acknowledged an entry that has not arrived yet.
    ///
    /// Unavailable if the ring was discarded meanwhile, which closes the connections that have a seat.
    pub(super) async fn catch_up(
        &self,
        room: &Room,
        join_point: JoinPoint,
        since: Option<&Position>,
    ) -> Result<JoinPoint, Unavailable> {
        if join_point.status != PositionStatus::Foreign {
            return Ok(join_point);
        }
        self.broker.catch_up(&room.name).await?;
        room.join_point(since).ok_or(Unavailable)
    }

    /// Determines the cursor and the recovery of a joiner. Returns its entrance, and its `joined`.
    pub(super) async fn entrance(
        &self,
        room: &Arc<Room>,
        user: &UserId,
        join_point: JoinPoint,
        since: Option<&Position>,
        presence: Presence,
    ) -> Result<(Entrance, UnencodedJoined), Unavailable> {
        let head = join_point.head.seq();
        let arrival = join_point.arrival(&presence);
        let passed = Passed { entry: head, signals: join_point.signals };
        let live = Cursor::Ring { next: join_point.end, passed, arrival };
        let (cursor, recovery) = match since {
            None => (live, None),
            Some(since) => {
                let (mut from, recovery) = self.recovery(room, &join_point, since).await?;
                self.metrics.recovered(recovery);
                if faults::breaks(Fault::ReplayOffByOne) && from < head {
                    from = from.next();
                }
                let cursor = if from == head {
                    live
                } else {
                    let reader = StoreReader::Joiner { head, arrival, signals: join_point.signals };
                    Cursor::Store { after: from, reader }
                };
                (cursor, Some(recovery))
            }
        };
        let read_seq = self.marker(room, user, head).await;
        let mut joined = UnencodedJoined::new(user, &room.name, presence.members, presence.count);
        joined.event.position = Some(join_point.head);
        joined.event.recovery = recovery;
        joined.event.read_seq = read_seq;
        let end = RoomEnd { offset: join_point.end, head };
        Ok((Entrance { room: room.clone(), cursor, end }, joined))
    }

    /// The read marker of a joiner; `None` if it is late or unavailable.
    async fn marker(&self, room: &Room, user: &UserId, head: Seq) -> Option<Seq> {
        let mut answer = self.broker.mark_joined(&room.name, user, head);
        let marked = match poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await {
            Poll::Ready(marked) => marked,
            Poll::Pending => timeout(MARKER_TIMEOUT, answer).await.ok()?,
        };
        marked.ok().flatten()
    }

    /// Returns the entry after which the replay begins, at most the head, and the recovery for the `joined`.
    pub(super) async fn recovery(
        &self,
        room: &Room,
        join_point: &JoinPoint,
        since: &Position,
    ) -> Result<(Seq, Recovery), Unavailable> {
        let head = join_point.head.seq();
        let (status, oldest) = match join_point.status {
            // The store may already have entries beyond the head of the join point.
            _ if since.seq() > head => (PositionStatus::Foreign, None),
            PositionStatus::Old => self.status_in_store(&room.name, since).await?,
            known => (known, None),
        };
        let wanted = match status {
            PositionStatus::Past => since.seq(),
            PositionStatus::Foreign | PositionStatus::Old => Seq::ZERO,
        };
        let mut from = wanted.max(head.back(self.config.replay_limit as u64));
        let in_ring = match &room.state.lock().ring {
            RingState::Open(ring) => ring.offset_after(from).is_some(),
            RingState::Closed | RingState::Opening { .. } => false,
        };
        if from < head && !in_ring {
            let oldest = match oldest {
                Some(oldest) => Some(oldest),
                None => self.oldest_after(&room.name, from).await?.map(|entry| entry.seq),
            };
            from = oldest.map_or(head, |oldest| oldest.previous().clamp(from, head));
        }
        let replayed = head.checked_since(from).unwrap_or(0);
        let recovery = match status {
            PositionStatus::Foreign => Recovery::Reset { replayed },
            PositionStatus::Past if from == wanted => Recovery::Complete { replayed },
            PositionStatus::Past | PositionStatus::Old => Recovery::Truncated { replayed },
        };
        Ok((from, recovery))
    }

    /// Reads from the store the status of a position that is older than the ring. Also returns the oldest entry from
    /// which a replay can begin; `None` if it is not known.
    async fn status_in_store(
        &self,
        room: &RoomName,
        since: &Position,
    ) -> Result<(PositionStatus, Option<Seq>), Unavailable> {
        let Position::At { seq, id, .. } = since else { return Ok((PositionStatus::Past, None)) };
        let Some(oldest) = self.oldest_after(room, seq.previous()).await? else {
            return Ok((PositionStatus::Old, None));
        };
        Ok(if oldest.seq != *seq {
            (PositionStatus::Old, Some(oldest.seq))
        } else if oldest.id == *id || faults::breaks(Fault::NoIdCheck) {
            (PositionStatus::Past, Some(oldest.seq))
        } else {
            // The store may have older entries of this log.
            (PositionStatus::Foreign, None)
        })
    }

    /// The oldest entry of the store after `seq`.
    async fn oldest_after(&self, room: &RoomName, seq: Seq) -> Result<Option<Entry>, Unavailable> {
        let page = self.broker.history(room, Range::After(seq), 1, 1).await?;
        Ok(page.entries.into_iter().next())
    }
}

impl Room {
    /// The join point of a joiner; `None` if the ring is not open.
    pub(super) fn join_point(&self, since: Option<&Position>) -> Option<JoinPoint> {
        JoinPoint::of(&self.state.lock(), since)
    }
}

impl JoinPoint {
    /// The join point of a joiner; `None` if the ring is not open.
    pub(super) fn of(state: &State, since: Option<&Position>) -> Option<Self> {
        let RingState::Open(ring) = &state.ring else { return None };
        Some(Self {
            end: ring.end(),
            signals: ring.signals_before(ring.end()),
            head: ring.head().clone(),
            status: since.map_or(PositionStatus::Past, |since| status_in_ring(ring, since)),
        })
    }
}

impl JoinPoint {
    /// The arrival of a reader whose members are `presence`, which was read after the join point.
    pub(super) fn arrival(&self, presence: &Presence) -> Arrival {
        Arrival { offset: self.end, presence_version: presence.presence_version }
    }
}

/// Compares a position with the ring.
fn status_in_ring(ring: &RoomRing, since: &Position) -> PositionStatus {
    let Position::At { epoch, seq, id } = since else { return PositionStatus::Past };
    if ring.head().epoch() != Some(epoch) || *seq > ring.head().seq() {
        return PositionStatus::Foreign;
    }
    match ring.id_at(*seq) {
        Some(known) if known == *id || faults::breaks(Fault::NoIdCheck) => PositionStatus::Past,
        Some(_) => PositionStatus::Foreign,
        None => PositionStatus::Old,
    }
}
