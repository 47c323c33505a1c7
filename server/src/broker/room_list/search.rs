//! Search for the first rooms that pass a filter.
//!
//! In ranges without a test, the blocks of the index with the busiest rooms are looked at, so the cost is that of the
//! answer; see [`name_index`](super::name_index).
//!
//! For ranges with a test, two walks take turns. One goes through the rooms in the order of the list and ends when it has
//! found enough. The other goes through the names in the ranges and ends after the last one. So few rooms among many are
//! found, and many among many. Together they look at a limited number of names.
//!
//! The lock is released fairly: a search that takes it again at once would keep joins waiting.

use std::collections::{BinaryHeap, HashSet};
use std::ops::Bound;

use parking_lot::{Mutex, MutexGuard};
use realtime_shared::{RoomName, RoomSummary};

use super::list_state::ListState;
use super::name_index::{Activity, NameBounds};
use super::ranking::{Rank, RoomPage};
use crate::broker::RoomFilter;
use crate::broker::room_filter::{NameRange, RangeKind};

/// Rooms of one turn of a walk, for which the lock is held.
const TURN: usize = 128;
/// Most names that are looked at for a filter with a test. The answer is a part then.
pub(super) const MAX_TESTED: usize = 10_000;

/// The first `limit` rooms that pass the filter, and true if there are or may be more.
pub(super) fn search(state: &Mutex<ListState>, filter: &RoomFilter, limit: usize) -> RoomPage {
    state.lock().apply();
    let (mut ranks, is_part) = if filter.is_tested() {
        search_tested(state, filter, limit + 1)
    } else {
        (search_untested(state, filter, limit + 1).into_sorted(), false)
    };
    let has_more = is_part || ranks.len() > limit;
    ranks.truncate(limit);
    (summaries(&ranks, state), has_more)
}

/// The first rooms in the ranges without a test.
fn search_untested(state: &Mutex<ListState>, filter: &RoomFilter, wanted: usize) -> Firsts<Rank> {
    let mut parts = Firsts::new(wanted);
    for range in filter.ranges.iter().filter(|range| range.kind != RangeKind::Tested) {
        let of_range = with(state, |state| state.ranking.busiest_parts(Bounds::of(range).get(), wanted));
        for part in of_range {
            parts.take(part);
        }
    }
    let mut first = Firsts::new(wanted);
    for part in parts.into_sorted() {
        // The later parts have no room before this one either.
        if !first.has_place_for(part.busiest, &part.first) {
            break;
        }
        let bounds = (Bound::Included(part.first.as_str()), Bound::Included(part.last.as_str()));
        with(state, |state| {
            // A block may have been divided and have grown since then.
            state.ranking.visit_named(bounds, usize::MAX, |room, activity| {
                if first.has_place_for(activity, room) {
                    first.take(Rank { activity, room: room.clone() });
                }
            })
        });
    }
    first
}

/// The first rooms in the ranges of a filter with a test, and true if only a part of the names was looked at.
fn search_tested(state: &Mutex<ListState>, filter: &RoomFilter, wanted: usize) -> (Vec<Rank>, bool) {
    let mut first = search_untested(state, filter, wanted);
    let mut by_name = NameWalk::new(filter);
    let mut by_rank = RankWalk::new(filter, wanted);
    loop {
        if by_name.turn(state, &mut first) {
            return (first.into_sorted(), false);
        }
        if by_rank.turn(state) {
            return (by_rank.found, false);
        }
        if by_name.looked_at + by_rank.looked_at >= MAX_TESTED {
            // The rooms found by rank are the first ones.
            let RankWalk { found: mut ranks, names, .. } = by_rank;
            let others = first.into_sorted().into_iter();
            ranks.extend(others.filter(|rank| !names.contains(&rank.room)));
            return (ranks, true);
        }
    }
}

/// Runs `read` with the lock, and gives others a turn then.
fn with<T>(state: &Mutex<ListState>, read: impl FnOnce(&ListState) -> T) -> T {
    let state = state.lock();
    let result = read(&state);
    MutexGuard::unlock_fair(state);
    result
}

/// The current states of rooms.
fn summaries(ranks: &[Rank], state: &Mutex<ListState>) -> Vec<RoomSummary> {
    let mut rooms = Vec::with_capacity(ranks.len());
    for ranks in ranks.chunks(TURN) {
        with(state, |state| rooms.extend(ranks.iter().filter_map(|rank| state.ranking.summary(rank))));
    }
    rooms
}

/// Walk through the rooms in the order of the list.
struct RankWalk<'a> {
    filter: &'a RoomFilter,
    wanted: usize,
    after: Option<Rank>,
    found: Vec<Rank>,
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
        let mut ranks = Vec::with_capacity(TURN);
        let last = with(state, |state| {
            state.ranking.visit_ranked(self.after.as_ref(), TURN, |rank| ranks.push(rank.clone()))
        });
        self.looked_at += ranks.len();
        // A test may take long, so it is done without the lock.
        for rank in ranks {
            if self.found.len() < self.wanted
                && self.filter.passes(&rank.room)
                && self.names.insert(rank.room.clone())
            {
                self.found.push(rank);
            }
        }
        let is_last = last.is_none();
        self.after = last;
        is_last || self.found.len() >= self.wanted
    }
}

/// Walk through the names in the ranges with a test.
struct NameWalk<'a> {
    filter: &'a RoomFilter,
    /// Ranges that are not finished.
    ranges: Vec<&'a NameRange>,
    /// The last name in the current range, which is the last of them.
    after: Option<RoomName>,
    looked_at: usize,
}

impl<'a> NameWalk<'a> {
    fn new(filter: &'a RoomFilter) -> Self {
        let ranges = filter.ranges.iter().rev().filter(|range| range.kind == RangeKind::Tested).collect();
        Self { filter, ranges, after: None, looked_at: 0 }
    }

    /// Looks at the next names. Returns true at the end.
    fn turn(&mut self, state: &Mutex<ListState>, first: &mut Firsts<Rank>) -> bool {
        let Some(range) = self.ranges.last() else { return true };
        let bounds = Bounds::of(range);
        let (start, end) = bounds.get();
        let start = self.after.as_ref().map_or(start, |after| Bound::Excluded(after.as_str()));
        let mut ranks = Vec::with_capacity(TURN);
        let last = with(state, |state| {
            state.ranking.visit_named((start, end), TURN, |room, activity| {
                ranks.push(Rank { activity, room: room.clone() });
            })
        });
        // A range costs at least one step.
        self.looked_at += ranks.len().max(1);
        // A test may take long, so it is done without the lock.
        for rank in ranks {
            if self.filter.passes_test_only(&rank.room) {
                first.take(rank);
            }
        }
        if last.is_none() {
            self.ranges.pop();
        }
        self.after = last;
        self.ranges.is_empty()
    }
}

/// Bounds of the names in a range.
struct Bounds<'a> {
    range: &'a NameRange,
    end_of_prefix: Option<String>,
}

impl<'a> Bounds<'a> {
    fn of(range: &'a NameRange) -> Self {
        let end_of_prefix = if range.kind == RangeKind::Exact { None } else { end_of_prefix(&range.start) };
        Self { range, end_of_prefix }
    }

    fn get(&self) -> NameBounds<'_> {
        let start = self.range.start.as_str();
        let end = match (self.range.kind, &self.end_of_prefix) {
            (RangeKind::Exact, _) => Bound::Included(start),
            (RangeKind::Prefix | RangeKind::Tested, Some(end)) => Bound::Excluded(end.as_str()),
            (RangeKind::Prefix | RangeKind::Tested, None) => Bound::Unbounded,
        };
        (Bound::Included(start), end)
    }
}

/// The end of the names that begin with `prefix`; `None` if it is the end of all names.
fn end_of_prefix(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

/// The first `wanted` of many items.
struct Firsts<T> {
    wanted: usize,
    /// The last of them on top.
    items: BinaryHeap<T>,
}

impl<T: Ord> Firsts<T> {
    fn new(wanted: usize) -> Self {
        Self { wanted, items: BinaryHeap::new() }
    }

    fn take(&mut self, item: T) {
        self.items.push(item);
        if self.items.len() > self.wanted {
            self.items.pop();
        }
    }

    fn into_sorted(self) -> Vec<T> {
        self.items.into_sorted_vec()
    }
}

impl Firsts<Rank> {
    /// True if a room of this activity and name is among the first ones so far.
    fn has_place_for(&self, activity: Activity, room: &RoomName) -> bool {
        let last = self.items.peek().filter(|_| self.items.len() >= self.wanted);
        last.is_none_or(|last| (activity, room) < (last.activity, &last.room))
    }
}
