//! Read positions: the unread count, the ruler above new messages, and the position that is saved.
//!
//! ```text
//!  read ≤ newest ≤ head            positions in the room's log
//!   │        │        └ the server's newest entry at the join
//!   │        └ the newest entry that arrived
//!   └ the newest entry that the user saw; saved for the next start, see [`ReadMark`]
//! ```
//!
//! Entries that arrive, or were missed and are not replayed, are unread until the user sees them: until they are on the screen
//! while the user looks at it ([`Attention`](crate::app::attention::Attention)), or until the user writes here elsewhere.

use realtime_shared::{Position, Recovery, Seq};

use super::unseen::{Unseen, UnseenItem};
use crate::app::rooms::timeline::ItemKey;

/// The ruler above the messages that were new when the room was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ruler {
    /// The last item that the user had seen.
    pub after: ItemKey,
    /// Number of new messages.
    pub count: u64,
}

/// The read position of a room, to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadMark {
    /// After the last entry that the user saw.
    pub position: Position,
    /// The log has changed, so earlier marks are void. Otherwise a mark is never before an earlier one.
    pub anew: bool,
}

/// The reading state of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Number of unread messages.
    pub unread: u64,
    /// Number of unread messages that name the user.
    pub mentions: u64,
    /// Stays at its place while the user looks at the room.
    pub ruler: Option<Ruler>,
    /// After the newest entry that arrived; `None` before the first join of a new user.
    newest: Option<Position>,
    /// After the newest entry that the user saw.
    read: Option<Position>,
    /// The last item that the user saw.
    seen: ItemKey,
    /// Entries and notices after that.
    unseen: Unseen,
    /// Entries replayed now were missed between two runs of the program.
    is_returning: bool,
    /// Missed entries that are not replayed are counted up to this seq. A lost connection repeats the join, not the
    /// count.
    counted: u64,
    /// `read` has changed and was not taken for saving yet.
    unsaved: Option<UnsavedMark>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct UnsavedMark {
    anew: bool,
}

/// An entry that arrived, reduced to the facts about reading.
#[derive(Debug, Clone)]
pub(in crate::app) struct NewEntry {
    /// After the entry; `None` if the epoch is not known.
    pub(in crate::app) position: Option<Position>,
    /// Another user sent the message.
    pub(in crate::app) is_from_other: bool,
    /// The message names the user.
    pub(in crate::app) mention: bool,
    /// The entry was missed before.
    pub(in crate::app) replayed: bool,
}

impl Reading {
    /// Creates the state of a room that an earlier run read up to `kept`.
    #[must_use]
    pub fn since(kept: Option<Position>) -> Self {
        let seen = kept.as_ref().map(|position| ItemKey::message(position.seq())).unwrap_or_default();
        Self { newest: kept.clone(), read: kept, seen, ..Self::default() }
    }

    /// Returns the position after the newest entry that arrived.
    #[must_use]
    pub const fn newest(&self) -> Option<&Position> {
        self.newest.as_ref()
    }

    /// Returns the position after the newest entry that the user saw.
    #[must_use]
    pub const fn read(&self) -> Option<&Position> {
        self.read.as_ref()
    }

    /// Handles a join. Returns the number of missed entries that are not replayed. `was_in` means that this run of
    /// the program was in the room before the connection was lost.
    pub(in crate::app) fn joined(
        &mut self,
        head: Option<&Position>,
        recovery: Option<Recovery>,
        was_in: bool,
        is_looked_at: bool,
    ) -> u64 {
        let Some(recovery) = recovery else {
            if self.newest.is_none() {
                // Messages before the first join are history, not new.
                self.newest = head.cloned();
                self.seen = head.map(|head| ItemKey::message(head.seq())).unwrap_or_default();
                self.mark_read();
            }
            return 0;
        };
        if matches!(recovery, Recovery::Reset { .. }) {
            self.start_new_log(head.filter(|_| recovery.replayed() == 0));
        }
        let newest = self.newest_seq().get();
        let last_lacking = head.map_or(0, |head| head.seq().get()).saturating_sub(recovery.replayed());
        self.is_returning = !was_in;
        let missing = last_lacking.saturating_sub(newest.max(self.counted));
        if missing > 0 {
            let key = ItemKey::message(Seq::new(last_lacking));
            self.unseen.add_missing(UnseenItem { key, position: None, unread: missing, mentions: 0 });
            self.add_unread(missing, 0, is_looked_at);
        }
        self.counted = self.counted.max(last_lacking);
        last_lacking.saturating_sub(newest)
    }

    /// Handles a new log. Nothing of it arrived, or all up to `head`.
    fn start_new_log(&mut self, head: Option<&Position>) {
        *self = Self {
            newest: Some(head.cloned().unwrap_or_default()),
            read: Some(Position::Start),
            unsaved: Some(UnsavedMark { anew: true }),
            ..Self::default()
        };
    }

    /// Handles a log that continues differently after `from`, up to `head`. The new entries are replayed.
    pub(in crate::app) fn log_changed(&mut self, from: Seq, head: &Position) {
        self.unseen.forget_after(ItemKey::end_of(from));
        (self.unread, self.mentions) = self.unseen.counts();
        self.ruler = None;
        self.counted = self.counted.min(from.get());
        self.newest = (head.seq() <= from).then(|| head.clone());
        self.seen = self.seen.min(ItemKey::end_of(from));
        if self.read.as_ref().is_some_and(|read| read.seq() > from) {
            self.read.clone_from(&self.newest);
            self.unsaved = Some(UnsavedMark { anew: true });
        }
    }

    /// Handles a new entry. Returns false if it arrived before.
    pub(in crate::app) fn add_entry(&mut self, seq: Seq, entry: &NewEntry, is_looked_at: bool) -> bool {
        if self.newest.is_some() && seq <= self.newest_seq() {
            return false;
        }
        if let Some(position) = &entry.position {
            self.newest = Some(position.clone());
        }
        self.is_returning &= entry.replayed;
        let (unread, mentions) = if entry.is_from_other { (1, u64::from(entry.mention)) } else { (0, 0) };
        let (key, position) = (ItemKey::message(seq), entry.position.clone());
        self.unseen.add(UnseenItem { key, position, unread, mentions });
        self.add_unread(unread, mentions, is_looked_at);
        true
    }

    /// Counts a notice as unread. It is not an entry of the log; its item is `key`.
    pub(in crate::app) fn add_notice(&mut self, key: ItemKey) {
        self.unseen.add(UnseenItem { key, position: None, unread: 1, mentions: 0 });
        self.add_unread(1, 0, false);
    }

    /// Counts entries as unread. Those that were missed between two runs go below a ruler, also if the user looks at the
    /// room already.
    fn add_unread(&mut self, count: u64, mentions: u64, is_looked_at: bool) {
        self.unread = self.unread.saturating_add(count);
        self.mentions = self.mentions.saturating_add(mentions);
        if is_looked_at && self.is_returning && count > 0 {
            let ruler = self.ruler.get_or_insert(Ruler { after: self.seen, count: 0 });
            ruler.count = ruler.count.saturating_add(count);
        }
    }

    /// Handles the moment at which the user begins to look at the room: unread messages go below a ruler.
    pub(in crate::app) fn begin(&mut self) {
        if self.unread > 0 {
            self.ruler = Some(Ruler { after: self.seen, count: self.unread });
        }
    }

    /// Marks all items as seen. `last` is the last one.
    pub(in crate::app) fn see_all(&mut self, last: ItemKey) {
        self.seen = self.seen.max(last);
        if !self.unseen.is_empty() {
            self.unseen = Unseen::default();
        }
        (self.unread, self.mentions) = (0, 0);
        self.mark_read();
    }

    /// Marks the items up to `last` as seen.
    pub(in crate::app) fn see(&mut self, last: ItemKey) {
        self.seen = self.seen.max(last);
        if let Some(UnseenItem { position, unread, mentions, .. }) = self.unseen.see(last) {
            self.unread = self.unread.saturating_sub(unread);
            self.mentions = self.mentions.saturating_sub(mentions);
            if let Some(position) = position.filter(|_| !self.unseen.is_empty()) {
                self.read = Some(position);
                self.unsaved.get_or_insert(UnsavedMark { anew: false });
            }
        }
        if self.unseen.is_empty() {
            self.mark_read();
        }
    }

    /// Handles a message of the user from another client: the user has seen the room up to it.
    pub(in crate::app) fn see_elsewhere(&mut self, seq: Seq) {
        let key = ItemKey::message(seq);
        self.ruler.take_if(|ruler| ruler.after < key);
        self.see(key);
    }

    fn mark_read(&mut self) {
        if self.read != self.newest {
            self.read.clone_from(&self.newest);
            self.unsaved.get_or_insert(UnsavedMark { anew: false });
        }
    }

    /// Takes the mark to save, if it has changed.
    pub(in crate::app) fn take_mark(&mut self) -> Option<ReadMark> {
        let position = self.read.clone()?;
        let UnsavedMark { anew } = self.unsaved.take()?;
        Some(ReadMark { position, anew })
    }

    fn newest_seq(&self) -> Seq {
        self.newest.as_ref().map_or(Seq::ZERO, Position::seq)
    }
}
