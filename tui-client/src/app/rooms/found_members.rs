//! Members of a large room that the server has found by their names, beyond those that it lists.

use std::collections::BTreeMap;

use realtime_shared::UserId;

use crate::sanitize::{self, Line};

/// Most members that are kept.
const KEPT: usize = 1_000;

/// Found members of a room, kept for later completions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FoundMembers {
    members: BTreeMap<UserId, Line>,
}

impl FoundMembers {
    /// Adds the members of an answer. Those of earlier answers go if there are too many.
    pub(super) fn add(&mut self, members: &[UserId]) {
        let new = members.iter().filter(|user| !self.members.contains_key(*user)).count();
        if self.members.len() + new > KEPT {
            self.members.clear();
        }
        let members = members.iter().take(KEPT);
        self.members.extend(members.map(|user| (user.clone(), sanitize::line(user.as_str()))));
    }

    /// Removes a member who has left.
    pub(super) fn remove(&mut self, user: &UserId) {
        self.members.remove(user);
    }

    /// The members with their names, in the order of their ids.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&UserId, &Line)> {
        self.members.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(numbers: std::ops::Range<usize>) -> Vec<UserId> {
        numbers.map(|number| UserId::new(&format!("user {number}")).expect("a user id")).collect()
    }

    #[test]
    fn found_members_are_kept_up_to_a_limit_and_the_newest_answer_stays() {
        let mut found = FoundMembers::default();
        for _ in 0..2 {
            found.add(&users(0..600));
        }
        assert_eq!(found.iter().count(), 600, "those of a repeated answer");
        found.add(&users(1_000..1_500));
        assert_eq!(found.iter().map(|(user, _)| user.clone()).collect::<Vec<_>>(), users(1_000..1_500));
        found.remove(&users(1_000..1_001)[0]);
        assert_eq!(found.iter().count(), 499);
    }
}
