//! Changes of a room in memory: what its entries have made of its messages and settings.
//!
//! Everything here belongs to a stored entry, and is dropped with it; only the settings stay.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use realtime_shared::{
    Change, ChangeEntry, Content, Emoji, EntryId, Message, MessageState, Reaction, RoomSettings, Seq,
    SlowMode, Timestamp, UserId,
};

use super::boot_time::BootTime;
use super::mention_index::MentionIndex;

/// Memory of a changed message, of a reaction's user, and of an index entry, estimated.
const MESSAGE_BYTES: usize = 256;
const USER_BYTES: usize = 128;
const INDEX_BYTES: usize = 16;
/// Least number of times of messages that are kept for slow mode before old ones are removed.
const SPARE_TIMES: usize = 1_024;

#[derive(Default)]
pub(super) struct RoomChanges {
    /// Seqs of the stored entries that are not messages, ascending.
    others: VecDeque<Seq>,
    messages: BTreeMap<Seq, ChangedMessage>,
    /// Messages that answer a stored entry.
    threads: HashMap<Seq, Thread>,
    pinned: BTreeSet<Seq>,
    settings: RoomSettings,
    /// Identity of the entry at the `rev` of the settings.
    set_by: Option<(EntryId, Timestamp)>,
    slow_mode: SlowModeTimes,
    mentions: MentionIndex,
    /// Memory without mentions, estimated.
    bytes: usize,
}

/// A message with changes.
#[derive(Default)]
struct ChangedMessage {
    state: MessageState,
    /// Keys of emoji, and the users that have reacted with them.
    reacted: HashSet<(Box<str>, UserId)>,
    edits: Vec<Seq>,
}

impl ChangedMessage {
    fn bytes(&self) -> usize {
        let Self { state, reacted, edits } = self;
        MESSAGE_BYTES + state.text_bytes() + USER_BYTES * reacted.len() + INDEX_BYTES * edits.len()
    }
}

#[derive(Default)]
struct Thread {
    /// Ascending.
    replies: Vec<Seq>,
    /// Number of deleted ones.
    deleted: u64,
}

/// Times since boot of the newest message of each user, in a room with slow mode.
#[derive(Default)]
struct SlowModeTimes(HashMap<UserId, BootTime>);

impl RoomChanges {
    pub(super) fn settings(&self) -> &RoomSettings {
        &self.settings
    }

    /// Identity of the entry that last changed the settings.
    pub(super) fn set_by(&self) -> Option<(EntryId, Timestamp)> {
        self.set_by
    }

    pub(super) fn pins(&self) -> usize {
        self.pinned.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.mentions.bytes()
    }

    /// Number of stored entries that are not messages.
    pub(super) fn others(&self) -> usize {
        self.others.len()
    }

    /// Number of stored entries before `seq` that are not messages.
    pub(super) fn others_before(&self, seq: Seq) -> usize {
        self.others.partition_point(|other| *other < seq)
    }

    pub(super) fn is_message(&self, seq: Seq) -> bool {
        self.others.binary_search(&seq).is_err()
    }

    pub(super) fn state(&self, seq: Seq) -> Option<&MessageState> {
        self.messages.get(&seq).map(|changed| &changed.state)
    }

    pub(super) fn has_reacted(&self, seq: Seq, emoji: &Emoji, user: &UserId) -> bool {
        let Some(changed) = self.messages.get(&seq) else { return false };
        !changed.reacted.is_empty() && changed.reacted.contains(&(emoji.key().into(), user.clone()))
    }

    /// Number of direct replies that are not deleted.
    pub(super) fn replies(&self, seq: Seq) -> u64 {
        self.threads
            .get(&seq)
            .map_or(0, |thread| (thread.replies.len() as u64).saturating_sub(thread.deleted))
    }

    /// A message and its direct replies, ascending.
    pub(super) fn thread(&self, seq: Seq) -> Vec<Seq> {
        let replies = self.threads.get(&seq).map_or(&[][..], |thread| &thread.replies);
        std::iter::once(seq).chain(replies.iter().copied()).collect()
    }

    /// Pinned messages, ascending.
    pub(super) fn pinned(&self) -> Vec<Seq> {
        self.pinned.iter().copied().collect()
    }

    /// Time since the user's newest message, in a room with slow mode.
    pub(super) fn since_last_message(&self, user: &UserId, since_boot: BootTime) -> Option<Duration> {
        self.slow_mode.0.get(user).map(|at| since_boot.since(*at))
    }

    /// Records a message that was stored. `answers` is the stored entry that it answers.
    pub(super) fn add_message(
        &mut self,
        seq: Seq,
        answers: Option<Seq>,
        from: &UserId,
        since_boot: BootTime,
    ) {
        if let Some(target) = answers {
            self.threads.entry(target).or_default().replies.push(seq);
            self.bytes += INDEX_BYTES;
        }
        let interval = self.settings.slow_mode;
        if interval != SlowMode::OFF {
            self.slow_mode.record(from, since_boot, interval);
        }
    }

    /// Records an entry that is not a message. `message` is its target after it.
    pub(super) fn add_change(&mut self, entry: &ChangeEntry, message: Option<&Message>) {
        self.others.push_back(entry.seq);
        if let Change::Room(change) = &entry.change
            && self.settings.apply(change, entry.seq)
        {
            self.set_by = Some((entry.id, entry.ts));
            if self.settings.slow_mode == SlowMode::OFF {
                self.slow_mode = SlowModeTimes::default();
            }
        }
        let Some(message) = message else { return };
        let before = self.messages.get(&message.seq).map_or(0, ChangedMessage::bytes);
        let was_deleted = self.state(message.seq).is_some_and(MessageState::is_deleted);
        let changed = self.messages.entry(message.seq).or_default();
        let known = (before > 0).then_some(&changed.state);
        changed.state = MessageState::after(known, entry, message);
        match &entry.change {
            Change::Reaction(Reaction { emoji, removed, .. }) => {
                let row = (emoji.key().into(), entry.from.clone());
                if *removed {
                    changed.reacted.remove(&row);
                } else {
                    changed.reacted.insert(row);
                }
            }
            Change::Edit(_) => changed.edits.push(entry.seq),
            Change::Delete(_) => {
                changed.reacted = HashSet::new();
                self.mentions.take(message.seq);
            }
            Change::Pin(_) | Change::Room(_) => {}
        }
        self.bytes = self.bytes + changed.bytes() - before;
        if changed.state.is_pinned() {
            self.pinned.insert(message.seq);
        } else {
            self.pinned.remove(&message.seq);
        }
        if message.deleted.is_some()
            && !was_deleted
            && let Some(thread) = message.reply_to.and_then(|target| self.threads.get_mut(&target))
            && thread.replies.binary_search(&message.seq).is_ok()
        {
            thread.deleted += 1;
        }
    }

    /// Replaces the mentions of a message. Returns the users whom it did not mention before.
    pub(super) fn set_mentions(&mut self, message: Seq, users: Vec<UserId>) -> Vec<UserId> {
        self.mentions.set(message, users)
    }

    /// The messages from `first` on that mention the user, ascending.
    pub(super) fn mentions_of(&self, user: &UserId, first: Seq) -> impl Iterator<Item = Seq> {
        self.mentions.of(user, first)
    }

    /// The stored entries with a text of the message: itself and its edits.
    pub(super) fn with_text_of(&self, seq: Seq) -> Vec<Seq> {
        let edits = self.messages.get(&seq).map_or(&[][..], |changed| &changed.edits);
        std::iter::once(seq).chain(edits.iter().copied()).collect()
    }

    /// Forgets the oldest stored entry.
    pub(super) fn drop_entry(&mut self, seq: Seq) {
        if self.others.front() == Some(&seq) {
            self.others.pop_front();
        }
        if let Some(changed) = self.messages.remove(&seq) {
            self.bytes = self.bytes.saturating_sub(changed.bytes());
        }
        if let Some(thread) = self.threads.remove(&seq) {
            self.bytes = self.bytes.saturating_sub(INDEX_BYTES * thread.replies.len());
        }
        self.pinned.remove(&seq);
        self.mentions.take(seq);
    }
}

impl SlowModeTimes {
    fn record(&mut self, user: &UserId, since_boot: BootTime, interval: SlowMode) {
        let is_full = self.0.len() == self.0.capacity() && self.0.len() >= SPARE_TIMES;
        if is_full && !self.0.contains_key(user) {
            let interval = Duration::from_secs(interval.seconds().into());
            self.0.retain(|_, at| since_boot.since(*at) < interval);
        }
        self.0.insert(user.clone(), since_boot);
    }
}

/// The emoji of a reaction.
pub(super) fn emoji_of(content: &Content) -> Option<&Emoji> {
    match content {
        Content::Change(Change::Reaction(Reaction { emoji, .. })) => Some(emoji),
        Content::Message(_)
        | Content::Change(Change::Edit(_) | Change::Delete(_) | Change::Pin(_) | Change::Room(_)) => None,
    }
}
