//! Pages of a room's log, for clients and for repairs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ::redis::{Pipeline, Value};
use realtime_shared::{EntryId, Epoch, Seq, Timestamp};

use super::redis_clock::RedisClock;
use super::retention::entries_kept;
use crate::broker::redis::transport::{Transport, keys, reply};
use crate::broker::{Entry, Page, Range, Unavailable};
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

/// An entry of the stream.
struct StoredEntry {
    entry: Entry,
    ts: Timestamp,
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
    fn next_count(&self, entries: usize, size: usize, left: usize) -> usize {
        let mean = size.checked_div(entries).unwrap_or_else(|| self.0.load(Ordering::Relaxed));
        (left / mean.max(1)).clamp(FEWEST, ENTRIES)
    }

    /// Takes the size of entries into account, for a quarter.
    fn note(&self, entries: &[Entry]) {
        let Some(mean) =
            entries.iter().map(|entry| entry.json.len()).sum::<usize>().checked_div(entries.len())
        else {
            return;
        };
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
        let answers = self.transport.ask(&reading).await?;
        let [Value::Array(answers)] = &*answers else { return Err(Unavailable) };
        let [epoch, newest, found] = &**answers else { return Err(Unavailable) };
        let Some(newest) = reply::items(newest).first().and_then(StoredEntry::parse) else {
            return Ok(Slice { epoch: None, entries: Vec::new(), past: 0, next: None });
        };
        let epoch = reply::text(epoch).and_then(Epoch::new);
        let epoch = epoch.unwrap_or_else(|| Epoch::from_id(newest.entry.id));
        let oldest = newest.entry.seq.get().saturating_sub(entries_kept(&self.retain));
        let now = self.clock.judged();
        let found: Vec<StoredEntry> = reply::items(found).iter().filter_map(StoredEntry::parse).collect();
        let last = found.last().map(|stored| stored.entry.seq).filter(|_| found.len() >= count);
        let is_past = |ts| now.drops && self.retain.is_past(now.age(ts));
        let is_kept = |stored: &StoredEntry| stored.entry.seq.get() > oldest && !is_past(stored.ts);
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
}

impl StoredEntry {
    /// Reads `[seq-0, [i, id, t, time, f, frame]]`.
    fn parse(value: &Value) -> Option<Self> {
        let [number, fields] = reply::items(value) else { return None };
        let [_, id, _, ts, _, frame] = reply::items(fields) else { return None };
        let seq = reply::text(number)?.split_once('-')?.0.parse().ok().map(Seq::new)?;
        let id = reply::text(id)?.parse::<EntryId>().ok()?;
        let entry = Entry { seq, id, json: reply::text(frame)?.into() };
        Some(Self { entry, ts: Timestamp::from_millis(reply::parse(ts)?) })
    }
}

#[cfg(test)]
mod tests {
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
