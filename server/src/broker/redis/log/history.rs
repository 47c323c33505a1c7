//! Pages of a room's log, for clients and for repairs.
//!
//! All reads of a log outside of scripts are here: a page has the entries of the stream and those that were moved out of it.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::redis::{Pipeline, Value};
use realtime_shared::{Epoch, Seq};

use super::redis_clock::RedisClock;
use super::retention::messages_kept;
use super::stored_entry::StoredEntry;
use crate::broker::redis::transport::{Transport, keys, reply, scripts};
use crate::broker::{self, Entry, Page, Range, Unavailable};
use crate::config::Retain;

/// Entries of one request at most.
const ENTRIES: usize = 256;
/// Entries of one request at least.
const FEWEST: usize = 8;
/// Entries of the first request of a page at most: those of a room may be much larger than those that were read lately.
const FIRST: usize = 32;
/// Growth of that limit with each request.
const GROWTH: usize = 4;

/// A selection of the entries of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Selection {
    /// Entries within retention. The stream has more, because trimming is rough and late.
    Kept,
    /// All entries of the stream.
    Stored,
}

/// A part of a page.
struct Slice {
    epoch: Option<Epoch>,
    entries: Vec<Entry>,
    /// Number of entries found past retention, whether or not `entries` contains them.
    past: usize,
    /// The range after this slice, if there may be more.
    next: Option<Range>,
}

/// Mean size of the entries that were read lately, in all rooms. A request whose entries do not fit into the page costs as
/// much as one whose entries do, so the number of entries is estimated: first from this mean, then from that of the page.
#[derive(Debug)]
pub(crate) struct EntrySize(AtomicUsize);

impl Default for EntrySize {
    fn default() -> Self {
        Self(AtomicUsize::new(256))
    }
}

impl EntrySize {
    /// The number of entries of the next request for a page that has `size` bytes in `entries` entries, and place for
    /// `left` bytes.
    pub(crate) fn next_count(&self, entries: usize, size: usize, left: usize) -> usize {
        let mean = size.checked_div(entries).unwrap_or_else(|| self.0.load(Ordering::Relaxed));
        (left / mean.max(1)).clamp(FEWEST, ENTRIES)
    }

    /// Takes the size of entries into account, for a quarter.
    fn note(&self, entries: &[Entry]) {
        let sum = entries.iter().map(|entry| entry.json.len()).sum::<usize>();
        let Some(mean) = sum.checked_div(entries.len()) else { return };
        let before = self.0.load(Ordering::Relaxed);
        // A lost update of another task changes an estimate only.
        self.0.store(before - before / 4 + mean / 4, Ordering::Relaxed);
    }
}

/// Reads the logs of rooms.
pub(crate) struct History {
    pub(crate) transport: Arc<Transport>,
    pub(crate) clock: Arc<RedisClock>,
    pub(crate) retain: Retain,
    pub(crate) entry_size: EntrySize,
}

impl History {
    /// See [`Broker::history`](crate::broker::Broker::history).
    pub(crate) async fn page(
        &self,
        channel: &str,
        range: Range,
        limit: usize,
        bytes: usize,
    ) -> Result<Page, Unavailable> {
        self.read(channel, Selection::Kept, range, (limit, bytes)).await
    }

    /// A page of all stored entries, with at most this number of entries and bytes.
    pub(crate) async fn stored(
        &self,
        channel: &str,
        range: Range,
        limit: (usize, usize),
    ) -> Result<Page, Unavailable> {
        self.read(channel, Selection::Stored, range, limit).await
    }

    /// The newest `shown` entries within retention, and the entry before them. If no entry is within retention, the
    /// newest entry.
    pub(crate) async fn newest(&self, channel: &str, shown: usize) -> Result<Page, Unavailable> {
        let slice = self.slice(channel, Selection::Stored, Range::Newest, shown.saturating_add(1)).await?;
        let mut entries = slice.entries;
        let kept = entries.len().saturating_sub(slice.past);
        entries.truncate(kept.saturating_add(1));
        entries.reverse();
        Ok(Page { epoch: slice.epoch, entries, has_more: slice.next.is_some() })
    }

    async fn read(
        &self,
        channel: &str,
        selection: Selection,
        range: Range,
        (limit, bytes): (usize, usize),
    ) -> Result<Page, Unavailable> {
        let mut page = Page { epoch: None, entries: Vec::new(), has_more: false };
        let (mut size, mut next, mut most) = (0_usize, range, FIRST);
        'slices: loop {
            let left = limit.saturating_sub(page.entries.len());
            // One more than requested shows if there are more.
            let estimate =
                self.entry_size.next_count(page.entries.len(), size, bytes.saturating_sub(size)).min(most);
            let count = left.min(estimate) + 1;
            most = most.saturating_mul(GROWTH);
            let slice = self.slice(channel, selection, next, count).await?;
            self.entry_size.note(&slice.entries);
            if page.entries.is_empty() {
                page.epoch = slice.epoch;
            } else if page.epoch != slice.epoch {
                // The log was replaced meanwhile: the entries so far are a page of the former log.
                page.has_more = true;
                break;
            }
            for entry in slice.entries {
                let total = size.saturating_add(entry.json.len());
                if (total > bytes && !page.entries.is_empty()) || page.entries.len() == limit {
                    page.has_more = true;
                    break 'slices;
                }
                size = total;
                page.entries.push(entry);
            }
            match slice.next {
                Some(range) => next = range,
                None => break,
            }
        }
        if !matches!(range, Range::After(_)) {
            page.entries.reverse();
        }
        Ok(page)
    }

    /// At most `count` entries of a room, the newest first, but for [`Range::After`].
    async fn slice(
        &self,
        channel: &str,
        selection: Selection,
        range: Range,
        count: usize,
    ) -> Result<Slice, Unavailable> {
        let log = keys::log(channel);
        let mut reading = Pipeline::new();
        reading.atomic();
        reading.cmd("HGET").arg(keys::meta(channel)).arg("epoch");
        reading.cmd("XREVRANGE").arg(&log).arg("+").arg("-").arg("COUNT").arg(1);
        match range {
            Range::Newest => reading.cmd("XREVRANGE").arg(&log).arg("+").arg("-"),
            Range::Before(Seq::ZERO) => reading.cmd("XRANGE").arg(&log).arg("+").arg("-"),
            Range::Before(seq) => reading.cmd("XREVRANGE").arg(&log).arg(format!("({seq}-0")).arg("-"),
            Range::After(seq) => reading.cmd("XRANGE").arg(&log).arg(format!("({seq}-0")).arg("+"),
        };
        reading.arg("COUNT").arg(count);
        reading.cmd("ZRANGE").arg(keys::moved(channel));
        match range {
            Range::Newest => reading.arg("+inf").arg("-inf").arg("BYSCORE").arg("REV"),
            Range::Before(seq) => reading.arg(format!("({seq}")).arg("-inf").arg("BYSCORE").arg("REV"),
            Range::After(seq) => reading.arg(format!("({seq}")).arg("+inf").arg("BYSCORE"),
        };
        reading.arg("LIMIT").arg(0).arg(count);
        reading.cmd("EXISTS").arg(keys::others(channel));
        let answers = self.transport.ask(&reading).await?;
        let [Value::Array(answers)] = &*answers else { return Err(Unavailable) };
        let [epoch, newest, found, moved, others] = &**answers else { return Err(Unavailable) };
        let Some(newest) = reply::items(newest).first().and_then(StoredEntry::parse) else {
            return Ok(Slice { epoch: None, entries: Vec::new(), past: 0, next: None });
        };
        let epoch = reply::text(epoch).and_then(Epoch::new);
        let epoch = epoch.unwrap_or_else(|| Epoch::from_id(newest.entry.id));
        let messages = messages_kept(&self.retain);
        let oldest = newest.entry.seq.next().back(messages);
        let has_others = oldest > broker::FIRST && reply::parse::<u64>(others) != Some(0);
        let oldest =
            if has_others { self.oldest_kept(channel, newest.entry.seq, messages).await? } else { oldest };
        let now = self.clock.judged();
        let mut found: Vec<StoredEntry> = reply::items(found).iter().filter_map(StoredEntry::parse).collect();
        let moved = reply::items(moved);
        if !moved.is_empty() {
            found.extend(moved.iter().filter_map(StoredEntry::parse_moved));
            match range {
                Range::After(_) => found.sort_unstable_by_key(|stored| stored.entry.seq),
                Range::Newest | Range::Before(_) => {
                    found.sort_unstable_by_key(|stored| Reverse(stored.entry.seq));
                }
            }
            found.truncate(count);
        }
        let last = found.last().map(|stored| stored.entry.seq).filter(|_| found.len() >= count);
        let is_past = |ts| now.drops && self.retain.is_past(now.age(ts));
        let is_kept = |stored: &StoredEntry| stored.entry.seq >= oldest && !is_past(stored.ts);
        let past = found.iter().filter(|stored| !is_kept(stored)).count();
        let next = match range {
            Range::After(_) => last.map(Range::After),
            // Entries before one that is past retention are past it as well.
            Range::Newest | Range::Before(_) => {
                last.filter(|_| past == 0 || selection == Selection::Stored).map(Range::Before)
            }
        };
        let is_wanted = |stored: &StoredEntry| selection == Selection::Stored || is_kept(stored);
        let entries = found.into_iter().filter(is_wanted).map(|stored| stored.entry).collect();
        Ok(Slice { epoch: Some(epoch), entries, past, next })
    }

    /// The oldest entry within a retention of so many messages, in a room that has entries of other kinds.
    async fn oldest_kept(&self, channel: &str, head: Seq, messages: u64) -> Result<Seq, Unavailable> {
        let mut oldest = scripts::OLDEST.on(&[keys::log(channel)]);
        oldest.arg(head.get()).arg(messages);
        let mut asking = Pipeline::new();
        asking.add_command(oldest);
        let answers = self.transport.ask(&asking).await?;
        answers.first().and_then(reply::parse).map(Seq::new).ok_or(Unavailable)
    }

    /// True if a room has entries that are not messages.
    pub(crate) async fn has_others(&self, channel: &str) -> Result<bool, Unavailable> {
        let mut asking = Pipeline::new();
        asking.cmd("EXISTS").arg(keys::others(channel));
        let answers = self.transport.ask(&asking).await?;
        Ok(answers.first().and_then(reply::parse::<u64>) != Some(0))
    }

    /// The entries that were replaced when messages were deleted: of each message itself and its edits, ascending.
    pub(crate) async fn replaced(
        &self,
        channel: &str,
        deleted: &[Seq],
    ) -> Result<HashMap<Seq, Vec<Entry>>, Unavailable> {
        if deleted.is_empty() {
            return Ok(HashMap::new());
        }
        let mut reading = Pipeline::new();
        let mut replaced = scripts::REPLACED.on(&[keys::log(channel)]);
        for seq in deleted {
            replaced.arg(seq.get());
        }
        reading.add_command(replaced);
        let answers = self.transport.ask(&reading).await?;
        let answers = answers.first().and_then(reply::list).ok_or(Unavailable)?;
        let entries = |answer| reply::items(answer).iter().filter_map(StoredEntry::parse);
        let of_message = |answer| entries(answer).map(|stored| stored.entry).collect();
        Ok(deleted.iter().copied().zip(answers.iter().map(of_message)).collect())
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::EntryId;

    use super::*;

    #[test]
    fn the_number_of_entries_follows_their_size() {
        let entries = |bytes: usize| {
            let entry = Entry { seq: Seq::ZERO, id: EntryId::from_u128(1), json: "x".repeat(bytes).into() };
            vec![entry; 20]
        };
        let size = EntrySize::default();
        let first = |size: &EntrySize| size.next_count(0, 0, 64 * 1024);
        assert_eq!(first(&size), 256);
        size.note(&[]);
        assert_eq!(first(&size), 256);
        (0..20).for_each(|_| size.note(&entries(3_000)));
        assert!((20..=24).contains(&first(&size)), "{size:?}");
        (0..40).for_each(|_| size.note(&entries(60_000)));
        assert_eq!(first(&size), FEWEST);
        (0..60).for_each(|_| size.note(&entries(100)));
        assert_eq!(first(&size), ENTRIES);
        assert_eq!(size.next_count(2, 8_192, 32 * 1024), 8, "the page has larger entries");
    }
}
