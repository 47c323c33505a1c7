//! What is looked for in a timeline, which of its messages have it, and which of these one is at.
//!
//! All are looked at once when something else is looked for. After that the timeline tells what comes and goes
//! ([`Hits::came`], [`Hits::went`]), so that a message costs no more than itself. Nothing is kept, and nothing is done,
//! while nothing is looked for.

use std::collections::VecDeque;

use super::{Body, Entry, Item, Key, Outgoing, Timeline};
use crate::markup::Pattern;

/// Hits are in the order of the timeline, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hits {
    pattern: Option<Pattern>,
    /// Whether the user's own name has it: what is on its way does not tell whose it is.
    is_in_own_name: bool,
    keys: VecDeque<Key>,
    /// The one that one is at, wherever it goes; where it is no more, the next one to it.
    at: Option<Key>,
    /// How many messages were looked at and are held.
    among: usize,
}

impl Hits {
    /// This came into the timeline.
    pub(super) fn came(&mut self, item: Item<'_>) {
        let Some(pattern) = &self.pattern else { return };
        let is_hit = match item {
            Item::Entry(Entry { body: Body::Message(said), .. }) => {
                pattern.is_in(&said.text) || pattern.is_in_line(said.nick.as_str())
            }
            Item::Entry(_) => return,
            Item::Outgoing(Outgoing { text, .. }) => self.is_in_own_name || pattern.is_in(text),
        };
        self.among += 1;
        if is_hit && let Err(at) = self.keys.binary_search(&item.key()) {
            self.keys.insert(at, item.key());
        }
    }

    /// The message of that key is gone.
    pub(super) fn went(&mut self, key: Key) {
        self.among = self.among.saturating_sub(1);
        if let Ok(at) = self.keys.binary_search(&key) {
            self.keys.remove(at);
        }
        if self.at == Some(key) {
            self.at = self.nearest(key);
        }
    }

    /// The message of that key is about to have another one.
    pub(super) fn moves(&mut self, from: Key, to: Key) {
        if self.at == Some(from) {
            self.at = Some(to);
        }
        self.went(from);
    }

    fn has(&self, key: Key) -> bool {
        self.keys.binary_search(&key).is_ok()
    }

    /// How many of them are before `key`.
    fn before(&self, key: Key) -> usize {
        self.keys.partition_point(|hit| *hit < key)
    }

    fn older(&self, key: Key) -> Option<Key> {
        self.keys.get(self.before(key).checked_sub(1)?).copied()
    }

    fn newer(&self, key: Key) -> Option<Key> {
        self.keys.get(self.keys.partition_point(|hit| *hit <= key)).copied()
    }

    fn nearest(&self, key: Key) -> Option<Key> {
        if self.has(key) { Some(key) } else { self.older(key).or_else(|| self.newer(key)) }
    }
}

impl Timeline {
    /// Looks for something else, or for nothing, in all that is held, and is at none yet. `me` is the user's name.
    pub fn look_for(&mut self, pattern: Option<Pattern>, me: &str) {
        let is_in_own_name = pattern.as_ref().is_some_and(|pattern| pattern.is_in_line(me));
        let mut hits = Hits { pattern, is_in_own_name, ..Hits::default() };
        if hits.pattern.is_some() {
            let entries = self.entries.iter().map(Item::Entry);
            entries.chain(self.outgoing.iter().map(Item::Outgoing)).for_each(|item| hits.came(item));
        }
        self.hits = hits;
    }

    /// What is looked for.
    #[must_use]
    pub const fn pattern(&self) -> Option<&Pattern> {
        self.hits.pattern.as_ref()
    }

    /// Whether that item has what is looked for.
    #[must_use]
    pub fn is_hit(&self, key: Key) -> bool {
        self.hits.has(key)
    }

    /// The message that one is at.
    #[must_use]
    pub fn current_hit(&self) -> Option<Key> {
        self.hits.at.filter(|at| self.hits.has(*at))
    }

    /// Goes to a message that has it, or to none.
    pub const fn go_to_hit(&mut self, hit: Option<Key>) {
        self.hits.at = hit;
    }

    /// How many messages have it.
    #[must_use]
    pub fn hit_count(&self) -> usize {
        self.hits.keys.len()
    }

    /// How many messages it was looked for in.
    #[must_use]
    pub const fn hit_among(&self) -> usize {
        self.hits.among
    }

    /// How many messages after that one have it.
    #[must_use]
    pub fn hits_after(&self, key: Key) -> usize {
        self.hit_count() - self.hits.keys.partition_point(|hit| *hit <= key)
    }

    /// The next older message that has it.
    #[must_use]
    pub fn older_hit(&self, key: Key) -> Option<Key> {
        self.hits.older(key)
    }

    /// The next newer message that has it.
    #[must_use]
    pub fn newer_hit(&self, key: Key) -> Option<Key> {
        self.hits.newer(key)
    }

    /// The message that has it at `key`, or else above that place, or else below.
    #[must_use]
    pub fn nearest_hit(&self, key: Key) -> Option<Key> {
        self.hits.nearest(key)
    }
}
