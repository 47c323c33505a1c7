//! The search of one timeline: its pattern, its hits, and the selected hit.

use super::hits::Hits;
use super::item::{Item, ItemKey};
use super::storage::Timeline;
use crate::markup::Pattern;

impl Timeline {
    /// Searches all messages that are held for `pattern`; `None` ends the search. No hit is selected. `me` is the
    /// user's name.
    pub fn set_pattern(&mut self, pattern: Option<Pattern>, me: &str) {
        let is_in_own_name = pattern.as_ref().is_some_and(|pattern| pattern.is_in_line(me));
        let mut hits = Hits::new(pattern, is_in_own_name);
        if hits.pattern().is_some() {
            let rows = self.rows.iter().map(Item::Row);
            rows.chain(self.outgoing.iter().map(Item::Outgoing)).for_each(|item| hits.added(item));
        }
        self.hits = hits;
    }

    /// Returns the pattern of the search.
    #[must_use]
    pub const fn pattern(&self) -> Option<&Pattern> {
        self.hits.pattern()
    }

    /// Returns true if the item matches.
    #[must_use]
    pub fn is_hit(&self, key: ItemKey) -> bool {
        self.hits.contains(key)
    }

    /// Returns the selected hit.
    #[must_use]
    pub fn selected_hit(&self) -> Option<ItemKey> {
        self.hits.selected().filter(|selected| self.hits.contains(*selected))
    }

    /// Selects a hit, or none.
    pub const fn select_hit(&mut self, hit: Option<ItemKey>) {
        self.hits.select(hit);
    }

    /// Returns the number of messages that match.
    #[must_use]
    pub fn hit_count(&self) -> usize {
        self.hits.count()
    }

    /// Returns the number of messages that were searched.
    #[must_use]
    pub const fn searched_count(&self) -> usize {
        self.hits.checked()
    }

    /// Returns the number of hits after `key`.
    #[must_use]
    pub fn hits_after(&self, key: ItemKey) -> usize {
        self.hits.count_after(key)
    }

    /// Returns the next older hit.
    #[must_use]
    pub fn older_hit(&self, key: ItemKey) -> Option<ItemKey> {
        self.hits.older(key)
    }

    /// Returns the next newer hit.
    #[must_use]
    pub fn newer_hit(&self, key: ItemKey) -> Option<ItemKey> {
        self.hits.newer(key)
    }

    /// Returns the hit at `key`; otherwise the next one above, otherwise the next one below.
    #[must_use]
    pub fn nearest_hit(&self, key: ItemKey) -> Option<ItemKey> {
        self.hits.nearest(key)
    }
}
