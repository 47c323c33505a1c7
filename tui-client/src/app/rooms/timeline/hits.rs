//! Hits: the messages of a timeline that match the search, and the selected one.
//!
//! A new pattern checks every message once. After that the timeline reports each message that is added or removed
//! ([`Hits::added`], [`Hits::removed`]), so a message costs only its own check. Without a pattern nothing is kept.

use std::collections::VecDeque;

use super::item::{Body, Item, ItemKey, LogRow, Outgoing};
use crate::markup::Pattern;

/// The hits in the order of the timeline, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Hits {
    pattern: Option<Pattern>,
    /// The user's own name matches. Outgoing messages carry no name.
    is_in_own_name: bool,
    keys: VecDeque<ItemKey>,
    /// The selected hit, also after its key changed. If it is removed, the nearest hit is selected.
    selected: Option<ItemKey>,
    /// Messages that were checked and are held.
    checked: usize,
}

impl Hits {
    pub(super) fn new(pattern: Option<Pattern>, is_in_own_name: bool) -> Self {
        Self { pattern, is_in_own_name, ..Self::default() }
    }

    pub(super) const fn pattern(&self) -> Option<&Pattern> {
        self.pattern.as_ref()
    }

    pub(super) const fn selected(&self) -> Option<ItemKey> {
        self.selected
    }

    pub(super) const fn select(&mut self, hit: Option<ItemKey>) {
        self.selected = hit;
    }

    pub(super) const fn checked(&self) -> usize {
        self.checked
    }

    pub(super) fn count(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn count_after(&self, key: ItemKey) -> usize {
        self.count() - self.keys.partition_point(|hit| *hit <= key)
    }

    /// Checks a row whose message changed. It stays selected if it is still a hit.
    pub(super) fn changed(&mut self, row: &LogRow) {
        let selected = self.selected;
        self.removed(row.key);
        self.added(Item::Row(row));
        if selected == Some(row.key) && self.contains(row.key) {
            self.selected = selected;
        }
    }

    /// Checks an item that was added to the timeline.
    pub(super) fn added(&mut self, item: Item<'_>) {
        let Some(pattern) = &self.pattern else { return };
        let is_hit = match item {
            Item::Row(LogRow { body: Body::Message(message), .. }) => {
                pattern.is_in(&message.text) || pattern.is_in_line(message.nick.as_str())
            }
            Item::Row(_) => return,
            Item::Outgoing(Outgoing { text, .. }) => self.is_in_own_name || pattern.is_in(text),
        };
        self.checked += 1;
        if is_hit && let Err(at) = self.keys.binary_search(&item.key()) {
            self.keys.insert(at, item.key());
        }
    }

    /// Drops a message that was removed from the timeline.
    pub(super) fn removed(&mut self, key: ItemKey) {
        self.checked = self.checked.saturating_sub(1);
        if let Ok(at) = self.keys.binary_search(&key) {
            self.keys.remove(at);
        }
        if self.selected == Some(key) {
            self.selected = self.nearest(key);
        }
    }

    /// Drops a message that is about to be added again with another key. It stays selected.
    pub(super) fn moved(&mut self, from: ItemKey, to: ItemKey) {
        if self.selected == Some(from) {
            self.selected = Some(to);
        }
        self.removed(from);
    }

    pub(super) fn contains(&self, key: ItemKey) -> bool {
        self.keys.binary_search(&key).is_ok()
    }

    pub(super) fn older(&self, key: ItemKey) -> Option<ItemKey> {
        let before = self.keys.partition_point(|hit| *hit < key);
        self.keys.get(before.checked_sub(1)?).copied()
    }

    pub(super) fn newer(&self, key: ItemKey) -> Option<ItemKey> {
        self.keys.get(self.keys.partition_point(|hit| *hit <= key)).copied()
    }

    pub(super) fn nearest(&self, key: ItemKey) -> Option<ItemKey> {
        if self.contains(key) { Some(key) } else { self.older(key).or_else(|| self.newer(key)) }
    }
}
