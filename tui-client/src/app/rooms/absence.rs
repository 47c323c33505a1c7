//! Members of a room before and after a lost connection.
//!
//! After a restart of the server all members return within seconds, each in its turn. Their joins are no news, so the changes
//! after a lost connection are shown together, when everybody from before is back, or at the end of a grace. Others wait for
//! their next attempt about as long as they were offline, up to 30 s.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use realtime_shared::UserId;

/// Bounds of the grace.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(30);

/// The members of a room, with what else is known of them.
type Members<T> = BTreeMap<UserId, T>;

/// The members before a connection was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::app) struct Absence {
    members: BTreeSet<UserId>,
    count: u64,
    /// A member has returned since the last comparison.
    is_changed: bool,
    /// End of the grace. `None` while there is no connection.
    until: Option<Duration>,
}

/// The changes since the connection was lost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::app) struct Changes {
    pub(in crate::app) joined: Vec<UserId>,
    pub(in crate::app) left: Vec<UserId>,
    /// Numbers of members that are not named.
    pub(in crate::app) more_joined: u64,
    pub(in crate::app) more_left: u64,
}

impl Absence {
    /// The members at the moment of the loss.
    pub(super) fn of<T>(members: &Members<T>, count: u64) -> Self {
        Self { members: members.keys().cloned().collect(), count, is_changed: false, until: None }
    }

    /// Handles the loss of the connection.
    pub(super) fn lost(self) -> Self {
        Self { until: None, ..self }
    }

    /// Handles the return to the room after `offline`.
    pub(in crate::app) fn returned(&mut self, offline: Duration, now: Duration) {
        self.until = Some(now.saturating_add((offline * 2).clamp(SHORTEST, LONGEST)));
        self.is_changed = true;
    }

    /// Handles the return of a member.
    pub(super) const fn member_joined(&mut self) {
        self.is_changed = true;
    }

    /// The end of the grace.
    pub(in crate::app) const fn until(&self) -> Option<Duration> {
        self.until
    }

    /// Returns true when the changes may be shown. `members` are those now.
    pub(super) fn is_over<T>(&mut self, members: &Members<T>, count: u64, now: Duration) -> bool {
        let Some(until) = self.until else { return false };
        // A large room is not compared with each message.
        let is_changed = std::mem::take(&mut self.is_changed);
        let are_back = || count >= self.count && self.members.iter().all(|user| members.contains_key(user));
        until <= now || (is_changed && are_back())
    }

    /// The changes, without `me`. In a room whose members are not all named, only their number can be compared.
    pub(super) fn changes<T>(self, members: &Members<T>, count: u64, me: Option<&UserId>) -> Changes {
        let is_complete = |named: usize, count: u64| named as u64 >= count;
        if !is_complete(self.members.len(), self.count) || !is_complete(members.len(), count) {
            let (more_joined, more_left) =
                (count.saturating_sub(self.count), self.count.saturating_sub(count));
            return Changes { more_joined, more_left, ..Changes::default() };
        }
        let is_other = |user: &&UserId| Some(*user) != me;
        let joined = members.keys().filter(|user| !self.members.contains(*user)).filter(is_other);
        let left = self.members.iter().filter(|user| !members.contains_key(*user)).filter(is_other);
        Changes { joined: joined.cloned().collect(), left: left.cloned().collect(), ..Changes::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::testing::user;

    fn members(names: &[&str]) -> Members<u8> {
        names.iter().map(|name| (user(name), 0)).collect()
    }

    fn count(members: &Members<u8>) -> u64 {
        members.len() as u64
    }

    fn absence(names: &[&str], offline: u64) -> Absence {
        let before = members(names);
        let mut absence = Absence::of(&before, count(&before)).lost();
        absence.returned(Duration::from_secs(offline), Duration::from_secs(100));
        absence
    }

    #[test]
    fn the_grace_ends_when_all_are_back_or_after_a_time() {
        let at = Duration::from_secs;
        let now = members(&["me", "carol"]);
        for (offline, end) in [(1, 105), (7, 114), (600, 130)] {
            let mut absence = absence(&["me", "alice", "carol"], offline);
            assert!(!absence.is_over(&now, 2, at(end - 1)) && absence.is_over(&now, 2, at(end)), "{offline}");
            absence.member_joined();
            assert!(absence.is_over(&members(&["me", "alice", "carol"]), 3, at(101)));
            assert!(!absence.lost().is_over(&now, 2, at(1_000)), "not without a connection");
        }
    }

    #[test]
    fn only_the_difference_is_shown() {
        let me = user("me");
        let changes = |before: &[&str], after: &[&str]| {
            let after = members(after);
            absence(before, 1).changes(&after, count(&after), Some(&me))
        };
        assert_eq!(changes(&["me", "alice", "carol"], &["alice", "carol"]), Changes::default());
        let shown = changes(&["me", "alice", "bob"], &["me", "bob", "dave"]);
        assert_eq!((shown.joined, shown.left), (vec![user("dave")], vec![user("alice")]));
    }

    #[test]
    fn members_who_are_not_named_are_counted() {
        let before = Absence::of(&members(&["a", "b"]), 4_000).lost();
        let changes = before.changes(&members(&["b", "c"]), 3_990, None);
        assert_eq!(changes, Changes { more_left: 10, ..Changes::default() });
    }
}
