//! The rooms that a list may contain, as ranges of names.
//!
//! A range is one name, or all names that begin with a text, perhaps with a test that they have to pass. So a list finds
//! few rooms among many without looking at the others.

use realtime_shared::RoomName;

/// True for a name that passes.
type NameTest = Box<dyn Fn(&RoomName) -> bool + Send + Sync>;

/// The rooms that a list may contain.
pub(crate) struct RoomFilter {
    pub(super) ranges: Vec<NameRange>,
    test: NameTest,
    /// Direct rooms of the requester, sorted.
    direct: Vec<RoomName>,
}

/// A range of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NameRange {
    /// The beginning of all names of the range.
    pub(crate) start: String,
    pub(crate) kind: RangeKind,
}

/// The names of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RangeKind {
    /// The start only.
    Exact,
    /// All names with the start.
    Prefix,
    /// Names with the start that pass the test of the filter.
    Tested,
}

impl NameRange {
    /// The part of the range that begins with `prefix`.
    fn within(mut self, prefix: &str) -> Option<Self> {
        if self.start.starts_with(prefix) {
            return Some(self);
        }
        (self.kind != RangeKind::Exact && prefix.starts_with(&self.start)).then(|| {
            prefix.clone_into(&mut self.start);
            self
        })
    }

    /// True if `other` contains the range.
    fn is_in(&self, other: &Self) -> bool {
        match other.kind {
            RangeKind::Exact => self == other,
            RangeKind::Prefix => self.start.starts_with(&other.start),
            RangeKind::Tested => self.kind == RangeKind::Tested && self.start.starts_with(&other.start),
        }
    }
}

impl RoomFilter {
    /// All rooms whose names begin with `prefix`.
    pub(crate) fn with_prefix(prefix: String) -> Self {
        let ranges = vec![NameRange { start: prefix, kind: RangeKind::Prefix }];
        Self { ranges, test: Box::new(|_| true), direct: Vec::new() }
    }

    /// Rooms of any of these ranges whose names begin with `prefix`. `test` is for ranges of the kind
    /// [`RangeKind::Tested`].
    pub(crate) fn of_ranges(
        ranges: impl Iterator<Item = NameRange>,
        prefix: &str,
        test: impl Fn(&RoomName) -> bool + Send + Sync + 'static,
    ) -> Self {
        let mut within: Vec<_> = ranges.filter_map(|range| range.within(prefix)).collect();
        // A range comes after those that may contain it.
        within.sort_by_key(|range| {
            (range.kind == RangeKind::Tested, range.start.len(), range.kind == RangeKind::Exact)
        });
        let mut ranges: Vec<NameRange> = Vec::with_capacity(within.len());
        for range in within {
            if !ranges.iter().any(|other| range.is_in(other)) {
                ranges.push(range);
            }
        }
        // Tested ranges may not be looked at to their end.
        ranges.sort_by_key(|range| range.kind);
        Self { ranges, test: Box::new(test), direct: Vec::new() }
    }

    /// The same with direct rooms of the requester, as far as they are in the ranges.
    pub(crate) fn with_direct(mut self, rooms: impl IntoIterator<Item = RoomName>) -> Self {
        self.direct = rooms
            .into_iter()
            .filter(|room| self.ranges.iter().any(|range| self.is_in_range(room, range)))
            .collect();
        self.direct.sort_unstable();
        self
    }

    /// The direct rooms that pass.
    pub(crate) fn direct(&self) -> &[RoomName] {
        &self.direct
    }

    /// True if the room passes. Of the reserved names only direct rooms of the requester do.
    pub(crate) fn passes(&self, room: &RoomName) -> bool {
        if room.is_reserved() {
            return self.direct.binary_search(room).is_ok();
        }
        self.ranges.iter().any(|range| self.is_in_range(room, range))
    }

    /// True if the room, which begins like a tested range, passes the test and is in no other range.
    pub(super) fn passes_test_only(&self, room: &RoomName) -> bool {
        let mut others = self.ranges.iter().filter(|range| range.kind != RangeKind::Tested);
        !others.any(|range| self.is_in_range(room, range)) && (self.test)(room)
    }

    /// True if all rooms pass, except for reserved names.
    pub(super) fn is_everything(&self) -> bool {
        self.ranges.iter().any(|range| range.kind == RangeKind::Prefix && range.start.is_empty())
    }

    /// True if names have to be tested.
    pub(super) fn is_tested(&self) -> bool {
        self.ranges.iter().any(|range| range.kind == RangeKind::Tested)
    }

    fn is_in_range(&self, room: &RoomName, range: &NameRange) -> bool {
        match range.kind {
            RangeKind::Exact => room.as_str() == range.start,
            RangeKind::Prefix => room.as_str().starts_with(&range.start),
            RangeKind::Tested => room.as_str().starts_with(&range.start) && (self.test)(room),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::contract::room;

    fn range(start: &str, kind: RangeKind) -> NameRange {
        NameRange { start: start.to_owned(), kind }
    }

    fn ranges_within(prefix: &str, ranges: &[(&str, RangeKind)]) -> Vec<NameRange> {
        let ranges = ranges.iter().map(|(start, kind)| range(start, *kind));
        RoomFilter::of_ranges(ranges, prefix, |_| true).ranges
    }

    #[test]
    fn ranges_outside_the_prefix_are_left_out_and_wider_ones_are_narrowed() {
        use RangeKind::{Exact, Prefix, Tested};
        let ranges = [("lobby", Exact), ("chat-", Prefix), ("news", Exact), ("ch", Tested)];
        assert_eq!(ranges_within("lo", &ranges), [range("lobby", Exact)]);
        assert_eq!(ranges_within("lobby2", &ranges), []);
        assert_eq!(ranges_within("chat-a", &ranges), [range("chat-a", Prefix)]);
        assert_eq!(ranges_within("chess", &ranges), [range("chess", Tested)]);
    }

    #[test]
    fn a_range_in_another_one_is_left_out() {
        use RangeKind::{Exact, Prefix, Tested};
        let ranges =
            [("a", Prefix), ("ab", Prefix), ("abc", Exact), ("a", Tested), ("abc", Tested), ("a", Prefix)];
        assert_eq!(ranges_within("", &ranges), [range("a", Prefix)]);
        let ranges = [("", Tested), ("x", Tested), ("y", Prefix), ("x", Exact)];
        assert_eq!(ranges_within("", &ranges), [range("x", Exact), range("y", Prefix), range("", Tested)]);
    }

    #[test]
    fn a_room_passes_if_it_is_in_a_range_and_not_reserved() {
        use RangeKind::{Exact, Prefix, Tested};
        let ranges =
            [range("lobby", Exact), range("chat-", Prefix), range("t", Tested), range("dm:", Prefix)];
        let filter = RoomFilter::of_ranges(ranges.into_iter(), "", |room| room.as_str().ends_with("-one"));
        for (name, passes) in [
            ("lobby", true),
            ("lobby2", false),
            ("chat-", true),
            ("chat-b", true),
            ("chat", false),
            ("team-one", true),
            ("team-two", false),
            ("a-one", false),
            ("dm:bob", false),
            ("dm:abcdefghijklmnopqrstuvwxyz", false),
            ("sys:chat-one", false),
        ] {
            assert_eq!(filter.passes(&room(name)), passes, "{name}");
        }
        let direct = room("dm:abcdefghijklmnopqrstuvwxyz");
        let filter = filter.with_direct([direct.clone()]);
        assert!(filter.passes(&direct) && !filter.passes(&room("dm:zzzzzzzzzzzzzzzzzzzzzzzzzz")));
        let others = RoomFilter::with_prefix("chat-".to_owned()).with_direct([direct.clone()]);
        assert!(!others.passes(&direct), "out of the range");
    }
}
