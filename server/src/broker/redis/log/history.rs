//! What is read of a room for clients and for repairs: pages of its past, and who is there.

use ::redis::{Pipeline, Value};
use realtime_shared::{EntryId, Epoch, Seq, Timestamp, UserId};

use crate::broker::redis::Shared;
use crate::broker::redis::transport::{keys, reply};
use crate::broker::{Entry, Page, Presence, Range, Unavailable};

/// Entries that are asked for at once, and bytes that one is taken to have for that.
const ENTRIES: usize = 256;
const ENTRY_BYTES: usize = 256;

/// Which entries of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    /// Those that are kept: trimming is rough, and comes later than the time that was given.
    Kept,
    /// All that are there.
    Stored,
}

/// A part of a page.
struct Slice {
    epoch: Option<Epoch>,
    entries: Vec<Entry>,
    /// How many of those that were found are past, whether they are among the entries or not.
    past: usize,
    /// Where to go on, if there may be more.
    next: Option<Range>,
}

/// An entry as the stream has it.
struct Stored {
    entry: Entry,
    ts: Timestamp,
}

impl Shared {
    /// See [`Broker::history`](crate::broker::Broker::history).
    pub(crate) async fn page(
        &self,
        channel: &str,
        range: Range,
        limit: usize,
        bytes: usize,
    ) -> Result<Page, Unavailable> {
        self.page_of(channel, Which::Kept, range, (limit, bytes)).await
    }

    /// A page of all that is there, to go on from one entry to the next: at most so many entries and bytes.
    pub(crate) async fn stored(
        &self,
        channel: &str,
        range: Range,
        most: (usize, usize),
    ) -> Result<Page, Unavailable> {
        self.page_of(channel, Which::Stored, range, most).await
    }

    /// The newest entries, at most `shown` of those that are kept, and the one before them. Of a room in which nothing
    /// is kept it is the newest one.
    pub(crate) async fn newest(&self, channel: &str, shown: usize) -> Result<Page, Unavailable> {
        let slice = self.slice(channel, Which::Stored, Range::Newest, shown + 1).await?;
        let mut entries = slice.entries;
        entries.truncate((entries.len() - slice.past + 1).min(entries.len()));
        entries.reverse();
        Ok(Page { epoch: slice.epoch, entries, has_more: slice.next.is_some() })
    }

    async fn page_of(
        &self,
        channel: &str,
        which: Which,
        range: Range,
        (limit, bytes): (usize, usize),
    ) -> Result<Page, Unavailable> {
        let mut page = Page { epoch: None, entries: Vec::new(), has_more: false };
        let (mut size, mut next) = (0, range);
        'slices: loop {
            let left = limit - page.entries.len();
            let likely = bytes.saturating_sub(size) / ENTRY_BYTES;
            // One more than is wanted shows whether there are more.
            let slice = self.slice(channel, which, next, left.min(likely.clamp(8, ENTRIES)) + 1).await?;
            if page.entries.is_empty() {
                page.epoch = slice.epoch;
            } else if page.epoch != slice.epoch {
                // Another log meanwhile: what was read of this one is a page of it.
                page.has_more = true;
                break;
            }
            for entry in slice.entries {
                let full = size + entry.json.len() > bytes && !page.entries.is_empty();
                if full || page.entries.len() == limit {
                    page.has_more = true;
                    break 'slices;
                }
                size += entry.json.len();
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

    /// At most `count` entries of a room, in the order in which they are looked for: the newest first, but for those
    /// after a number.
    async fn slice(
        &self,
        channel: &str,
        which: Which,
        range: Range,
        count: usize,
    ) -> Result<Slice, Unavailable> {
        let log = keys::log(channel);
        let mut asking = Pipeline::new();
        asking.atomic();
        asking.cmd("HGET").arg(keys::meta(channel)).arg("epoch");
        asking.cmd("XREVRANGE").arg(&log).arg("+").arg("-").arg("COUNT").arg(1);
        match range {
            Range::Newest => asking.cmd("XREVRANGE").arg(&log).arg("+").arg("-"),
            Range::Before(Seq::ZERO) => asking.cmd("XRANGE").arg(&log).arg("+").arg("-"),
            Range::Before(seq) => asking.cmd("XREVRANGE").arg(&log).arg(format!("({seq}-0")).arg("-"),
            Range::After(seq) => asking.cmd("XRANGE").arg(&log).arg(format!("({seq}-0")).arg("+"),
        };
        asking.arg("COUNT").arg(count);
        let answers = self.asks.ask(&asking).await?;
        let [Value::Array(answers)] = &*answers else { return Err(Unavailable) };
        let [epoch, newest, found] = &**answers else { return Err(Unavailable) };
        let Some(newest) = reply::items(newest).first().and_then(stored) else {
            return Ok(Slice { epoch: None, entries: Vec::new(), past: 0, next: None });
        };
        let epoch = reply::text(epoch).and_then(Epoch::new);
        let epoch = epoch.unwrap_or_else(|| Epoch::from_id(newest.entry.id));
        let oldest = newest.entry.seq.get().saturating_sub(self.keep());
        let now = self.clock.now();
        let found: Vec<Stored> = reply::items(found).iter().filter_map(stored).collect();
        let last = found.last().map(|stored| stored.entry.seq).filter(|_| found.len() == count);
        let is_kept =
            |stored: &Stored| stored.entry.seq.get() > oldest && !self.retain.is_past(stored.ts, now);
        let past = found.iter().filter(|stored| !is_kept(stored)).count();
        let next = match range {
            Range::After(_) => last.map(Range::After),
            // What is before something that is past is past as well.
            Range::Newest | Range::Before(_) => {
                last.filter(|_| past == 0 || which == Which::Stored).map(Range::Before)
            }
        };
        let is_wanted = |stored: &Stored| which == Which::Stored || is_kept(stored);
        let entries = found.into_iter().filter(is_wanted).map(|stored| stored.entry).collect();
        Ok(Slice { epoch: Some(epoch), entries, past, next })
    }

    /// Who is in a room.
    pub(crate) async fn members_of(&self, channel: &str, members: usize) -> Result<Presence, Unavailable> {
        let key = keys::members(channel);
        let mut asking = Pipeline::new();
        // First: what changes between these is told once too often, and not once too seldom.
        asking.cmd("HGET").arg(keys::meta(channel)).arg("people");
        asking.cmd("ZCARD").arg(&key);
        // From 0 to -1 would be all of them.
        let last = i64::try_from(members).unwrap_or(i64::MAX) - 1;
        let first = i64::from(members == 0);
        asking.cmd("ZRANGE").arg(&key).arg(first).arg(last.max(0));
        let answers = self.asks.ask(&asking).await?;
        let [change, count, named] = &*answers else { return Err(Unavailable) };
        Ok(Presence {
            members: users(named),
            count: reply::parse(count).ok_or(Unavailable)?,
            changed: false,
            change: reply::parse(change).unwrap_or(0),
        })
    }
}

/// The users that an array names.
pub(crate) fn users(named: &Value) -> Vec<UserId> {
    reply::items(named).iter().filter_map(|id| UserId::new(reply::text(id)?).ok()).collect()
}

/// `[seq-0, [i, id, t, time, f, frame]]`
fn stored(value: &Value) -> Option<Stored> {
    let [number, fields] = reply::items(value) else { return None };
    let [_, id, _, ts, _, frame] = reply::items(fields) else { return None };
    let seq = reply::text(number)?.split_once('-')?.0.parse().ok().map(Seq::new)?;
    let id = reply::text(id)?.parse::<EntryId>().ok()?;
    let entry = Entry { seq, id, json: reply::text(frame)?.into() };
    Some(Stored { entry, ts: Timestamp::from_millis(reply::parse(ts)?) })
}
