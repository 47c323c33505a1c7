//! Rooms by rank, and by name.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Bound;

use realtime_shared::{Position, RoomName, RoomSummary, Timestamp};

/// The answer of a list: rooms, and true if there are more.
pub(in crate::broker) type RoomPage = (Vec<RoomSummary>, bool);

/// A change of a room. `None`: unchanged.
#[derive(Debug, Default)]
pub(super) struct RoomChange {
    pub(super) member_count: Option<u64>,
    pub(super) head: Option<RoomHead>,
}

/// The head of a room's log and its time; the start and `None` without an entry.
pub(super) type RoomHead = (Position, Option<Timestamp>);

/// The place of a room in the list: members, then the newest entry, then the name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) activity: Activity,
    pub(super) room: RoomName,
}

/// The part of a rank beside the name. Busier rooms are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Activity {
    member_count: Reverse<u64>,
    last_ts: Reverse<Option<Timestamp>>,
}

/// All rooms that have a member or an entry.
#[derive(Default)]
pub(super) struct Ranking {
    /// Ranks and heads.
    order: BTreeMap<Rank, Position>,
    /// The parts of each rank beside the name.
    names: BTreeMap<RoomName, (u64, Option<Timestamp>)>,
}

impl Rank {
    fn new(room: RoomName, (member_count, last_ts): (u64, Option<Timestamp>)) -> Self {
        Self { activity: Activity::new(member_count, last_ts), room }
    }

    fn into_summary(self, position: Position) -> RoomSummary {
        let Activity { member_count: Reverse(member_count), last_ts: Reverse(last_ts) } = self.activity;
        RoomSummary { room: self.room, member_count, position, last_ts }
    }
}

impl Activity {
    fn new(member_count: u64, last_ts: Option<Timestamp>) -> Self {
        Self { member_count: Reverse(member_count), last_ts: Reverse(last_ts) }
    }
}

impl Ranking {
    /// Applies a change. A room without members and entries is removed.
    pub(super) fn change(&mut self, room: RoomName, change: RoomChange) {
        let known = self.names.get_mut(&room);
        let old = known.as_deref().copied();
        let old_head = old.and_then(|standing| self.order.remove(&Rank::new(room.clone(), standing)));
        let (old_count, old_ts) = old.unwrap_or_default();
        let (position, last_ts) = change.head.unwrap_or((old_head.unwrap_or_default(), old_ts));
        let member_count = change.member_count.unwrap_or(old_count);
        if member_count == 0 && last_ts.is_none() {
            self.names.remove(&room);
            return;
        }
        match known {
            Some(standing) => *standing = (member_count, last_ts),
            None => drop(self.names.insert(room.clone(), (member_count, last_ts))),
        }
        self.order.insert(Rank::new(room, (member_count, last_ts)), position);
    }

    /// True if the room has an entry.
    pub(super) fn has_log(&self, room: &RoomName) -> bool {
        self.names.get(room).is_some_and(|(_, last_ts)| last_ts.is_some())
    }

    /// The first rooms, and true if there are more.
    pub(super) fn first(&self, limit: usize) -> RoomPage {
        let rooms = self.order.iter().take(limit);
        let rooms = rooms.map(|(rank, position)| rank.clone().into_summary(position.clone())).collect();
        (rooms, self.order.len() > limit)
    }

    /// Calls `visit` for at most `count` rooms in their order, from the one after `after`. Returns the last of them, if
    /// there may be more.
    pub(super) fn visit_ranked(
        &self,
        after: Option<&Rank>,
        count: usize,
        mut visit: impl FnMut(&Rank),
    ) -> Option<Rank> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rooms = self.order.range((start, Bound::Unbounded)).map(|(rank, _)| rank);
        let last = rooms.by_ref().take(count).inspect(|rank| visit(rank)).last()?;
        rooms.next().map(|_| last.clone())
    }

    /// Calls `visit` for at most `count` rooms within these bounds, in the order of their names. Returns the last of
    /// them, if there may be more.
    pub(super) fn visit_named(
        &self,
        bounds: (Bound<&str>, Bound<&str>),
        count: usize,
        mut visit: impl FnMut(&RoomName, Activity),
    ) -> Option<RoomName> {
        let mut rooms = self.names.range::<str, _>(bounds);
        let visited = rooms.by_ref().take(count).inspect(|(room, (member_count, last_ts))| {
            visit(room, Activity::new(*member_count, *last_ts));
        });
        let (last, _) = visited.last()?;
        rooms.next().map(|_| last.clone())
    }

    /// The current state of a room.
    pub(super) fn summary(&self, room: &RoomName) -> Option<RoomSummary> {
        let rank = Rank::new(room.clone(), *self.names.get(room)?);
        let position = self.order.get(&rank)?.clone();
        Some(rank.into_summary(position))
    }
}
