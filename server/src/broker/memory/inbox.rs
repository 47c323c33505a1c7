//! Inboxes from logs in memory.

use realtime_shared::{DirectPair, InboxRoom, Seq, Timestamp, UserId};

use super::boot_time::BootTime;
use super::changes::RoomChanges;
use super::log::{MemoryLog, StoredEntry};
use crate::broker::inbox::{MAX_UNREAD, Standing, shown};
use crate::broker::read_marker::ReadMarker;
use crate::config::Retain;

impl MemoryLog {
    /// The standing of a user in the room.
    pub(super) fn standing(&self, user: &UserId, retain: &Retain, since_boot: BootTime) -> Standing {
        let marker = self.readers.marker(user).unwrap_or(ReadMarker::NONE);
        let unread = self.unread_from(marker, retain, since_boot);
        Standing {
            is_direct: self.readers.pair().is_some_and(|pair| pair.other_of(user).is_some()),
            marker,
            mentions: self.mentions_of(user, unread).count() as u64,
            oldest_unread: self.message_from(unread).and_then(|seq| self.accepted_at(seq)),
            newest: self.last_ts(),
        }
    }

    /// The room as the inbox of the user shows it; `None` if the room is not in it.
    pub(super) fn inbox_room(
        &self,
        user: &UserId,
        retain: &Retain,
        since_boot: BootTime,
    ) -> Option<InboxRoom> {
        let standing = self.standing(user, retain, since_boot);
        standing.rank()?;
        let unread = self.unread_from(standing.marker, retain, since_boot);
        let oldest = self.oldest_readable(retain, since_boot);
        let newest = self.newest_message().filter(|seq| *seq >= oldest);
        Some(InboxRoom {
            room: self.room.clone(),
            user_id: self.readers.pair().and_then(|pair| DirectPair::other_of(pair, user)).cloned(),
            unread: self.messages_from(unread).min(MAX_UNREAD),
            mentions: standing.mentions.min(MAX_UNREAD),
            first_mention_seq: self.mentions_of(user, unread).next(),
            read_seq: standing.marker.seq,
            position: self.position(),
            last: newest.and_then(|seq| self.folded_message(seq)).map(shown),
        })
    }

    /// True if the log knows nothing of the user.
    pub(super) fn is_unknown_to(&self, user: &UserId) -> bool {
        self.readers.marker(user).is_none() && self.mentions_of(user, Seq::ZERO).next().is_none()
    }

    fn oldest_readable(&self, retain: &Retain, since_boot: BootTime) -> Seq {
        Seq::new(self.first().get() + self.expired(retain, since_boot) as u64)
    }

    /// The seq from which on the entries are unread, and still readable.
    fn unread_from(&self, marker: ReadMarker, retain: &Retain, since_boot: BootTime) -> Seq {
        marker.seq.next().max(self.oldest_readable(retain, since_boot))
    }

    fn mentions_of(&self, user: &UserId, from: Seq) -> impl Iterator<Item = Seq> {
        self.changes.as_deref().map(|changes| changes.mentions_of(user, from)).into_iter().flatten()
    }

    /// Number of messages from `first` to the head.
    fn messages_from(&self, first: Seq) -> u64 {
        let entries = self.position().seq().next().checked_since(first).unwrap_or(0);
        entries - self.changes.as_ref().map_or(0, |changes| changes.others_from(first))
    }

    /// The first message from `first` on.
    fn message_from(&self, first: Seq) -> Option<Seq> {
        let mut seq = first;
        if let Some(changes) = &self.changes {
            seq = changes.first_that_is_no_other(seq);
        }
        (seq <= self.position().seq()).then_some(seq)
    }

    fn newest_message(&self) -> Option<Seq> {
        let head = self.position().seq();
        let newest = self.changes.as_deref().map_or(head, |changes| changes.last_that_is_no_other(head));
        (newest > Seq::ZERO).then_some(newest)
    }

    /// Time of an entry, which is in its id.
    fn accepted_at(&self, seq: Seq) -> Option<Timestamp> {
        self.stored(seq).map(StoredEntry::accepted_at)
    }
}

impl RoomChanges {
    /// Number of stored entries from `first` on that are not messages.
    fn others_from(&self, first: Seq) -> u64 {
        let (before, all) = (self.others_before(first), self.others());
        (all - before) as u64
    }

    /// The first seq from `seq` on at which there is no stored entry of another kind than a message.
    fn first_that_is_no_other(&self, mut seq: Seq) -> Seq {
        while !self.is_message(seq) {
            seq = seq.next();
        }
        seq
    }

    /// The last seq up to `seq` at which there is no stored entry of another kind than a message.
    fn last_that_is_no_other(&self, mut seq: Seq) -> Seq {
        while !self.is_message(seq) {
            seq = seq.previous();
        }
        seq
    }
}
