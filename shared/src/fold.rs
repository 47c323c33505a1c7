//! The fold: the state of a message is its entry with all later entries that target it.
//!
//! [`Message::apply`] is the only place that knows the effect of an entry on a message. Servers and clients use it. Two of
//! its rules let pages of history and live entries cross in any order:
//!
//! - An entry up to the `rev` of a message has no effect: the message has it already.
//! - A deleted message has no other changes: neither earlier nor later ones have an effect.
//!
//! A client that receives a page holds back entries for messages that it does not have, as long as the page is on its
//! way. It then applies those after the page's `as_of`. Of two versions of a message it keeps the one with the larger `rev`.
//!
//! Entries that would change nothing are not in a log ([`rules`](crate::rules)). So a reaction always changes its count by
//! one, and the fold needs no list of all users.

use serde::{Deserialize, Serialize};

use crate::content::{Change, Delete, Edit, Pin, Reaction};
use crate::entry_event::{ChangeEntry, EntryEvent};
use crate::field::Mentions;
use crate::message::{Deleted, Message, ReactionCount};
use crate::name::{Text, UserId};
use crate::omit::is_false;
use crate::position::Seq;
use crate::timestamp::Timestamp;

/// Most users that a reaction names.
pub const NAMED_USERS: usize = 20;

impl Message {
    /// Applies an entry. Returns false, and does nothing, if the entry does not change this message.
    ///
    /// `viewer` is the user for whom `mine` of the reactions is kept.
    pub fn apply(&mut self, entry: &ChangeEntry, viewer: Option<&UserId>) -> bool {
        if entry.change.target().is_none_or(|(target, _)| target != self.seq) || entry.seq <= self.rev() {
            return false;
        }
        match &entry.change {
            Change::Delete(Delete { .. }) => self.delete(&entry.from, entry.ts),
            _ if self.deleted.is_some() => return false,
            // The deletion follows the edit.
            Change::Edit(Edit { deleted: true, .. }) | Change::Room(_) => return false,
            Change::Edit(Edit { text, mentions, .. }) => {
                self.text = text.clone();
                self.mentions.clone_from(mentions);
                self.edited_ts = Some(entry.ts);
            }
            Change::Reaction(reaction) => self.react(reaction, &entry.from, viewer == Some(&entry.from)),
            Change::Pin(Pin { removed, .. }) => self.pinned = !removed,
        }
        self.rev = Some(entry.seq);
        true
    }

    fn delete(&mut self, by: &UserId, ts: Timestamp) {
        self.text = Text::deleted();
        self.mentions = None;
        self.edited_ts = None;
        self.reactions = Vec::new();
        self.pinned = false;
        self.deleted = Some(Deleted { by: by.clone(), ts });
    }

    fn react(&mut self, reaction: &Reaction, user: &UserId, is_viewer: bool) {
        let Reaction { emoji, removed, .. } = reaction;
        let known = self.reactions.iter().position(|known| known.emoji == *emoji);
        match (known, removed) {
            (None, true) => {}
            (None, false) => self.reactions.push(ReactionCount {
                emoji: emoji.clone(),
                count: 1,
                mine: is_viewer,
                users: vec![user.clone()],
            }),
            (Some(index), true) => {
                let known = &mut self.reactions[index];
                known.count = known.count.saturating_sub(1);
                known.mine &= !is_viewer;
                known.users.retain(|named| named != user);
                if known.count == 0 {
                    self.reactions.remove(index);
                }
            }
            (Some(index), false) => {
                let known = &mut self.reactions[index];
                known.count = known.count.saturating_add(1);
                known.mine |= is_viewer;
                if known.users.len() < NAMED_USERS && !known.users.contains(user) {
                    known.users.push(user.clone());
                }
            }
        }
    }

    /// Returns true if both have the same state. The named users of reactions and the number of replies are not part of it.
    #[must_use]
    pub fn has_state_of(&self, other: &Self) -> bool {
        let state = |message: &Self| {
            let mut message = message.clone();
            message.replies = 0;
            message.reactions.iter_mut().for_each(|reaction| reaction.users.clear());
            message
        };
        state(self) == state(other)
    }

    /// The entry that replaces a message in the log after its deletion. It keeps the place of the message, its sender and
    /// what it answered.
    #[must_use]
    pub fn tombstone(&self, by: &UserId, ts: Timestamp) -> Self {
        let mut tombstone = Self { rev: None, replies: 0, ..self.clone() };
        tombstone.delete(by, ts);
        tombstone
    }
}

impl ChangeEntry {
    /// The entry that replaces an edit in the log after the deletion of its message. `None` for other kinds, which have no
    /// text of the message.
    #[must_use]
    pub fn tombstone(&self) -> Option<Self> {
        let Change::Edit(Edit { target, .. }) = &self.change else { return None };
        let edit =
            Edit { target: *target, target_id: None, text: Text::deleted(), mentions: None, deleted: true };
        Some(Self { change: Change::Edit(edit), ..self.clone() })
    }
}

impl EntryEvent {
    /// The entry that replaces this one in the log after the deletion of its message.
    #[must_use]
    pub fn tombstone(&self, by: &UserId, ts: Timestamp) -> Option<Self> {
        match self {
            Self::Message(message) => Some(Self::Message(message.tombstone(by, ts))),
            Self::Change(entry) => entry.tombstone().map(Self::Change),
        }
    }
}

/// The effect of all later entries on a message, for a store. A message without such entries has no state.
///
/// The users of a reaction are not here: a store keeps them one by one, and sets `mine` from them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MessageState {
    /// `None`: the text and the mentions are those of the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Text>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mentions: Option<Mentions>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    edited_ts: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deleted: Option<Deleted>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionCount>,
    #[serde(default, skip_serializing_if = "is_false")]
    pinned: bool,
    /// The newest entry that changed the message.
    rev: Seq,
    /// Number of edits.
    #[serde(default, skip_serializing_if = "is_none_yet")]
    edits: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none_yet(edits: &u32) -> bool {
    *edits == 0
}

impl MessageState {
    /// The state after `entry`, which was applied to `message`. `before` is the state before it.
    #[must_use]
    pub fn after(before: Option<&Self>, entry: &ChangeEntry, message: &Message) -> Self {
        let is_edit = matches!(entry.change, Change::Edit(_));
        let is_edited = message.edited_ts.is_some();
        Self {
            text: is_edited.then(|| message.text.clone()),
            mentions: message.mentions.clone().filter(|_| is_edited),
            edited_ts: message.edited_ts,
            deleted: message.deleted.clone(),
            reactions: message.reactions.clone(),
            pinned: message.pinned,
            rev: message.rev(),
            edits: before.map_or(0, |before| before.edits).saturating_add(u32::from(is_edit)),
        }
    }

    /// The message with this state. `message` is the entry as it is stored.
    #[must_use]
    pub fn restore(&self, mut message: Message) -> Message {
        if let Some(text) = &self.text {
            message.text = text.clone();
            message.mentions.clone_from(&self.mentions);
        }
        message.edited_ts = self.edited_ts;
        if let Some(Deleted { by, ts }) = &self.deleted {
            message.delete(by, *ts);
        }
        message.reactions.clone_from(&self.reactions);
        message.pinned = self.pinned;
        message.rev = Some(self.rev);
        message
    }

    /// The newest entry that changed the message.
    #[must_use]
    pub const fn rev(&self) -> Seq {
        self.rev
    }

    /// The same state with another number of the newest entry, for a store that numbers the entry after the fold.
    #[must_use]
    pub fn with_rev(self, rev: Seq) -> Self {
        Self { rev, ..self }
    }

    /// Number of edits.
    #[must_use]
    pub const fn edits(&self) -> u32 {
        self.edits
    }

    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted.is_some()
    }

    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// Bytes of its texts and names, for bounds on memory.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let text = self.text.as_ref().map_or(0, |text| text.as_str().len());
        let mentions = self.mentions.as_ref().map_or(0, |mentions| mentions.users().len());
        let reactions = self.reactions.iter().map(|reaction| 1 + reaction.users.len()).sum::<usize>();
        text + size_of::<ReactionCount>() * reactions + size_of::<UserId>() * mentions
    }

    #[must_use]
    pub fn reactions(&self) -> &[ReactionCount] {
        &self.reactions
    }
}
