//! Entries of a room that the user has not seen, in order, so that they may be seen in parts.
//!
//! The last [`LISTED`] items are listed. Earlier ones, and entries that were missed and did not arrive, are counted in one
//! group, which is seen as a whole.

use std::collections::VecDeque;

use realtime_shared::Position;

use crate::app::rooms::timeline::ItemKey;

/// Number of items that are listed.
const LISTED: usize = 512;

/// An entry or a notice that was not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnseenItem {
    pub(super) key: ItemKey,
    /// The position after the entry, if it is known.
    pub(super) position: Option<Position>,
    /// Number of unread messages in it.
    pub(super) unread: u64,
    /// Number of these that name the user.
    pub(super) mentions: u64,
}

/// The items that were not seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unseen {
    /// Items before the listed ones. Its key is that of the last one.
    older: Option<UnseenItem>,
    listed: VecDeque<UnseenItem>,
}

impl Unseen {
    pub(super) fn is_empty(&self) -> bool {
        self.older.is_none() && self.listed.is_empty()
    }

    /// Adds an item after all others.
    pub(super) fn add(&mut self, item: UnseenItem) {
        if self.listed.len() >= LISTED
            && let Some(oldest) = self.listed.pop_front()
        {
            self.count_older(oldest);
        }
        self.listed.push_back(item);
    }

    /// Adds entries that do not arrive, after all others. The key is that of the last one.
    pub(super) fn add_missing(&mut self, missing: UnseenItem) {
        while let Some(oldest) = self.listed.pop_front() {
            self.count_older(oldest);
        }
        self.count_older(missing);
    }

    fn count_older(&mut self, item: UnseenItem) {
        let before = self.older.take();
        let (unread, mentions) = before.map_or((0, 0), |older| (older.unread, older.mentions));
        self.older = Some(UnseenItem {
            unread: unread.saturating_add(item.unread),
            mentions: mentions.saturating_add(item.mentions),
            ..item
        });
    }

    /// Removes what is seen if the item `last` is the last one that is seen, as one item.
    pub(super) fn see(&mut self, last: ItemKey) -> Option<UnseenItem> {
        let mut seen = self.older.take_if(|older| older.key <= last);
        while self.older.is_none()
            && self.listed.front().is_some_and(|item| item.key <= last)
            && let Some(item) = self.listed.pop_front()
        {
            seen = Some(match seen {
                None => item,
                Some(before) => UnseenItem {
                    position: item.position.or(before.position),
                    unread: before.unread.saturating_add(item.unread),
                    mentions: before.mentions.saturating_add(item.mentions),
                    key: item.key,
                },
            });
        }
        seen
    }

    /// Removes the items after `last`.
    pub(super) fn forget_after(&mut self, last: ItemKey) {
        while self.listed.back().is_some_and(|item| item.key > last) {
            self.listed.pop_back();
        }
        if let Some(older) = &mut self.older
            && older.key > last
        {
            (older.key, older.position) = (last, None);
        }
    }

    /// Returns the number of unread messages, and of those that name the user.
    pub(super) fn counts(&self) -> (u64, u64) {
        let items = self.older.iter().chain(&self.listed);
        items.fold((0, 0), |(unread, mentions), item| {
            (unread.saturating_add(item.unread), mentions.saturating_add(item.mentions))
        })
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::Seq;

    use super::*;
    use crate::app::testing::at;

    fn key(seq: u64) -> ItemKey {
        ItemKey::message(Seq::new(seq))
    }

    fn item(seq: u64) -> UnseenItem {
        UnseenItem {
            key: key(seq),
            position: Some(at(seq)),
            unread: 1,
            mentions: u64::from(seq.is_multiple_of(10)),
        }
    }

    fn with(seqs: std::ops::RangeInclusive<u64>) -> Unseen {
        let mut unseen = Unseen::default();
        seqs.for_each(|seq| unseen.add(item(seq)));
        unseen
    }

    #[test]
    fn items_are_seen_in_parts() {
        let mut unseen = with(1..=30);
        assert_eq!(unseen.see(key(0)), None);
        assert_eq!(unseen.see(key(10)), Some(UnseenItem { unread: 10, ..item(10) }));
        assert_eq!(unseen.counts(), (20, 2));
        assert_eq!(unseen.see(ItemKey::END), Some(UnseenItem { unread: 20, mentions: 2, ..item(30) }));
        assert!(unseen.is_empty());
    }

    #[test]
    fn the_oldest_of_many_items_are_seen_as_a_whole() {
        let many = LISTED as u64 + 100;
        let mut unseen = with(1..=many);
        assert_eq!(unseen.counts(), (many, many / 10));
        assert_eq!(unseen.see(key(99)), None);
        assert_eq!(unseen.see(key(100)).map(|seen| (seen.unread, seen.position)), Some((100, Some(at(100)))));
        assert_eq!(unseen.see(key(101)).map(|seen| seen.unread), Some(1));
    }

    #[test]
    fn missing_entries_are_seen_with_the_last_of_them() {
        let mut unseen = with(1..=3);
        unseen.add_missing(UnseenItem { key: key(50), position: None, unread: 47, mentions: 0 });
        unseen.add(item(51));
        assert_eq!(unseen.see(key(49)), None);
        let seen = unseen.see(key(50)).expect("seen");
        assert_eq!((seen.unread, seen.position), (50, None));
        assert_eq!(unseen.counts(), (1, 0));
    }

    #[test]
    fn items_of_another_log_are_forgotten() {
        let mut unseen = with(1..=20);
        unseen.forget_after(key(9));
        assert_eq!(unseen.counts(), (9, 0));
        let mut unseen = Unseen::default();
        unseen.add_missing(UnseenItem { key: key(50), position: Some(at(50)), unread: 47, mentions: 0 });
        unseen.forget_after(key(9));
        assert_eq!(unseen.see(key(9)).map(|seen| seen.position), Some(None));
    }
}
