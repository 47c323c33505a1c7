//! Rooms in the order of their names, in blocks whose busiest room is known.
//!
//! So the busiest rooms of a range of names are found without looking at the others: of each block only its busiest room is
//! compared, and only the blocks with the busiest of these are looked at.

use std::cmp::Reverse;
use std::ops::Bound;

use realtime_shared::{RoomName, Timestamp};

/// Activity of a room. Busier rooms are less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Activity {
    member_count: Reverse<u64>,
    last_ts: Reverse<Option<Timestamp>>,
}

impl Activity {
    pub(super) fn new(member_count: u64, last_ts: Option<Timestamp>) -> Self {
        Self { member_count: Reverse(member_count), last_ts: Reverse(last_ts) }
    }

    pub(super) fn member_count(self) -> u64 {
        self.member_count.0
    }

    pub(super) fn last_ts(self) -> Option<Timestamp> {
        self.last_ts.0
    }
}

/// Bounds of names.
pub(super) type NameBounds<'a> = (Bound<&'a str>, Bound<&'a str>);

/// Rooms and their activity, by name. A block has at most `BLOCK` of them.
#[derive(Default)]
pub(super) struct NameIndex<const BLOCK: usize = 256> {
    blocks: Vec<Block>,
}

struct Block {
    /// Never empty.
    rooms: Vec<(RoomName, Activity)>,
    /// Activity of the busiest room.
    busiest: Activity,
}

/// Place of a name in the index, until the index is changed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    block: usize,
    /// `Err`: the name is not in the index, and would be here.
    slot: Result<usize, usize>,
}

/// Part of a range of names, in one block.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RangePart {
    /// Activity of its busiest room.
    pub(super) busiest: Activity,
    pub(super) first: RoomName,
    pub(super) last: RoomName,
}

impl Block {
    fn new(rooms: Vec<(RoomName, Activity)>) -> Self {
        let busiest = busiest(&rooms);
        Self { rooms, busiest }
    }

    /// Takes over the change of one room.
    fn changed(&mut self, old: Option<Activity>, new: Option<Activity>) {
        match new {
            Some(new) if new <= self.busiest => self.busiest = new,
            _ if old == Some(self.busiest) => self.busiest = busiest(&self.rooms),
            _ => {}
        }
    }

    fn last(&self) -> &RoomName {
        &self.rooms[self.rooms.len() - 1].0
    }
}

fn busiest(rooms: &[(RoomName, Activity)]) -> Activity {
    // Of no rooms: the least busy value, for a block that is about to be removed.
    rooms.iter().map(|(_, activity)| *activity).min().unwrap_or(Activity::new(0, None))
}

impl<const BLOCK: usize> NameIndex<BLOCK> {
    pub(super) fn find(&self, room: &RoomName) -> Place {
        // A name beyond all others belongs to the last block.
        let last = self.blocks.len().saturating_sub(1);
        let block = self.blocks.partition_point(|block| block.last() < room).min(last);
        let rooms = self.blocks.get(block).map_or(&[][..], |block| &block.rooms);
        Place { block, slot: rooms.binary_search_by(|(name, _)| name.cmp(room)) }
    }

    /// Activity of the room at a place.
    pub(super) fn at(&self, place: Place) -> Option<Activity> {
        Some(self.blocks.get(place.block)?.rooms[place.slot.ok()?].1)
    }

    /// Adds or changes the room at a place.
    pub(super) fn set(&mut self, place: Place, room: RoomName, activity: Activity) {
        let Place { mut block, slot } = place;
        let mut slot = match slot {
            Ok(slot) => {
                let block = &mut self.blocks[block];
                let old = std::mem::replace(&mut block.rooms[slot].1, activity);
                return block.changed(Some(old), Some(activity));
            }
            Err(slot) => slot,
        };
        if self.blocks.is_empty() {
            return self.blocks.push(Block::new(vec![(room, activity)]));
        }
        if self.blocks[block].rooms.len() == BLOCK {
            let upper = self.blocks[block].rooms.split_off(BLOCK / 2);
            self.blocks[block].busiest = busiest(&self.blocks[block].rooms);
            self.blocks.insert(block + 1, Block::new(upper));
            if slot > BLOCK / 2 {
                (block, slot) = (block + 1, slot - BLOCK / 2);
            }
        }
        self.blocks[block].rooms.insert(slot, (room, activity));
        self.blocks[block].changed(None, Some(activity));
    }

    /// Removes the room at a place.
    pub(super) fn remove(&mut self, place: Place) {
        let Place { block: index, slot: Ok(slot) } = place else { return };
        let block = &mut self.blocks[index];
        let (_, old) = block.rooms.remove(slot);
        if block.rooms.is_empty() {
            self.blocks.remove(index);
            return;
        }
        block.changed(Some(old), None);
        if block.rooms.len() <= BLOCK / 8 {
            self.merge(index);
            if let Some(before) = index.checked_sub(1) {
                self.merge(before);
            }
        }
    }

    /// Merges a block with the next one, if both are small.
    fn merge(&mut self, index: usize) {
        let [block, next, ..] = &mut self.blocks[index..] else { return };
        if block.rooms.len() + next.rooms.len() <= BLOCK / 2 {
            block.rooms.append(&mut next.rooms);
            block.busiest = block.busiest.min(next.busiest);
            self.blocks.remove(index + 1);
        }
    }

    /// Calls `visit` for at most `count` rooms within these bounds, in the order of their names. Returns the last of
    /// them, if there are more.
    pub(super) fn visit(
        &self,
        bounds: NameBounds<'_>,
        count: usize,
        mut visit: impl FnMut(&RoomName, Activity),
    ) -> Option<RoomName> {
        let mut rooms = self.parts(bounds).flat_map(|(_, rooms, _)| rooms);
        let visited = rooms.by_ref().take(count).inspect(|(room, activity)| visit(room, *activity));
        let (last, _) = visited.last()?;
        rooms.next().map(|_| last.clone())
    }

    /// The parts of a range that have its `count` busiest rooms.
    pub(super) fn busiest_parts(&self, bounds: NameBounds<'_>, count: usize) -> Vec<RangePart> {
        let mut parts: Vec<_> = self
            .parts(bounds)
            .map(|(index, rooms, is_whole)| {
                let busiest = if is_whole { self.blocks[index].busiest } else { busiest(rooms) };
                (busiest, index, rooms)
            })
            .collect();
        // Each of the first parts has a room that is busier than all of a later part, or has an earlier name.
        if parts.len() > count && count > 0 {
            parts.select_nth_unstable_by_key(count - 1, |(busiest, index, _)| (*busiest, *index));
            parts.truncate(count);
        }
        let part = |(busiest, _, rooms): (_, _, &[(RoomName, _)])| {
            let (first, last) = (rooms.first()?.0.clone(), rooms.last()?.0.clone());
            Some(RangePart { busiest, first, last })
        };
        parts.into_iter().filter_map(part).collect()
    }

    /// The rooms within these bounds, as parts of blocks: the index of the block, its rooms, and true if these are all.
    fn parts(
        &self,
        (start, end): NameBounds<'_>,
    ) -> impl Iterator<Item = (usize, &[(RoomName, Activity)], bool)> {
        let is_before_start = move |name: &RoomName| match start {
            Bound::Included(start) => name.as_str() < start,
            Bound::Excluded(start) => name.as_str() <= start,
            Bound::Unbounded => false,
        };
        let is_before_end = move |name: &RoomName| match end {
            Bound::Included(end) => name.as_str() <= end,
            Bound::Excluded(end) => name.as_str() < end,
            Bound::Unbounded => true,
        };
        let first = self.blocks.partition_point(|block| is_before_start(block.last()));
        // The last block of the range: the first one that does not end within it, or the last of all.
        let end =
            (self.blocks.partition_point(|block| is_before_end(block.last())) + 1).min(self.blocks.len());
        let blocks = first..end.max(first);
        let inner = blocks.start + 1..blocks.end.saturating_sub(1);
        blocks.filter_map(move |index| {
            let rooms = &self.blocks[index].rooms[..];
            if inner.contains(&index) {
                return Some((index, rooms, true));
            }
            let from = rooms.partition_point(|(name, _)| is_before_start(name));
            let to = rooms.partition_point(|(name, _)| is_before_end(name));
            (from < to).then(|| (index, &rooms[from..to], to - from == rooms.len()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::broker::contract::room;

    fn activity(number: u64) -> Activity {
        Activity::new(number, None)
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(u16, u64),
        Remove(u16),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            3 => (0_u16..200, 0_u64..50).prop_map(|(name, number)| Step::Set(name, number)),
            2 => (0_u16..200).prop_map(Step::Remove),
        ];
        prop::collection::vec(step, 0..600)
    }

    fn name(number: u16) -> RoomName {
        room(&format!("{number:03}"))
    }

    proptest! {
        #[test]
        fn ranges_and_their_busiest_rooms_are_those_of_a_sorted_map(
            steps in steps(),
            (start, end) in (0_u16..200, 0_u16..200),
            count in 1_usize..20,
        ) {
            let mut index = NameIndex::<4>::default();
            let mut model = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Set(number, value) => {
                        let place = index.find(&name(number));
                        prop_assert_eq!(index.at(place), model.get(&name(number)).copied());
                        index.set(place, name(number), activity(value));
                        model.insert(name(number), activity(value));
                    }
                    Step::Remove(number) => {
                        index.remove(index.find(&name(number)));
                        model.remove(&name(number));
                    }
                }
                for block in &index.blocks {
                    prop_assert!((1..=4).contains(&block.rooms.len()));
                    prop_assert_eq!(block.busiest, busiest(&block.rooms));
                }
            }
            let (start, end) = (name(start.min(end)), name(start.max(end)));
            for bounds in [
                (Bound::Included(start.as_str()), Bound::Excluded(end.as_str())),
                (Bound::Excluded(start.as_str()), Bound::Unbounded),
                (Bound::Included(start.as_str()), Bound::Included(end.as_str())),
                (Bound::Unbounded, Bound::Unbounded),
            ] {
                if bounds.0 == Bound::Included(end.as_str()) && bounds.1 == Bound::Excluded(end.as_str()) {
                    continue;
                }
                let expected: Vec<_> = model.range::<str, _>(bounds).map(|(name, activity)| (*activity, name.clone())).collect();
                let mut visited = Vec::new();
                let last = index.visit(bounds, count, |name, activity| visited.push((activity, name.clone())));
                prop_assert_eq!(&visited[..], &expected[..count.min(expected.len())]);
                prop_assert_eq!(last, (expected.len() > count).then(|| expected[count - 1].1.clone()));

                let mut found = Vec::new();
                for part in index.busiest_parts(bounds, count) {
                    let before = found.len();
                    let bounds = (Bound::Included(part.first.as_str()), Bound::Included(part.last.as_str()));
                    index.visit(bounds, usize::MAX, |name, activity| found.push((activity, name.clone())));
                    prop_assert_eq!(found[before..].iter().map(|(activity, _)| *activity).min(), Some(part.busiest));
                }
                prop_assert!(found.len() <= 4 * count);
                let mut expected = expected;
                for rooms in [&mut found, &mut expected] {
                    rooms.sort();
                    rooms.truncate(count);
                }
                prop_assert_eq!(found, expected);
            }
        }
    }
}
