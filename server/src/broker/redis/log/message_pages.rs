//! Pages of messages with their changes.

use std::sync::Arc;

use ::redis::{Pipeline, Value};
use realtime_shared::{Covers, EntryId, Epoch, Seq, Timestamp, UserId};

use super::change_view::has_reacted;
use super::history::History;
use super::retention::messages_kept;
use super::stored_entry::{SettingsRecord, StateRecord};
use crate::broker::folding::folded_frame;
use crate::broker::redis::transport::{keys, reply, scripts};
use crate::broker::{MessagePage, PageFilter, PageQuery, PageRange, Unavailable};

/// Attempts to read a page from one log, if the log is replaced meanwhile.
const ATTEMPTS: usize = 3;

/// A part of the messages of a room, in the order in which they were requested.
struct MessageSlice {
    epoch: Epoch,
    head: Seq,
    /// The oldest seq within the retention and the log.
    oldest: Seq,
    settings: Option<SettingsRecord>,
    messages: Vec<StoredMessage>,
}

struct StoredMessage {
    seq: Seq,
    ts: Timestamp,
    frame: Arc<str>,
}

/// Messages of one side of a page.
#[derive(Default)]
struct Side {
    messages: Vec<(Seq, Arc<str>)>,
    has_more: bool,
}

/// A request for one side of a page.
#[derive(Clone, Copy)]
struct SideQuery {
    is_older: bool,
    /// The first seq that is not on the side of older messages, and the first one of the other side. `None`: the end of the
    /// log.
    split: Option<Seq>,
    /// The head of the log that the page shows, if it was read before.
    head: Option<Seq>,
    filter: PageFilter,
    limit: usize,
    bytes: usize,
    /// The side may exceed the bytes with its first message.
    is_first: bool,
}

/// A room's log as a page shows it.
struct LogView {
    epoch: Epoch,
    head: Seq,
    oldest: Seq,
    settings: Option<SettingsRecord>,
}

/// The log was replaced while a page was read.
enum NotRead {
    Unavailable,
    Replaced,
}

impl From<Unavailable> for NotRead {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl History {
    /// See [`Broker::messages`](crate::broker::Broker::messages).
    pub(crate) async fn messages(
        &self,
        channel: &str,
        query: PageQuery,
        viewer: &UserId,
    ) -> Result<MessagePage, Unavailable> {
        for _ in 0..ATTEMPTS {
            match self.try_messages(channel, query, viewer).await {
                Ok(page) => return Ok(page),
                Err(NotRead::Unavailable) => return Err(Unavailable),
                Err(NotRead::Replaced) => {}
            }
        }
        Err(Unavailable)
    }

    async fn try_messages(
        &self,
        channel: &str,
        query: PageQuery,
        viewer: &UserId,
    ) -> Result<MessagePage, NotRead> {
        let PageQuery { range, filter, limit, mut bytes } = query;
        let (split, takes_older, takes_newer) = match range {
            PageRange::Newest => (None, true, false),
            PageRange::Before(seq) => (Some(seq), true, false),
            PageRange::After(seq) => (Some(seq.next()), false, true),
            PageRange::Around(seq) => (Some(seq.next()), true, true),
        };
        let side =
            SideQuery { is_older: takes_older, split, head: None, filter, limit, bytes, is_first: true };
        let (mut older, mut newer) = (Side::default(), Side::default());
        let mut log = None;
        if takes_older {
            let limits = if takes_newer { (limit.div_ceil(2), bytes / 2) } else { (limit, bytes) };
            let query = SideQuery { limit: limits.0, bytes: limits.1, ..side };
            older = self.side(channel, query, viewer, &mut log).await?;
            if log.is_none() {
                // An entry that is stored now would be on neither side.
                return Ok(MessagePage::of_new_room());
            }
        }
        if takes_newer {
            let taken = older.messages.iter().map(|(_, frame)| frame.len()).sum();
            bytes = bytes.saturating_sub(taken);
            let is_first = older.messages.is_empty();
            let limit = limit.saturating_sub(older.messages.len());
            let query = SideQuery {
                is_older: false,
                head: log.as_ref().map(|log: &LogView| log.head),
                limit,
                bytes,
                is_first,
                ..side
            };
            newer = self.side(channel, query, viewer, &mut log).await?;
        }
        let Some(LogView { epoch, head, oldest, settings }) = log else {
            return Ok(MessagePage::of_new_room());
        };
        // The page ends with the entry before `split` and begins with the one at it; both sides are seqs of the log.
        let oldest = oldest.min(head.next());
        let split = split.unwrap_or(head.next()).clamp(oldest, head.next());
        let end_of = |side: &Side| side.messages.last().map(|(seq, _)| *seq);
        let from = match (takes_older, older.has_more) {
            (true, true) => end_of(&older).unwrap_or(split),
            (true, false) => oldest,
            (false, _) => split,
        };
        let to = match (takes_newer, newer.has_more) {
            (true, true) => end_of(&newer).unwrap_or(split.previous()),
            (true, false) => head,
            (false, _) => split.previous(),
        };
        let messages = older.messages.into_iter().rev().chain(newer.messages).map(|(_, frame)| frame);
        Ok(MessagePage {
            epoch: Some(epoch),
            messages: messages.collect(),
            has_more: if takes_older { older.has_more } else { newer.has_more },
            has_newer: takes_older && takes_newer && newer.has_more,
            covers: Some(Covers { from, to, as_of: head }),
            settings: settings.map(|record| record.settings),
        })
    }

    /// Reads one side of a page. The first read sets `log`.
    async fn side(
        &self,
        channel: &str,
        query: SideQuery,
        viewer: &UserId,
        log: &mut Option<LogView>,
    ) -> Result<Side, NotRead> {
        let mut side = Side::default();
        let SideQuery { is_older, limit, mut bytes, is_first, .. } = query;
        let (mut at, mut taken) = (query.split, 0_usize);
        loop {
            let left = limit.saturating_sub(side.messages.len());
            // One more than requested shows if there are more.
            let count = left.min(self.entry_size.next_count(side.messages.len(), taken, bytes)) + 1;
            let next =
                SideQuery { split: at, head: query.head.or(log.as_ref().map(|log| log.head)), ..query };
            let Some(slice) = self.message_slice(channel, next, count, viewer).await? else {
                return Ok(side);
            };
            let MessageSlice { epoch, head, oldest, settings, messages } = slice;
            let log = log.get_or_insert_with(|| LogView { epoch: epoch.clone(), head, oldest, settings });
            if log.epoch != epoch {
                return Err(NotRead::Replaced);
            }
            let is_last = messages.len() < count;
            let now = self.clock.judged();
            for StoredMessage { seq, ts, frame } in messages {
                if now.drops && self.retain.is_past(now.age(ts)) {
                    log.oldest = log.oldest.max(seq.next());
                    if is_older {
                        // Messages before it are past the retention as well.
                        return Ok(side);
                    }
                    at = Some(seq.next());
                    continue;
                }
                let may_exceed = is_first && side.messages.is_empty();
                if side.messages.len() >= limit || (frame.len() > bytes && !may_exceed) {
                    side.has_more = true;
                    return Ok(side);
                }
                bytes = bytes.saturating_sub(frame.len());
                taken = taken.saturating_add(frame.len());
                at = Some(if is_older { seq } else { seq.next() });
                side.messages.push((seq, frame));
            }
            if is_last {
                return Ok(side);
            }
        }
    }

    /// Reads at most `count` messages; `None` if the log has no entry.
    async fn message_slice(
        &self,
        channel: &str,
        query: SideQuery,
        count: usize,
        viewer: &UserId,
    ) -> Result<Option<MessageSlice>, Unavailable> {
        let number = |seq: Option<Seq>| seq.map(|seq| seq.to_string()).unwrap_or_default();
        let filter = match query.filter {
            PageFilter::All => String::new(),
            PageFilter::Pinned => "p".to_owned(),
            PageFilter::Thread(seq) => seq.to_string(),
        };
        let mut read = scripts::MESSAGES.on(&[keys::log(channel), keys::meta(channel)]);
        read.arg(messages_kept(&self.retain)).arg(u8::from(query.is_older)).arg(number(query.split));
        read.arg(number(query.head)).arg(count).arg(filter).arg(viewer.as_str());
        let mut reading = Pipeline::new();
        reading.add_command(read);
        let answers = self.transport.ask(&reading).await?;
        match answers.first().map(reply::items) {
            None => Err(Unavailable),
            Some([]) => Ok(None),
            Some(fields) => MessageSlice::parse(fields).map(Some).ok_or(Unavailable),
        }
    }
}

impl MessageSlice {
    /// Reads the answer of `messages.lua`.
    fn parse(fields: &[Value]) -> Option<Self> {
        let [epoch, head, head_id, settings, oldest, messages] = fields else { return None };
        let id = reply::text(head_id)?.parse::<EntryId>().ok()?;
        Some(Self {
            // A log that lost its epoch gets another one with its next entry.
            epoch: Epoch::new(reply::text(epoch)?).unwrap_or_else(|| Epoch::from_id(id)),
            head: Seq::new(reply::parse(head)?),
            oldest: Seq::new(reply::parse(oldest)?),
            settings: SettingsRecord::parse_optional(settings).ok()?,
            messages: reply::items(messages).iter().map(StoredMessage::parse).collect::<Option<_>>()?,
        })
    }
}

impl StoredMessage {
    fn parse(value: &Value) -> Option<Self> {
        let [seq, _, ts, frame, state, replies, reacted] = reply::items(value) else { return None };
        let state = match reply::text(state)? {
            "" => None,
            text => Some(StateRecord::parse(text)?.state),
        };
        let reacted = reply::text(reacted)?;
        let stored: Arc<str> = reply::text(frame)?.into();
        let has_reacted = |emoji: &_| has_reacted(reacted, emoji);
        let frame = folded_frame(&stored, state.as_ref(), has_reacted, reply::parse(replies)?);
        Some(Self { seq: Seq::new(reply::parse(seq)?), ts: Timestamp::from_millis(reply::parse(ts)?), frame })
    }
}
