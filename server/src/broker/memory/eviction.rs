//! Order in which the logs of all rooms lose their oldest items.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Weak;

use parking_lot::Mutex;

use super::boot_time::BootTime;
use super::log::MemoryLog;

/// Logs by their oldest item. Each log with an item has one record here.
///
/// A log drops items without a change of its record, so posts seldom need the order.
#[derive(Default)]
pub(super) struct EvictionOrder(BinaryHeap<Reverse<Record>>);

struct Record {
    log: Weak<Mutex<MemoryLog>>,
    /// Time of an item that was the oldest one of the log.
    oldest: BootTime,
}

impl EvictionOrder {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a log, which had no item before.
    pub(super) fn add(&mut self, log: Weak<Mutex<MemoryLog>>, oldest: BootTime) {
        self.0.push(Reverse(Record { log, oldest }));
    }

    /// Drops the oldest item of all, with the other one of its seq. Returns the bytes that were freed: 0 if the order
    /// was corrected instead. `None` if there is no item.
    pub(super) fn drop_oldest(&mut self) -> Option<usize> {
        let mut record = self.0.peek_mut()?;
        let log = record.0.log.upgrade();
        let mut log = log.as_ref().map(|log| log.lock());
        let oldest = log.as_ref().and_then(|log| log.oldest());
        match (&mut log, oldest) {
            (Some(log), Some((seq, at))) if at <= record.0.oldest => Some(log.drop_up_to(seq)),
            (_, Some((_, at))) => {
                record.0.oldest = at;
                Some(0)
            }
            (log, None) => {
                if let Some(log) = log {
                    log.in_eviction_order = false;
                }
                PeekMut::pop(record);
                Some(0)
            }
        }
    }

    /// Removes the records of logs that do not exist any more.
    pub(super) fn compact(&mut self) {
        self.0.retain(|Reverse(record)| record.log.strong_count() > 0);
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.oldest == other.oldest
    }
}

impl Eq for Record {}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        self.oldest.cmp(&other.oldest)
    }
}
