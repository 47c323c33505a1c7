//! Dedup index of a room: digests of its newest entries.
//!
//! It holds a digest for each entry, in order of seq, and a table from digest to seq: about 35 bytes per entry. The id
//! and the time of an entry, which decides whether it is within the dedup window, are read from the file.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use realtime_shared::Seq;

use crate::broker::DEDUP_ENTRIES;

/// Stands for an entry without a digest.
const NONE: u128 = 0;

/// Digests of a room's newest entries.
pub(super) struct DedupIndex {
    /// One for each entry, newest last.
    digests: VecDeque<u128>,
    /// Seq of the next entry.
    next: u64,
    /// Low bits of the seqs of entries with a digest.
    table: HashTable<u32>,
    /// Randomly keyed, so that no client can choose ids that collide in the table.
    hasher: RandomState,
}

impl DedupIndex {
    /// Empty index of a log with this head.
    pub(super) fn new(head: Seq) -> Self {
        Self {
            digests: VecDeque::new(),
            next: head.next().get(),
            table: HashTable::new(),
            hasher: RandomState::new(),
        }
    }

    /// Seq of the newest entry with this digest.
    pub(super) fn find(&self, digest: u128) -> Option<Seq> {
        let entry =
            self.table.find(self.hasher.hash_one(digest), |low| self.digest_of(*low) == Some(digest))?;
        Some(Seq::new(self.oldest() + u64::from(self.offset(*entry))))
    }

    /// Adds the next entry of the log. An older entry with the same digest loses it.
    pub(super) fn push(&mut self, digest: Option<u128>) {
        if self.digests.len() as u64 >= DEDUP_ENTRIES {
            self.forget(self.oldest());
            self.digests.pop_front();
        }
        self.digests.push_back(digest.unwrap_or(NONE));
        self.next += 1;
        let Some(digest) = digest else { return };
        if let Some(before) = self.find(digest) {
            self.forget(before.get());
        }
        let low = low_bits(self.next - 1);
        let oldest = low_bits(self.oldest());
        let Self { table, digests, hasher, .. } = self;
        table.insert_unique(hasher.hash_one(digest), low, |other| {
            hasher.hash_one(digests[other.wrapping_sub(oldest) as usize])
        });
    }

    /// Estimated size in memory.
    pub(super) fn bytes(&self) -> usize {
        self.digests.capacity() * size_of::<u128>() + self.table.capacity() * (size_of::<u32>() + 1)
    }

    fn forget(&mut self, seq: u64) {
        let low = low_bits(seq);
        let Some(digest) = self.digest_of(low).filter(|digest| *digest != NONE) else { return };
        if let Ok(entry) = self.table.find_entry(self.hasher.hash_one(digest), |other| *other == low) {
            entry.remove();
        }
        let offset = self.offset(low) as usize;
        self.digests[offset] = NONE;
    }

    /// Seq of the oldest entry in the index.
    fn oldest(&self) -> u64 {
        self.next - self.digests.len() as u64
    }

    fn offset(&self, low: u32) -> u32 {
        low.wrapping_sub(low_bits(self.oldest()))
    }

    fn digest_of(&self, low: u32) -> Option<u128> {
        self.digests.get(self.offset(low) as usize).copied()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "32 bits identify a seq within a window of 10,000")]
fn low_bits(seq: u64) -> u32 {
    seq as u32
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_index_covers_the_newest_10_000_entries() {
        // The second head lets the low bits overflow.
        for head in [0, u64::from(u32::MAX) - 100] {
            let mut known = DedupIndex::new(Seq::new(head));
            for nth in 1..=DEDUP_ENTRIES + 5 {
                known.push((nth % 3 > 0).then_some(u128::from(nth)));
            }
            let found = |nth: u64| known.find(u128::from(nth)).map(|seq| seq.get() - head);
            assert_eq!((found(4), found(5), found(6)), (None, None, None));
            assert_eq!((found(7), found(DEDUP_ENTRIES + 4)), (Some(7), Some(DEDUP_ENTRIES + 4)));
            assert_eq!(known.digests.len() as u64, DEDUP_ENTRIES);
            assert_eq!(known.table.len(), known.digests.iter().filter(|digest| **digest != NONE).count());
        }
    }

    proptest! {
        #[test]
        fn find_agrees_with_a_map(digests in prop::collection::vec(prop::option::of(1_u128..20), 0..200)) {
            let mut known = DedupIndex::new(Seq::new(41));
            let mut model = HashMap::new();
            for (seq, digest) in (42..).zip(digests) {
                known.push(digest);
                model.extend(digest.map(|digest| (digest, Seq::new(seq))));
            }
            for digest in 1..20 {
                prop_assert_eq!(known.find(digest), model.get(&digest).copied());
            }
        }
    }
}
