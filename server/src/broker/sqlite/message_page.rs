//! Pages of messages with their changes, read from the file.

use std::collections::HashSet;
use std::sync::Arc;

use realtime_shared::{Covers, Emoji, RoomName, RoomSettings, Seq, UserId};
use rusqlite::Result;

use super::retained;
use crate::broker::folding::folded_frame;
use crate::broker::{MessagePage, PageFilter, PageQuery, PageRange};
use crate::config::Retain;
use crate::store::{EntryKey, RoomId, View};

/// Messages of one side of a page, in the order in which they were taken.
#[derive(Default)]
struct Side {
    messages: Vec<(Seq, Arc<str>)>,
    has_more: bool,
}

impl Side {
    /// Takes messages in the order of `next`, within the limits; one at least, if `is_first`.
    fn take(
        log: &MessageLog<'_>,
        mut next: impl FnMut() -> Result<Option<Seq>>,
        limit: usize,
        bytes: &mut usize,
        is_first: bool,
    ) -> Result<Self> {
        let mut messages = Vec::new();
        while let Some(seq) = next()? {
            let Some(frame) = log.frame(seq)? else { continue };
            let may_exceed = is_first && messages.is_empty();
            if messages.len() >= limit || (frame.len() > *bytes && !may_exceed) {
                return Ok(Self { messages, has_more: true });
            }
            *bytes = bytes.saturating_sub(frame.len());
            messages.push((seq, frame));
        }
        Ok(Self { messages, has_more: false })
    }

    fn end(&self) -> Option<Seq> {
        self.messages.last().map(|(seq, _)| *seq)
    }
}

/// A room's log in one snapshot, for one viewer.
struct MessageLog<'a> {
    view: View<'a>,
    room: RoomId,
    /// Oldest seq that can be read; one past the head if there is none.
    oldest: Seq,
    head: Seq,
    viewer: &'a UserId,
}

/// Reads messages with their changes, as `viewer` sees them. Leaves out entries beyond the retention that are still in the
/// file.
pub(super) fn message_page(
    view: View<'_>,
    room: &RoomName,
    query: PageQuery,
    viewer: &UserId,
    retain: &Retain,
) -> Result<MessagePage> {
    let Some((row, head)) = view.room(room)? else { return Ok(MessagePage::of_new_room()) };
    let (head, end) = (head.seq, head.seq.next());
    let oldest = retained::oldest(view, row.id, (row.first, head), retain)?.min(end);
    let log = MessageLog { view, room: row.id, oldest, head, viewer };
    let PageQuery { range, filter, limit, mut bytes } = query;
    // The page ends with the entry before `split` and begins with the one at it; both sides are seqs of the log.
    let (split, takes_older, takes_newer) = match range {
        PageRange::Newest => (end, true, false),
        PageRange::Before(seq) => (seq.clamp(oldest, end), true, false),
        PageRange::After(seq) => (seq.next().clamp(oldest, end), false, true),
        PageRange::Around(seq) => (seq.next().clamp(oldest, end), true, true),
    };
    let (older_limit, mut older_bytes) =
        if takes_newer { (limit.div_ceil(2), bytes / 2) } else { (limit, bytes) };
    let mut older = Side::default();
    if takes_older {
        let before = older_bytes;
        older = log.older(filter, split, older_limit, &mut older_bytes)?;
        bytes = bytes.saturating_sub(before - older_bytes);
    }
    let mut newer = Side::default();
    if takes_newer {
        let (is_first, limit) = (older.messages.is_empty(), limit.saturating_sub(older.messages.len()));
        newer = log.newer(filter, split, limit, &mut bytes, is_first)?;
    }
    let from = match (takes_older, older.has_more) {
        (true, true) => older.end().unwrap_or(split),
        (true, false) => oldest,
        (false, _) => split,
    };
    let to = match (takes_newer, newer.has_more) {
        (true, true) => newer.end().unwrap_or(split.previous()),
        (true, false) => head,
        (false, _) => split.previous(),
    };
    let settings: Option<RoomSettings> = view.settings(row.id)?.map(|row| row.settings);
    Ok(MessagePage {
        epoch: Some(row.epoch),
        has_more: if takes_older { older.has_more } else { newer.has_more },
        has_newer: takes_older && takes_newer && newer.has_more,
        messages: older.messages.into_iter().rev().chain(newer.messages).map(|(_, frame)| frame).collect(),
        covers: Some(Covers { from, to, as_of: head }),
        settings,
    })
}

impl MessageLog<'_> {
    /// Takes the newest messages before `split`.
    fn older(&self, filter: PageFilter, split: Seq, limit: usize, bytes: &mut usize) -> Result<Side> {
        if split <= self.oldest {
            return Ok(Side::default());
        }
        if let Some(listed) = self.listed(filter, (self.oldest, split.previous()), true, limit)? {
            let mut listed = listed.into_iter();
            return Side::take(self, || Ok(listed.next()), limit, bytes, true);
        }
        let mut at = split.previous();
        let next = || {
            let found = self.view.message_up_to(self.room, self.oldest, at)?;
            at = found.map_or(Seq::ZERO, Seq::previous);
            Ok(found)
        };
        Side::take(self, next, limit, bytes, true)
    }

    /// Takes the oldest messages from `split` on.
    fn newer(
        &self,
        filter: PageFilter,
        split: Seq,
        limit: usize,
        bytes: &mut usize,
        is_first: bool,
    ) -> Result<Side> {
        if split > self.head {
            return Ok(Side::default());
        }
        if let Some(listed) = self.listed(filter, (split, self.head), false, limit)? {
            let mut listed = listed.into_iter();
            return Side::take(self, || Ok(listed.next()), limit, bytes, is_first);
        }
        let mut at = split;
        let next = || {
            let found = self.view.message_from(self.room, at, self.head)?;
            at = found.map_or(self.head, |seq| seq).next();
            Ok(found)
        };
        Side::take(self, next, limit, bytes, is_first)
    }

    /// The messages that pass a filter, between two seqs, inclusive, from one end, one more than the limit; `None` if all
    /// messages pass.
    fn listed(
        &self,
        filter: PageFilter,
        (from, to): (Seq, Seq),
        newest_first: bool,
        limit: usize,
    ) -> Result<Option<Vec<Seq>>> {
        let between = (self.room.key(from), self.room.key(to));
        Ok(match filter {
            PageFilter::All => None,
            PageFilter::Pinned => Some(self.view.pinned_between(between, newest_first)?),
            PageFilter::Thread(seq) if (self.oldest..=self.head).contains(&seq) => {
                let key = self.room.key(seq);
                if !self.view.is_message(key)? {
                    return Ok(Some(Vec::new()));
                }
                let more = limit.saturating_add(1);
                let mut seqs = self.view.replies_between(key, between, newest_first, more)?;
                if (from..=to).contains(&seq) {
                    seqs.insert(if newest_first { seqs.len() } else { 0 }, seq);
                }
                Some(seqs)
            }
            PageFilter::Thread(_) => Some(Vec::new()),
        })
    }

    /// The frame of a message, with its changes; `None` if the room does not have it.
    fn frame(&self, seq: Seq) -> Result<Option<Arc<str>>> {
        frame(self.view, self.room.key(seq), self.viewer)
    }
}

/// The frame of a message, with its changes; `None` if the room does not have it.
pub(super) fn frame(view: View<'_>, key: EntryKey, viewer: &UserId) -> Result<Option<Arc<str>>> {
    let Some(stored) = view.frame(key)?.map(Arc::from) else { return Ok(None) };
    let state = view.state(key)?;
    let reacted = match &state {
        Some(state) if !state.reactions().is_empty() => view.reactions(key, viewer)?,
        Some(_) | None => HashSet::new(),
    };
    let has_reacted = |emoji: &Emoji| reacted.contains(&*emoji.key());
    Ok(Some(folded_frame(&stored, state.as_ref(), has_reacted, view.replies(key)?)))
}
