//! Rooms by rank, and by name.

use std::collections::BTreeMap;
use std::ops::Bound;

use realtime_shared::{Position, RoomName, RoomSummary, Timestamp};

use super::name_index::{Activity, NameBounds, NameIndex, RangePart};

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

/// All rooms that have a member or an entry.
#[derive(Default)]
pub(super) struct Ranking {
    /// Ranks and heads.
    order: BTreeMap<Rank, Position>,
    names: NameIndex,
}

impl Rank {
    fn into_summary(self, position: Position) -> RoomSummary {
        let Self { activity, room } = self;
        let (member_count, last_ts) = (activity.member_count(), activity.last_ts());
        RoomSummary { room, member_count, position, last_ts, user_id: None }
    }
}

impl Ranking {
    /// Applies a change. A room without members and entries is removed.
    pub(super) fn change(&mut self, room: RoomName, change: RoomChange) {
        let place = self.names.find(&room);
        let old = self.names.at(place);
        if let Some(activity) = old
            && change.member_count.is_none_or(|new| new == activity.member_count())
            && change.head.as_ref().is_none_or(|(_, new)| *new == activity.last_ts())
        {
            // The rank stays.
            if let Some((position, _)) = change.head
                && let Some(head) = self.order.get_mut(&Rank { activity, room })
            {
                *head = position;
            }
            return;
        }
        let old_head = old.and_then(|activity| self.order.remove(&Rank { activity, room: room.clone() }));
        let (old_count, old_ts) =
            old.map(|activity| (activity.member_count(), activity.last_ts())).unwrap_or_default();
        let (position, last_ts) = change.head.unwrap_or((old_head.unwrap_or_default(), old_ts));
        let member_count = change.member_count.unwrap_or(old_count);
        if member_count == 0 && last_ts.is_none() {
            self.names.remove(place);
            return;
        }
        let activity = Activity::new(member_count, last_ts);
        self.names.set(place, room.clone(), activity);
        self.order.insert(Rank { activity, room }, position);
    }

    /// True if the room has an entry.
    pub(super) fn has_log(&self, room: &RoomName) -> bool {
        self.names.at(self.names.find(room)).is_some_and(|activity| activity.last_ts().is_some())
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
        bounds: NameBounds<'_>,
        count: usize,
        visit: impl FnMut(&RoomName, Activity),
    ) -> Option<RoomName> {
        self.names.visit(bounds, count, visit)
    }

    /// The parts of a range of names that have its `count` busiest rooms.
    pub(super) fn busiest_parts(&self, bounds: NameBounds<'_>, count: usize) -> Vec<RangePart> {
        self.names.busiest_parts(bounds, count)
    }

    /// The current state of the room that had this rank. Most rooms still have it. A rank is found by numbers, a name
    /// by the bytes of others, which are elsewhere in memory.
    pub(super) fn summary(&self, rank: &Rank) -> Option<RoomSummary> {
        if let Some(position) = self.order.get(rank) {
            return Some(rank.clone().into_summary(position.clone()));
        }
        let activity = self.names.at(self.names.find(&rank.room))?;
        let rank = Rank { activity, room: rank.room.clone() };
        let position = self.order.get(&rank)?.clone();
        Some(rank.into_summary(position))
    }
}
