//! Search for the first rooms that pass a filter.
//!
//! Two walks take turns. One goes through the rooms in the order of the list and ends when it has found enough. The other
//! goes through the names in the filter's ranges and ends after the last one. So few rooms among many are found, and many
//! among many. With `n` rooms and `k` requested ones in no special order, the shorter walk looks at most at the square
//! root of `n * k` names.

use std::collections::{BTreeSet, HashSet};
use std::ops::Bound;

use parking_lot::Mutex;
use realtime_shared::{Position, RoomName, RoomSummary};

use super::list_state::ListState;
use super::ranking::{Rank, RoomPage};
use crate::broker::RoomFilter;
use crate::broker::room_filter::{NameRange, RangeKind};

/// Rooms of one turn of a walk, for which the lock is held.
const TURN: usize = 128;
/// Most names that are looked at for a filter with a test. The answer is a part then.
pub(super) const MAX_TESTED: usize = 10_000;
/// Most names that are looked at for a filter without one.
const MAX_LOOKED_AT: usize = 200_000;

/// The first `limit` rooms that pass the filter, and true if there are or may be more.
pub(super) fn search(state: &Mutex<ListState>, filter: &RoomFilter, limit: usize) -> RoomPage {
    let mut by_name = NameWalk::new(filter, limit + 1);
    let mut by_rank = RankWalk::new(filter, limit + 1);
    let most = if filter.is_tested() { MAX_TESTED } else { MAX_LOOKED_AT };
    state.lock().apply();
    loop {
        if by_name.turn(state) {
            let (mut rooms, more) = by_name.into_rooms(state);
            let has_more = more || rooms.len() > limit;
            rooms.truncate(limit);
            return (rooms, has_more);
        }
        if by_rank.turn(state) {
            let has_more = by_rank.found.len() > limit;
            by_rank.found.truncate(limit);
            return (by_rank.found, has_more);
        }
        if by_name.looked_at + by_rank.looked_at >= most {
            break;
        }
    }
    // The rooms found by rank are the first ones. Those found by name come later.
    let mut rooms = by_rank.found;
    rooms.truncate(limit);
    let (others, _) = by_name.into_rooms(state);
    let others = others.into_iter().filter(|summary| !by_rank.names.contains(&summary.room));
    rooms.extend(others.take(limit - rooms.len()));
    (rooms, true)
}

/// Walk through the rooms in the order of the list.
struct RankWalk<'a> {
    filter: &'a RoomFilter,
    wanted: usize,
    after: Option<Rank>,
    found: Vec<RoomSummary>,
    /// Names of the found rooms. A room that moves meanwhile may be seen twice.
    names: HashSet<RoomName>,
    looked_at: usize,
}

impl<'a> RankWalk<'a> {
    fn new(filter: &'a RoomFilter, wanted: usize) -> Self {
        Self { filter, wanted, after: None, found: Vec::new(), names: HashSet::new(), looked_at: 0 }
    }

    /// Looks at the next rooms. Returns true at the end.
    fn turn(&mut self, state: &Mutex<ListState>) -> bool {
        let rooms = state.lock().ranking.ranked_after(self.after.as_ref(), TURN);
        self.looked_at += rooms.len();
        let is_last = rooms.len() < TURN;
        if let Some((rank, _)) = rooms.last() {
            self.after = Some(rank.clone());
        }
        self.take(rooms);
        is_last || self.found.len() >= self.wanted
    }

    fn take(&mut self, rooms: Vec<(Rank, Position)>) {
        for (rank, position) in rooms {
            if self.found.len() < self.wanted
                && self.filter.passes(&rank.room)
                && self.names.insert(rank.room.clone())
            {
                self.found.push(rank.into_summary(position));
            }
        }
    }
}

/// Walk through the names in the ranges of a filter.
struct NameWalk<'a> {
    filter: &'a RoomFilter,
    wanted: usize,
    /// Ranges that are not finished.
    ranges: std::slice::Iter<'a, NameRange>,
    range: Option<&'a NameRange>,
    /// The last name in the current range.
    after: Option<RoomName>,
    /// The first `wanted` of the found rooms.
    first: BTreeSet<Rank>,
    /// A found room is not among them.
    left_out: bool,
    looked_at: usize,
}

impl<'a> NameWalk<'a> {
    fn new(filter: &'a RoomFilter, wanted: usize) -> Self {
        let mut ranges = filter.ranges.iter();
        let range = ranges.next();
        Self {
            filter,
            wanted,
            ranges,
            range,
            after: None,
            first: BTreeSet::new(),
            left_out: false,
            looked_at: 0,
        }
    }

    /// Looks at the next names. Returns true at the end.
    fn turn(&mut self, state: &Mutex<ListState>) -> bool {
        let mut left = TURN;
        while let Some(range) = self.range
            && left > 0
        {
            let start = match &self.after {
                Some(after) => Bound::Excluded(after.as_str()),
                None => Bound::Included(range.start.as_str()),
            };
            let count = if range.kind == RangeKind::Exact { 1 } else { left };
            let named = state.lock().ranking.named_from(start, count);
            // A range costs at least one step.
            left = left.saturating_sub(named.len().max(1));
            self.looked_at += named.len();
            let in_range =
                named.iter().take_while(|rank| rank.room.as_str().starts_with(&range.start)).count();
            let is_last = in_range < count || range.kind == RangeKind::Exact;
            self.after = named.get(in_range.saturating_sub(1)).map(|rank| rank.room.clone());
            named.into_iter().take(in_range).for_each(|rank| self.take(rank));
            if is_last {
                (self.range, self.after) = (self.ranges.next(), None);
            }
        }
        self.range.is_none()
    }

    fn take(&mut self, rank: Rank) {
        if self.filter.passes(&rank.room) {
            self.first.insert(rank);
            if self.first.len() > self.wanted {
                self.first.pop_last();
                self.left_out = true;
            }
        }
    }

    /// The current states of the found rooms, and true if others were left out.
    fn into_rooms(self, state: &Mutex<ListState>) -> (Vec<RoomSummary>, bool) {
        let mut names = HashSet::new();
        let ranks: Vec<Rank> =
            self.first.into_iter().filter(|rank| names.insert(rank.room.clone())).collect();
        let mut rooms = Vec::with_capacity(ranks.len());
        for ranks in ranks.chunks(TURN) {
            let state = state.lock();
            rooms.extend(ranks.iter().filter_map(|rank| state.ranking.summary(&rank.room)));
        }
        (rooms, self.left_out)
    }
}
