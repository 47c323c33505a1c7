//! Pages of messages from a log in memory.

use std::sync::Arc;

use realtime_shared::{Covers, Seq, UserId};

use super::boot_time::BootTime;
use super::changes::RoomChanges;
use super::log::MemoryLog;
use crate::broker::folding::folded_frame;
use crate::broker::{MessagePage, PageFilter, PageQuery, PageRange};
use crate::config::Retain;

/// Messages of one side of a page, in the order in which they were taken.
struct Side {
    messages: Vec<(Seq, Arc<str>)>,
    has_more: bool,
}

impl Side {
    /// Takes messages in the order of `candidates`, within the limits; one at least, if `is_first`.
    fn take(
        candidates: impl Iterator<Item = Seq>,
        limit: usize,
        bytes: &mut usize,
        is_first: bool,
        frame: impl Fn(Seq) -> Option<Arc<str>>,
    ) -> Self {
        let mut messages = Vec::new();
        for (seq, frame) in candidates.filter_map(|seq| Some((seq, frame(seq)?))) {
            let may_exceed = is_first && messages.is_empty();
            if messages.len() >= limit || (frame.len() > *bytes && !may_exceed) {
                return Self { messages, has_more: true };
            }
            *bytes = bytes.saturating_sub(frame.len());
            messages.push((seq, frame));
        }
        Self { messages, has_more: false }
    }
}

impl MemoryLog {
    /// Reads messages with their changes, as `viewer` sees them. Leaves out entries beyond the retention that are still
    /// stored.
    pub(super) fn message_page(
        &self,
        query: PageQuery,
        viewer: &UserId,
        retain: &Retain,
        since_boot: BootTime,
    ) -> MessagePage {
        let PageQuery { range, filter, limit, mut bytes } = query;
        let head = self.position().seq();
        let oldest = Seq::new(self.first().get() + self.expired(retain, since_boot) as u64);
        let frame = |seq: Seq| self.message_frame(seq, viewer);
        // The page ends with the entry before `split` and begins with the one at it; both sides are seqs of the log.
        let (split, takes_older, takes_newer) = match range {
            PageRange::Newest => (head.next(), true, false),
            PageRange::Before(seq) => (seq.clamp(oldest, head.next()), true, false),
            PageRange::After(seq) => (seq.next().clamp(oldest, head.next()), false, true),
            PageRange::Around(seq) => (seq.next().clamp(oldest, head.next()), true, true),
        };
        let listed = match filter {
            PageFilter::All => None,
            PageFilter::Thread(seq) => Some(self.thread(seq)),
            PageFilter::Pinned => {
                Some(self.changes.as_ref().map_or_else(Vec::new, |changes| changes.pinned()))
            }
        };
        let within = |from: Seq, to: Seq| -> Box<dyn DoubleEndedIterator<Item = Seq> + '_> {
            match &listed {
                Some(seqs) => Box::new(seqs.iter().copied().filter(move |seq| (from..to).contains(seq))),
                None => Box::new((from.get()..to.get()).map(Seq::new).filter(|seq| self.is_message(*seq))),
            }
        };
        let none = || Side { messages: Vec::new(), has_more: false };
        let (older_limit, mut older_bytes) =
            if takes_newer { (limit.div_ceil(2), bytes / 2) } else { (limit, bytes) };
        let older = if takes_older {
            let before = older_bytes;
            let side = Side::take(within(oldest, split).rev(), older_limit, &mut older_bytes, true, frame);
            bytes = bytes.saturating_sub(before - older_bytes);
            side
        } else {
            none()
        };
        let newer = if takes_newer {
            let (is_first, limit) = (older.messages.is_empty(), limit.saturating_sub(older.messages.len()));
            Side::take(within(split, head.next()), limit, &mut bytes, is_first, frame)
        } else {
            none()
        };
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
        let settings = self.changes.as_deref().map(RoomChanges::settings).filter(|it| it.rev > Seq::ZERO);
        MessagePage {
            epoch: self.epoch.clone(),
            messages: messages.collect(),
            has_more: if takes_older { older.has_more } else { newer.has_more },
            has_newer: takes_older && takes_newer && newer.has_more,
            covers: Some(Covers { from, to, as_of: head }),
            settings: settings.cloned(),
        }
    }

    pub(super) fn is_message(&self, seq: Seq) -> bool {
        self.changes.as_ref().is_none_or(|changes| changes.is_message(seq))
    }

    /// A message and its direct replies; nothing if the room does not have the message.
    fn thread(&self, seq: Seq) -> Vec<Seq> {
        match &self.changes {
            _ if self.stored(seq).is_none() || !self.is_message(seq) => Vec::new(),
            Some(changes) => changes.thread(seq),
            None => vec![seq],
        }
    }

    /// The frame of a stored message, with its changes.
    pub(super) fn message_frame(&self, seq: Seq, viewer: &UserId) -> Option<Arc<str>> {
        let stored = &self.stored(seq)?.json;
        let Some(changes) = &self.changes else { return Some(stored.clone()) };
        let has_reacted = |emoji: &_| changes.has_reacted(seq, emoji, viewer);
        Some(folded_frame(stored, changes.state(seq), has_reacted, changes.replies(seq)))
    }
}
