//! Encoded names of the members of a room, and the list of them that is kept for all joiners of a room.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use realtime_shared::UserId;

/// Names of members, as a JSON array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberNames(String);

impl MemberNames {
    pub(crate) fn of<'a>(users: impl IntoIterator<Item = &'a UserId>) -> Self {
        let users: Vec<_> = users.into_iter().collect();
        Self(serde_json::to_string(&users).expect("a user id is a string"))
    }

    pub(crate) fn json(&self) -> &str {
        &self.0
    }

    #[cfg(test)]
    pub(crate) fn users(&self) -> Vec<UserId> {
        serde_json::from_str(&self.0).expect("an array of user ids")
    }
}

impl Default for MemberNames {
    fn default() -> Self {
        Self("[]".to_owned())
    }
}

/// The first members of a room in the order of their ids, and their encoded names.
///
/// A change of the members changes only its own name in the text. An answer that still has the text keeps its copy.
pub(super) struct NameCache {
    /// Limit on the members.
    most: usize,
    users: Vec<UserId>,
    /// Bytes of each name in the text, with its quotes.
    lens: Vec<u16>,
    names: Arc<MemberNames>,
}

impl NameCache {
    /// The cache of a room with these members, of at most `most` of them.
    pub(super) fn of(members: &BTreeSet<UserId>, most: usize) -> Self {
        let users: Vec<_> = members.iter().take(most).cloned().collect();
        let lens = users.iter().map(|user| encoded_len(&encode(user))).collect();
        let names = Arc::new(MemberNames::of(&users));
        Self { most, users, lens, names }
    }

    /// Adds a new member of the room.
    pub(super) fn insert(&mut self, user: &UserId) {
        let Err(index) = self.users.binary_search(user) else { return };
        if index == self.most {
            return;
        }
        let name = encode(user);
        let offset = self.offset(index);
        self.users.insert(index, user.clone());
        self.lens.insert(index, encoded_len(&name));
        let json = &mut Arc::make_mut(&mut self.names).0;
        if index + 1 < self.users.len() {
            json.insert(offset, ',');
            json.insert_str(offset, &name);
        } else {
            // The last name has no comma behind it, and a comma before it unless it is the only one.
            let end = json.len() - 1;
            json.insert_str(end, &name);
            if index > 0 {
                json.insert(end, ',');
            }
        }
        if self.users.len() > self.most {
            self.remove_at(self.most);
        }
    }

    /// Removes a member that the room has lost. `members` are the remaining ones.
    pub(super) fn remove(&mut self, user: &UserId, members: &BTreeSet<UserId>) {
        let Ok(index) = self.users.binary_search(user) else { return };
        self.remove_at(index);
        let last = self.users.last().map_or(Bound::Unbounded, Bound::Excluded);
        if let Some(next) = members.range::<UserId, _>((last, Bound::Unbounded)).next() {
            self.insert(next);
        }
    }

    /// The first names, at most `limit`.
    pub(super) fn first(&self, limit: usize) -> Arc<MemberNames> {
        if limit >= self.users.len() {
            return self.names.clone();
        }
        // Without the comma before the next name, or with the bracket of an empty list.
        let end = self.offset(limit).max(2) - 1;
        let mut json = String::with_capacity(end + 1);
        json.push_str(&self.names.0[..end]);
        json.push(']');
        Arc::new(MemberNames(json))
    }

    fn remove_at(&mut self, index: usize) {
        let offset = self.offset(index);
        self.users.remove(index);
        let end = offset + usize::from(self.lens.remove(index));
        // With the comma behind the name, or for the last name the one before it.
        let name = match (index < self.users.len(), index > 0) {
            (true, _) => offset..end + 1,
            (false, true) => offset - 1..end,
            (false, false) => offset..end,
        };
        Arc::make_mut(&mut self.names).0.replace_range(name, "");
    }

    /// The offset of a name in the text: after the bracket, and the names before it with their commas.
    fn offset(&self, index: usize) -> usize {
        let names: usize = self.lens[..index].iter().copied().map(usize::from).sum();
        1 + names + index
    }
}

fn encode(user: &UserId) -> String {
    serde_json::to_string(user).expect("a user id is a string")
}

fn encoded_len(name: &str) -> u16 {
    u16::try_from(name.len()).expect("a user id has at most 64 characters")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use realtime_shared::strategies;

    use super::*;

    fn fresh(members: &BTreeSet<UserId>, limit: usize) -> MemberNames {
        MemberNames::of(members.iter().take(limit))
    }

    proptest! {
        /// Each pair joins with a true flag, and leaves with a false one.
        #[test]
        fn cached_names_equal_fresh_ones_after_any_joins_and_leaves(
            users in vec(strategies::user_id(), 1..12),
            first in 0..12_usize,
            most in 1..9_usize,
            changes in vec((any::<bool>(), any::<prop::sample::Index>()), 0..60),
        ) {
            let mut members: BTreeSet<_> = users.iter().take(first).cloned().collect();
            let mut cache = NameCache::of(&members, most);
            for (joins, user) in changes {
                let user = user.get(&users);
                let (held, before) = (cache.first(most), fresh(&members, most));
                if joins && members.insert(user.clone()) {
                    cache.insert(user);
                } else if !joins && members.remove(user) {
                    cache.remove(user, &members);
                }
                for limit in 0..=most {
                    prop_assert_eq!(&*cache.first(limit), &fresh(&members, limit), "limit {}", limit);
                }
                prop_assert_eq!(&*held, &before, "an answer keeps its names");
            }
        }
    }
}
