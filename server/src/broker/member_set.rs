//! The members of a room, in the order of their ids.

use std::collections::BTreeSet;
use std::mem;
use std::ops::Bound;

use realtime_shared::UserId;

use super::member_names::MemberNames;

/// Most members that are kept in a vector. A node of a tree has space for eleven.
const FEW: usize = 16;

/// Members of a room. Most rooms have few.
#[derive(Debug)]
pub(super) enum MemberSet {
    Few(Vec<UserId>),
    Many(BTreeSet<UserId>),
}

impl Default for MemberSet {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl MemberSet {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(users) => users.len(),
            Self::Many(users) => users.len(),
        }
    }

    /// Adds a user. Returns false if the user was a member.
    pub(super) fn insert(&mut self, user: &UserId) -> bool {
        match self {
            Self::Few(users) => {
                let Err(index) = users.binary_search(user) else { return false };
                users.reserve_exact(1);
                users.insert(index, user.clone());
                if users.len() > FEW {
                    *self = Self::Many(mem::take(users).into_iter().collect());
                }
                true
            }
            Self::Many(users) => users.insert(user.clone()),
        }
    }

    /// Removes a user. Returns false if the user was no member.
    pub(super) fn remove(&mut self, user: &UserId) -> bool {
        match self {
            Self::Few(users) => users.binary_search(user).map(|index| users.remove(index)).is_ok(),
            Self::Many(users) => users.remove(user),
        }
    }

    /// The first names, at most `limit`.
    pub(super) fn names(&self, limit: usize) -> MemberNames {
        match self {
            Self::Few(users) => MemberNames::of(users.iter().take(limit)),
            Self::Many(users) => MemberNames::of(users.iter().take(limit)),
        }
    }

    /// The members from this place on.
    pub(super) fn from(&self, start: Bound<&str>) -> impl Iterator<Item = &UserId> {
        let (few, many) = match self {
            Self::Few(users) => {
                let is_before = |user: &UserId| match start {
                    Bound::Included(start) => user.as_str() < start,
                    Bound::Excluded(start) => user.as_str() <= start,
                    Bound::Unbounded => false,
                };
                (Some(&users[users.partition_point(is_before)..]), None)
            }
            Self::Many(users) => (None, Some(users.range::<str, _>((start, Bound::Unbounded)))),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten())
    }

    /// The members as a tree.
    pub(super) fn tree(&mut self) -> &BTreeSet<UserId> {
        if let Self::Few(users) = self {
            *self = Self::Many(mem::take(users).into_iter().collect());
        }
        match self {
            Self::Many(users) => users,
            Self::Few(_) => unreachable!("a tree since the line above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Each pair joins with a true flag, and leaves with a false one.
        #[test]
        fn few_and_many_members_are_kept_in_order(
            changes in prop::collection::vec((any::<bool>(), 0..40_u8), 0..120),
            most in 0..45_usize,
        ) {
            let (mut members, mut model) = (MemberSet::default(), BTreeSet::new());
            for (joins, number) in changes {
                let user = UserId::new(&number.to_string()).expect("a user id");
                if joins {
                    prop_assert_eq!(members.insert(&user), model.insert(user));
                } else {
                    prop_assert_eq!(members.remove(&user), model.remove(&user));
                }
                prop_assert_eq!(members.len(), model.len());
                prop_assert_eq!(members.names(most), MemberNames::of(model.iter().take(most)));
                let start = most.to_string();
                for start in [Bound::Included(&*start), Bound::Excluded(&*start), Bound::Unbounded] {
                    let expected = model.range::<str, _>((start, Bound::Unbounded));
                    prop_assert!(members.from(start).eq(expected), "{:?}", start);
                }
            }
            prop_assert_eq!(members.tree(), &model);
        }
    }
}
