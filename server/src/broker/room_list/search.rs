//! Search for the first rooms that pass a filter.
//!
//! Two walks take turns. One goes through the rooms in the order of the list and ends when it has found enough. The other
//! goes through the names in the filter's ranges and ends after the last one. So few rooms among many are found, and many
//! among many. With `n` rooms and `k` requested ones in no special order, the shorter walk looks at most at the square
//! root of `n * k` names.
//!
//! The second walk has longer turns in a range without a test: it does not read the bytes of names there.

use std::collections::HashSet;
use std::ops::Bound;

use parking_lot::Mutex;
use realtime_shared::{RoomName, RoomSummary};

use super::list_state::ListState;
use super::ranking::{Activity, Rank, RoomPage};
use crate::broker::RoomFilter;
use crate::broker::room_filter::{NameRange, RangeKind};

/// Rooms of one turn of a walk, for which the lock is held.
const TURN: usize = 128;
/// Names of a turn in a range without a test.
const UNTESTED_TURN: usize = 4_096;
/// Most names that are looked at for a filter with a test. The answer is a part then.
pub(super) const MAX_TESTED: usize = 10_000;
/// Most names that are looked at for a filter without one.
const MAX_LOOKED_AT: usize = 1_000_000;

/// The first `limit` rooms that pass the filter, and true if there are or may be more.
pub(super) fn search(state: &Mutex<ListState>, filter: &RoomFilter, limit: usize) -> RoomPage {
    let mut by_name = NameWalk::new(filter, limit + 1);
    let mut by_rank = RankWalk::new(filter, limit + 1);
    let most = if filter.is_tested() { MAX_TESTED } else { MAX_LOOKED_AT };
    state.lock().apply();
    let mut is_part = false;
    let mut ranks = loop {
        if by_name.turn(state) {
            break by_name.into_ranks();
        }
        if by_rank.turn(state) {
            break by_rank.found;
        }
        if by_name.looked_at + by_rank.looked_at >= most {
            is_part = true;
            // The rooms found by rank are the first ones. Those found by name come later: there are none in a first pass.
            let mut ranks = by_rank.found;
            let others = by_name.into_ranks().into_iter();
            ranks.extend(others.filter(|rank| !by_rank.names.contains(&rank.room)));
            break ranks;
        }
    };
    let has_more = is_part || ranks.len() > limit;
    ranks.truncate(limit);
    (summaries(&ranks, state), has_more)
}

/// The current states of rooms.
fn summaries(ranks: &[Rank], state: &Mutex<ListState>) -> Vec<RoomSummary> {
    let mut rooms = Vec::with_capacity(ranks.len());
    for ranks in ranks.chunks(TURN) {
        let state = state.lock();
        rooms.extend(ranks.iter().filter_map(|rank| state.ranking.summary(&rank.room)));
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
        // A test may take long, so it is done without the lock.
        let is_tested = self.filter.is_tested();
        let mut ranks = Vec::new();
        let looked_at = &mut self.looked_at;
        let last = state.lock().ranking.visit_ranked(self.after.as_ref(), TURN, |rank| {
            *looked_at += 1;
            if is_tested || self.filter.passes(&rank.room) {
                ranks.push(rank.clone());
            }
        });
        for rank in ranks {
            if self.found.len() < self.wanted
                && (!is_tested || self.filter.passes(&rank.room))
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

/// Walk through the names in the ranges of a filter. It goes through those without a test twice: for the activity that the
/// last of the first rooms has, and then for the rooms. So it copies few names in any order of the rooms.
struct NameWalk<'a> {
    filter: &'a RoomFilter,
    /// Activities of the first pass; `None` in the second one.
    activities: Option<Firsts<Activity>>,
    /// Rooms that are less active than this are not among the first ones.
    threshold: Option<Activity>,
    first: Firsts<Rank>,
    /// Ranges that are not finished in this pass.
    ranges: std::slice::Iter<'a, NameRange>,
    range: Option<&'a NameRange>,
    /// The last name in the current range.
    after: Option<RoomName>,
    /// Found rooms of the current range that have the activity of the threshold. Those after them come later in the list.
    ties: usize,
    looked_at: usize,
}

impl<'a> NameWalk<'a> {
    fn new(filter: &'a RoomFilter, wanted: usize) -> Self {
        let mut ranges = filter.ranges.iter();
        let range = ranges.next();
        Self {
            filter,
            activities: Some(Firsts::new(wanted)),
            threshold: None,
            first: Firsts::new(wanted),
            ranges,
            range,
            after: None,
            ties: 0,
            looked_at: 0,
        }
    }

    /// Looks at the next names. Returns true at the end.
    fn turn(&mut self, state: &Mutex<ListState>) -> bool {
        let mut left = UNTESTED_TURN;
        while let Some(range) = self.range
            && left > 0
        {
            let is_tested = range.kind == RangeKind::Tested;
            if is_tested && self.activities.is_some() {
                self.next_range();
                continue;
            }
            let count = if is_tested { TURN } else { left };
            let visited = self.visit(range, count, state);
            // A range costs at least one step, and a test many.
            left = if is_tested { 0 } else { left.saturating_sub(visited.max(1)) };
        }
        if self.range.is_none()
            && let Some(activities) = self.activities.take()
        {
            self.threshold = activities.into_last();
            self.ranges = self.filter.ranges.iter();
            self.range = self.ranges.next();
        }
        self.range.is_none()
    }

    fn next_range(&mut self) {
        (self.range, self.after, self.ties) = (self.ranges.next(), None, 0);
    }

    /// Looks at `count` names of a range at most. Returns their number.
    fn visit(&mut self, range: &NameRange, count: usize, state: &Mutex<ListState>) -> usize {
        let start = match &self.after {
            Some(after) => Bound::Excluded(after.as_str()),
            None => Bound::Included(range.start.as_str()),
        };
        let end_of_prefix = end_of_prefix(&range.start);
        let end = match (range.kind, &end_of_prefix) {
            (RangeKind::Exact, _) => Bound::Included(range.start.as_str()),
            (RangeKind::Prefix | RangeKind::Tested, Some(end)) => Bound::Excluded(end.as_str()),
            (RangeKind::Prefix | RangeKind::Tested, None) => Bound::Unbounded,
        };
        let is_tested = range.kind == RangeKind::Tested;
        let (mut visited, mut ranks) = (0, Vec::new());
        let (activities, ties) = (&mut self.activities, &mut self.ties);
        let (threshold, most_ties) = (self.threshold, self.first.wanted);
        let last = state.lock().ranking.visit_named((start, end), count, |room, activity| {
            visited += 1;
            match (&mut *activities, threshold) {
                (Some(activities), _) => return activities.take(activity),
                (None, Some(threshold)) if activity > threshold => return,
                (None, Some(threshold)) if activity == threshold && !is_tested => {
                    if *ties == most_ties {
                        return;
                    }
                    *ties += 1;
                }
                (None, _) => {}
            }
            ranks.push(Rank { activity, room: room.clone() });
        });
        if self.activities.is_some() || is_tested {
            self.looked_at += visited;
        }
        // A test may take long, so it is done without the lock.
        for rank in ranks {
            if !is_tested || self.filter.passes_test_only(&rank.room) {
                self.first.take(rank);
            }
        }
        match last {
            None => self.next_range(),
            last => self.after = last,
        }
        visited
    }

    fn into_ranks(self) -> Vec<Rank> {
        self.first.into_sorted()
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

/// The first of many items.
struct Firsts<T> {
    wanted: usize,
    /// The first items, and others until they are dropped.
    items: Vec<T>,
}

impl<T: Ord> Firsts<T> {
    fn new(wanted: usize) -> Self {
        Self { wanted, items: Vec::new() }
    }

    fn take(&mut self, item: T) {
        self.items.push(item);
        if self.items.len() >= 2 * self.wanted {
            self.drop_others();
        }
    }

    fn drop_others(&mut self) {
        if self.items.len() > self.wanted && self.wanted > 0 {
            self.items.select_nth_unstable(self.wanted - 1);
            self.items.truncate(self.wanted);
        }
    }

    /// The last of the first `wanted` items, if there are as many.
    fn into_last(mut self) -> Option<T> {
        self.drop_others();
        if self.items.len() < self.wanted { None } else { self.items.into_iter().max() }
    }

    fn into_sorted(mut self) -> Vec<T> {
        self.drop_others();
        self.items.sort_unstable();
        self.items
    }
}
