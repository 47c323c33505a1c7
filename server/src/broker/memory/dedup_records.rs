//! Dedup records of a log, oldest first.
//!
//! Most logs are small and have few records. A search through them needs no index, which would take more memory than the
//! records.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use realtime_shared::{EntryId, Seq, Timestamp};

use super::boot_time::BootTime;
use crate::broker::DedupKey;
use crate::small_queue;

/// Most records that are searched without an index.
const UNINDEXED: usize = 16;

/// Dedup record of a message.
pub(super) struct DedupRecord {
    pub(super) key: DedupKey,
    pub(super) seq: Seq,
    pub(super) id: EntryId,
    pub(super) ts: Timestamp,
    pub(super) at: BootTime,
}

/// Dedup records. A key may have an old record and a new one.
#[derive(Default)]
pub(super) struct DedupRecords {
    records: VecDeque<DedupRecord>,
    index: Option<Box<Index>>,
}

/// Numbers of records by their keys.
#[derive(Default)]
struct Index {
    hasher: RandomState,
    /// For each key, the number of its newest record.
    numbers: HashTable<u64>,
    /// Number of the oldest record.
    first: u64,
}

impl DedupRecords {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    pub(super) fn oldest(&self) -> Option<&DedupRecord> {
        self.records.front()
    }

    /// The newest record of a key.
    pub(super) fn newest(&self, key: &DedupKey) -> Option<&DedupRecord> {
        match &self.index {
            Some(index) => index.position(key, &self.records).map(|position| &self.records[position]),
            None => self.records.iter().rev().find(|record| record.key == *key),
        }
    }

    /// Adds the newest record.
    pub(super) fn push(&mut self, record: DedupRecord) {
        small_queue::push(&mut self.records, record);
        let len = self.records.len();
        match &mut self.index {
            Some(index) => index.add(len - 1, &self.records),
            None if len > UNINDEXED => {
                let mut index = Box::<Index>::default();
                (0..len).for_each(|position| index.add(position, &self.records));
                self.index = Some(index);
            }
            None => {}
        }
    }

    /// Removes the oldest record.
    pub(super) fn pop(&mut self) -> Option<DedupRecord> {
        let record = self.records.pop_front()?;
        if let Some(index) = &mut self.index {
            index.remove_first(&record.key);
        }
        if self.records.is_empty() {
            *self = Self::default();
        }
        Some(record)
    }
}

impl Index {
    /// Position of the newest record of a key.
    fn position(&self, key: &DedupKey, records: &VecDeque<DedupRecord>) -> Option<usize> {
        let position = |number: u64| usize::try_from(number - self.first).expect("a held record");
        let is_of_key = |number: &u64| records[position(*number)].key == *key;
        self.numbers.find(self.hasher.hash_one(key), is_of_key).map(|number| position(*number))
    }

    /// Adds the record at a position, which is newer than all others of its key.
    fn add(&mut self, position: usize, records: &VecDeque<DedupRecord>) {
        let Self { hasher, numbers, first } = self;
        let key_of = |number: u64| &records[usize::try_from(number - *first).expect("a held record")].key;
        let number = *first + position as u64;
        let key = key_of(number);
        let hash = hasher.hash_one(key);
        match numbers.find_mut(hash, |other| key_of(*other) == key) {
            Some(other) => *other = number,
            None => {
                numbers.insert_unique(hash, number, |other| hasher.hash_one(key_of(*other)));
            }
        }
    }

    /// Removes the oldest record, which had this key.
    fn remove_first(&mut self, key: &DedupKey) {
        // A newer record of the key has another number.
        if let Ok(number) = self.numbers.find_entry(self.hasher.hash_one(key), |number| *number == self.first)
        {
            number.remove();
        }
        self.first += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use realtime_shared::{ClientMsgId, UserId};

    use super::*;

    fn key(number: u8) -> DedupKey {
        let client_msg_id = ClientMsgId::new(&number.to_string()).expect("an id");
        DedupKey { from: UserId::new("alice").expect("a user id"), client_msg_id }
    }

    proptest! {
        /// A number of the steps adds a record with this key; `None` removes the oldest record.
        #[test]
        fn the_newest_record_of_a_key_is_found(
            steps in prop::collection::vec(prop_oneof![3 => (0..40_u8).prop_map(Some), 1 => Just(None)], 0..150),
        ) {
            let (mut records, mut model) = (DedupRecords::default(), VecDeque::new());
            for (seq, step) in (1..).zip(steps) {
                if let Some(number) = step {
                    let (seq, id) = (Seq::new(seq), EntryId::from_u128(seq.into()));
                    let (ts, at) = (Timestamp::from_millis(1), BootTime::of(Duration::ZERO));
                    records.push(DedupRecord { key: key(number), seq, id, ts, at });
                    model.push_back((number, seq));
                } else {
                    prop_assert_eq!(records.pop().map(|record| record.seq), model.pop_front().map(|(_, seq)| seq));
                }
                prop_assert_eq!(records.len(), model.len());
                prop_assert_eq!(records.oldest().map(|record| record.seq), model.front().map(|(_, seq)| *seq));
                for number in 0..40 {
                    let expected = model.iter().rev().find(|(other, _)| *other == number).map(|(_, seq)| *seq);
                    prop_assert_eq!(records.newest(&key(number)).map(|record| record.seq), expected);
                }
            }
        }
    }

    #[test]
    fn few_records_have_no_index() {
        let mut records = DedupRecords::default();
        let mut push = |number: u8| {
            let (seq, id) = (Seq::new(number.into()), EntryId::from_u128(0));
            let (ts, at) = (Timestamp::from_millis(1), BootTime::of(Duration::ZERO));
            records.push(DedupRecord { key: key(number), seq, id, ts, at });
            records.index.is_some()
        };
        assert!((0..16).all(|number| !push(number)));
        assert!(push(16));
    }
}
