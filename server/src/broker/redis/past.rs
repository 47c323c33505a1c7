//! What is read for clients: pages of a room's past, who is there, and which rooms there are.

use std::collections::HashMap;

use ::redis::{Pipeline, Value};
use realtime_shared::{EntryId, Epoch, RoomName, RoomSummary, Seq, Timestamp, UserId};

use super::repair::{Seen, seen};
use super::{Shared, keys, reply};
use crate::broker::{Entry, Page, Presence, Range, RoomFilter, Unavailable, busiest_first};

/// Entries that are asked for at once, and bytes that one is taken to have for that.
const ENTRIES: usize = 256;
const ENTRY_BYTES: usize = 256;
/// Rooms of the list that are asked for at once.
const ROOMS: usize = 500;

/// A part of a page.
struct Slice {
    epoch: Option<Epoch>,
    entries: Vec<Entry>,
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
    pub(super) async fn page(
        &self,
        channel: &str,
        range: Range,
        limit: usize,
        bytes: usize,
    ) -> Result<Page, Unavailable> {
        let mut page = Page { epoch: None, entries: Vec::new(), has_more: false };
        let (mut size, mut next) = (0, range);
        'slices: loop {
            let left = limit - page.entries.len();
            let likely = bytes.saturating_sub(size) / ENTRY_BYTES;
            // One more than is wanted shows whether there are more.
            let slice = self.slice(channel, next, left.min(likely.clamp(8, ENTRIES)) + 1).await?;
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

    /// At most `count` entries of a room as they are kept, in the order in which they are looked for: the newest first,
    /// but for those after a number.
    async fn slice(&self, channel: &str, range: Range, count: usize) -> Result<Slice, Unavailable> {
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
            return Ok(Slice { epoch: None, entries: Vec::new(), next: None });
        };
        let epoch = reply::text(epoch).and_then(Epoch::new);
        let epoch = epoch.unwrap_or_else(|| Epoch::from_id(newest.entry.id));
        // Trimming is rough, and comes later than the time that was given: what is past is not shown.
        let oldest = newest.entry.seq.get().saturating_sub(self.keep());
        let now = self.clock.now();
        let found: Vec<Stored> = reply::items(found).iter().filter_map(stored).collect();
        let last = found.last().map(|stored| stored.entry.seq).filter(|_| found.len() == count);
        let is_kept =
            |stored: &Stored| stored.entry.seq.get() > oldest && !self.retain.is_past(stored.ts, now);
        let all_kept = found.iter().all(is_kept);
        let next = match range {
            Range::After(_) => last.map(Range::After),
            // What is before something that is past is past as well.
            Range::Newest | Range::Before(_) => last.filter(|_| all_kept).map(Range::Before),
        };
        let entries = found.into_iter().filter(is_kept).map(|stored| stored.entry).collect();
        Ok(Slice { epoch: Some(epoch), entries, next })
    }

    /// Who is in a room.
    pub(super) async fn members_of(&self, channel: &str, members: usize) -> Result<Presence, Unavailable> {
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

    /// See [`Broker::list`](crate::broker::Broker::list).
    pub(super) async fn list(
        &self,
        filter: RoomFilter,
        limit: usize,
    ) -> Result<(Vec<RoomSummary>, bool), Unavailable> {
        let (mut cursor, mut all) = (Some("0".to_owned()), HashMap::new());
        while let Some(from) = cursor {
            let (mut rooms, next) = self.listed_rooms(&from, ROOMS).await?;
            rooms.retain(|room| filter(room));
            for (room, seen) in self.look_at(rooms).await? {
                if !seen.is_empty() {
                    let summary = RoomSummary {
                        room: room.clone(),
                        member_count: seen.count,
                        position: seen.look.head,
                        last_ts: seen.last_ts,
                    };
                    // A scan may name one twice.
                    all.insert(room, summary);
                }
            }
            cursor = next;
        }
        Ok(busiest_first(all.into_values().collect(), limit))
    }

    /// About `count` of the list of all rooms, and where to go on, if there may be more.
    pub(super) async fn listed_rooms(
        &self,
        from: &str,
        count: usize,
    ) -> Result<(Vec<RoomName>, Option<String>), Unavailable> {
        let mut asking = Pipeline::new();
        asking.cmd("SSCAN").arg(self.keys.rooms()).arg(from).arg("COUNT").arg(count);
        let answers = self.asks.ask(&asking).await?;
        let [next, names] = answers.first().map(reply::items).unwrap_or_default() else {
            return Err(Unavailable);
        };
        let names = reply::items(names).iter();
        let rooms = names.filter_map(|name| RoomName::new(reply::text(name)?).ok()).collect();
        let next = reply::text(next).ok_or(Unavailable)?;
        Ok((rooms, (next != "0").then(|| next.to_owned())))
    }

    /// How rooms stand that nobody here need be in.
    pub(super) async fn look_at(&self, rooms: Vec<RoomName>) -> Result<Vec<(RoomName, Seen)>, Unavailable> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let mut asking = Pipeline::with_capacity(rooms.len());
        for room in &rooms {
            asking.add_command(self.look(&self.keys.channel(room), Seq::ZERO, 0));
        }
        let answers = self.asks.ask(&asking).await?;
        Ok(rooms.into_iter().zip(&answers).filter_map(|(room, answer)| Some((room, seen(answer)?))).collect())
    }
}

/// The users that an array names.
pub(super) fn users(named: &Value) -> Vec<UserId> {
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
