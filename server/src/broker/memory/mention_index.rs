//! Mentions in the stored messages of a room.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use realtime_shared::{Seq, UserId};

/// Memory of a mention, estimated.
const MENTION_BYTES: usize = 96;

#[derive(Default)]
pub(super) struct MentionIndex {
    messages: BTreeMap<Seq, Vec<UserId>>,
    users: HashMap<UserId, BTreeSet<Seq>>,
    mentions: usize,
}

impl MentionIndex {
    /// Memory, estimated.
    pub(super) fn bytes(&self) -> usize {
        MENTION_BYTES * self.mentions
    }

    /// Replaces the mentions of a message. Returns the users whom it did not mention before.
    pub(super) fn set(&mut self, message: Seq, users: Vec<UserId>) -> Vec<UserId> {
        let before = self.take(message);
        let new = users.iter().filter(|user| !before.contains(user)).cloned().collect();
        for user in &users {
            self.users.entry(user.clone()).or_default().insert(message);
        }
        self.mentions += users.len();
        if !users.is_empty() {
            self.messages.insert(message, users);
        }
        new
    }

    /// Removes the mentions of a message. Returns the users whom it mentioned.
    pub(super) fn take(&mut self, message: Seq) -> Vec<UserId> {
        let Some(users) = self.messages.remove(&message) else { return Vec::new() };
        self.mentions -= users.len();
        for user in &users {
            if let Some(seqs) = self.users.get_mut(user) {
                seqs.remove(&message);
                if seqs.is_empty() {
                    self.users.remove(user);
                }
            }
        }
        users
    }

    /// The messages from `first` on that mention the user, ascending.
    pub(super) fn of(&self, user: &UserId, first: Seq) -> impl Iterator<Item = Seq> {
        self.users.get(user).into_iter().flat_map(move |seqs| seqs.range(first..)).copied()
    }
}
