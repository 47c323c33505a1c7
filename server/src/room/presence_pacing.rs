//! Pace at which joins and leaves are announced to the members of a room.
//!
//! In a room of up to [`LARGE`] members, each change is announced at once. If the same user joins again or leaves again
//! within [`RECENT`], the change is held for [`INTERVAL`]. In a larger room, changes are held so that the members receive at
//! most one `joined` and one `left` in an interval. Only the net change of each user is announced: nothing, if the user
//! is back in the state that the members know.
//!
//! Members that received a list of the members while a change was held know another state. So if another user read the
//! members meanwhile, the last change is announced even if it restores the state from before.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use realtime_shared::{LeaveReason, UserId};

use crate::broker::{PresenceChange, PresenceKind};

/// Most members of a room in which each change is announced at once.
pub(super) const LARGE: u64 = 100;
/// Time between the frames about presence in a large room, and time for which a repeated change is held.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// Milliseconds within which another join, or another leave, of a user is a repeated one.
const RECENT: u32 = 10_000;
/// Limit on the users whose last change is known.
const MAX_RECENT: usize = 1_024;

/// The joins and leaves of a room that have not been announced. A room without changes uses no memory for them.
#[derive(Default)]
pub(super) struct PresencePacing {
    pacing: Option<Box<Pacing>>,
    /// Number of reads of the members that have not ended.
    reads: u32,
}

struct Pacing {
    /// The time from which [`Stamp`]s count.
    begun: Instant,
    /// The last changes of users.
    recent: HashMap<UserId, LastChanges>,
    held: HashMap<UserId, HeldChange>,
    /// Number of held changes so far, for their order.
    changes: u64,
    /// Number of reads of the members that ended while changes were held.
    reads: u64,
    /// End of the hold.
    due: Option<Instant>,
    /// Time of the last frame in a large room.
    announced: Option<Instant>,
    /// Number of members after the last change.
    count: u64,
}

/// Milliseconds since the pacing began plus 1, modulo 2^32. Old ones are forgotten long before they repeat.
type Stamp = NonZeroU32;

#[derive(Default)]
struct LastChanges {
    joined: Option<Stamp>,
    left: Option<Stamp>,
}

struct HeldChange {
    /// The members know the user as a member.
    was_member: bool,
    kind: PresenceKind,
    order: u64,
    /// Number of reads when the hold began, and of the user's own ones since then.
    reads: u64,
}

/// The decision about a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// The change is announced now.
    Now,
    /// The change is held, together with earlier ones.
    Held,
    /// The change is held until this time.
    Until(Instant),
}

/// The net changes that are announced at the end of a hold, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct NetChanges {
    pub(super) joined: Vec<UserId>,
    pub(super) left: Vec<(UserId, LeaveReason)>,
}

impl PresencePacing {
    /// Decides about a join or leave.
    pub(super) fn change(&mut self, change: &PresenceChange, now: Instant) -> Pace {
        self.pacing.get_or_insert_with(|| Box::new(Pacing::new(now))).change(change, now)
    }

    /// Records that a read of the members begins.
    pub(super) fn begin_read(&mut self) {
        self.reads += 1;
    }

    /// Records that a read of the members for this user has ended.
    pub(super) fn end_read(&mut self, user: &UserId) {
        self.reads -= 1;
        let Some(pacing) = self.pacing.as_mut().filter(|pacing| pacing.due.is_some()) else { return };
        pacing.reads += 1;
        if let Some(held) = pacing.held.get_mut(user) {
            held.reads += 1;
        }
    }

    /// Number of members after the last change; `None` if there was none.
    pub(super) fn count(&self) -> Option<u64> {
        self.pacing.as_ref().map(|pacing| pacing.count)
    }

    /// Ends a hold, and returns the net changes.
    pub(super) fn take(&mut self, now: Instant) -> NetChanges {
        let Some(pacing) = &mut self.pacing else { return NetChanges::default() };
        // A read that has not ended may have an earlier state.
        let net = pacing.take(self.reads > 0, now);
        if pacing.recent.is_empty() && pacing.count <= LARGE {
            self.pacing = None;
        }
        net
    }

    /// Forgets changes that are not recent any more.
    pub(super) fn clean_up(&mut self, now: Instant) {
        if let Some(pacing) = &mut self.pacing {
            pacing.forget_old(now);
            if pacing.recent.is_empty() && pacing.held.is_empty() && pacing.count <= LARGE {
                self.pacing = None;
            }
        }
    }
}

impl Pacing {
    fn new(now: Instant) -> Self {
        Self {
            begun: now,
            recent: HashMap::new(),
            held: HashMap::new(),
            changes: 0,
            reads: 0,
            due: None,
            announced: None,
            count: 0,
        }
    }

    fn stamp(&self, now: Instant) -> Stamp {
        let millis = now.saturating_duration_since(self.begun).as_millis();
        #[expect(clippy::cast_possible_truncation, reason = "modulo 2^32")]
        let millis = millis as u32;
        Stamp::new(millis.wrapping_add(1)).unwrap_or(Stamp::MIN)
    }

    /// Forgets changes that are not recent any more.
    fn forget_old(&mut self, now: Instant) {
        let now = self.stamp(now);
        self.recent.retain(|_, last| last.is_recent(now));
    }

    fn change(&mut self, change: &PresenceChange, now: Instant) -> Pace {
        self.count = change.count;
        if let Some(held) = self.held.get_mut(&change.user) {
            held.kind = change.kind;
            // In a large room the newest user does not receive the frame: only the answer to the last join has all others.
            held.order = self.changes;
            self.changes += 1;
            return Pace::Held;
        }
        let until = if change.count > LARGE {
            // All changes of a large room are paced together.
            self.due.or_else(|| self.announced.map(|last| last + INTERVAL).filter(|next| *next > now))
        } else {
            let is_repeated = self.is_repeated(change, now);
            is_repeated.then(|| self.due.unwrap_or(now + INTERVAL))
        };
        let Some(until) = until else {
            self.announced = Some(now);
            if change.kind == PresenceKind::Joined && self.due.is_some() {
                // The frame has names of members, which all members read.
                self.reads += 1;
            }
            return Pace::Now;
        };
        self.hold(change, until)
    }

    /// Records a change. Returns true if the last one of this kind of the user is recent.
    fn is_repeated(&mut self, change: &PresenceChange, now: Instant) -> bool {
        if self.recent.len() >= MAX_RECENT {
            self.forget_old(now);
            if self.recent.len() >= MAX_RECENT && !self.recent.contains_key(&change.user) {
                return false;
            }
        }
        let now = self.stamp(now);
        let last = self.recent.entry(change.user.clone()).or_default();
        let last = match change.kind {
            PresenceKind::Joined => &mut last.joined,
            PresenceKind::Left(_) => &mut last.left,
        };
        last.replace(now).is_some_and(|last| is_recent(last, now))
    }

    fn hold(&mut self, change: &PresenceChange, until: Instant) -> Pace {
        let was_member = matches!(change.kind, PresenceKind::Left(_));
        let held = HeldChange { was_member, kind: change.kind, order: self.changes, reads: self.reads };
        self.changes += 1;
        self.held.insert(change.user.clone(), held);
        if self.due.is_some() {
            return Pace::Held;
        }
        self.due = Some(until);
        Pace::Until(until)
    }

    fn take(&mut self, is_read: bool, now: Instant) -> NetChanges {
        self.due = None;
        self.announced = Some(now);
        let mut held: Vec<_> = std::mem::take(&mut self.held).into_iter().collect();
        held.sort_unstable_by_key(|(_, held)| held.order);
        let mut net = NetChanges::default();
        for (user, HeldChange { was_member, kind, reads, .. }) in held {
            let is_read = is_read || self.reads > reads;
            match kind {
                PresenceKind::Joined if is_read || !was_member => net.joined.push(user),
                PresenceKind::Left(reason) if is_read || was_member => net.left.push((user, reason)),
                PresenceKind::Joined | PresenceKind::Left(_) => {}
            }
        }
        net
    }
}

impl LastChanges {
    fn is_recent(&self, now: Stamp) -> bool {
        [self.joined, self.left].into_iter().flatten().any(|last| is_recent(last, now))
    }
}

fn is_recent(last: Stamp, now: Stamp) -> bool {
    now.get().wrapping_sub(last.get()) < RECENT
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: PresenceKind = PresenceKind::Left(LeaveReason::Left);
    const JOINED: PresenceKind = PresenceKind::Joined;

    struct Fixture {
        pacing: PresencePacing,
        now: Instant,
        count: u64,
    }

    impl Fixture {
        /// A room that has `count` members at each change.
        fn of(count: u64) -> Self {
            Self { pacing: PresencePacing::default(), now: Instant::now(), count }
        }

        fn change(&mut self, id: &str, kind: PresenceKind) -> Pace {
            let change = PresenceChange { user: user(id), kind, count: self.count };
            self.pacing.change(&change, self.now)
        }

        /// Reads the members for a user.
        fn read(&mut self, id: &str) {
            self.pacing.begin_read();
            self.pacing.end_read(&user(id));
        }

        fn wait(&mut self, millis: u64) {
            self.now += Duration::from_millis(millis);
        }

        /// The net changes, as `+user` and `-user`.
        fn take(&mut self) -> Vec<String> {
            let NetChanges { joined, left } = self.pacing.take(self.now);
            let joined = joined.iter().map(|user| format!("+{user}"));
            joined.chain(left.iter().map(|(user, _)| format!("-{user}"))).collect()
        }

        fn until(&self, millis: u64) -> Pace {
            Pace::Until(self.now + Duration::from_millis(millis))
        }
    }

    fn user(id: &str) -> UserId {
        UserId::new(id).expect("a user id")
    }

    #[test]
    fn changes_of_different_users_in_a_small_room_are_announced_at_once() {
        let mut room = Fixture::of(LARGE);
        for id in ["alice", "bob", "carol"] {
            assert_eq!(room.change(id, JOINED), Pace::Now);
        }
        room.wait(10_000);
        assert_eq!(room.change("alice", LEFT), Pace::Now, "10 s later");
    }

    #[test]
    fn a_repeated_change_is_held_for_a_second() {
        let mut room = Fixture::of(2);
        for id in ["alice", "bob"] {
            assert_eq!(room.change(id, JOINED), Pace::Now);
            assert_eq!(room.change(id, LEFT), Pace::Now, "the first leave");
        }
        room.wait(9_999);
        assert_eq!(room.change("alice", JOINED), room.until(1_000));
        assert_eq!(room.change("carol", JOINED), Pace::Now, "others are not held");
        room.wait(500);
        assert_eq!(room.change("bob", JOINED), Pace::Now, "after 10 s");
        assert_eq!(room.change("bob", LEFT), Pace::Now, "after 10 s");
        assert_eq!(room.change("bob", JOINED), Pace::Held, "the hold that runs includes it");
        room.wait(500);
        assert_eq!(room.take(), ["+alice", "+bob"]);
        assert_eq!(room.take(), [""; 0]);
        assert_eq!(room.change("alice", LEFT), Pace::Now, "more than 10 s after the last leave");
        assert_eq!(room.change("bob", LEFT), room.until(1_000));
    }

    #[test]
    fn only_the_net_change_is_announced() {
        let mut room = Fixture::of(2);
        let mut announced = 0;
        for _ in 0..20 {
            room.read("alice");
            announced += usize::from(room.change("alice", JOINED) == Pace::Now);
            announced += usize::from(room.change("alice", LEFT) == Pace::Now);
        }
        assert_eq!(announced, 2, "the first two");
        assert_eq!(room.take(), [""; 0], "alice is away, as the members know");
        for kind in [JOINED, LEFT, JOINED] {
            room.read("alice");
            room.change("alice", kind);
        }
        assert_eq!(room.take(), ["+alice"]);
    }

    #[test]
    fn a_state_that_a_new_member_does_not_know_is_announced() {
        let mut room = Fixture::of(2);
        for kind in [JOINED, LEFT, JOINED] {
            room.change("alice", kind);
        }
        room.read("carol");
        room.change("alice", LEFT);
        assert_eq!(room.take(), ["-alice"], "carol knows alice as a member");
        room.read("dave");
        room.change("alice", JOINED);
        room.change("alice", LEFT);
        assert_eq!(room.take(), [""; 0], "dave arrived before the hold");
    }

    #[test]
    fn a_state_that_a_read_may_have_seen_is_announced() {
        let mut room = Fixture::of(2);
        for kind in [JOINED, LEFT, JOINED] {
            room.change("alice", kind);
        }
        room.pacing.begin_read();
        room.change("alice", LEFT);
        assert_eq!(room.take(), ["-alice"], "the read has not ended");
        for kind in [JOINED, LEFT] {
            room.change("alice", kind);
        }
        room.pacing.end_read(&user("carol"));
        assert_eq!(room.take(), ["-alice"], "the read ended in the hold");
        for kind in [JOINED, LEFT] {
            room.change("alice", kind);
        }
        assert_eq!(room.take(), [""; 0], "no read");
    }

    #[test]
    fn a_state_in_the_names_of_another_join_is_announced() {
        let mut room = Fixture::of(2);
        for kind in [JOINED, LEFT, JOINED] {
            room.change("alice", kind);
        }
        assert_eq!(room.change("bob", JOINED), Pace::Now, "with alice among the names");
        room.change("alice", LEFT);
        assert_eq!(room.take(), ["-alice"]);
    }

    #[test]
    fn a_user_that_changes_again_is_the_newest_one() {
        let mut room = Fixture::of(LARGE + 1);
        assert_eq!(room.change("dave", JOINED), Pace::Now);
        room.change("alice", LEFT);
        room.change("bob", JOINED);
        room.read("bob");
        room.change("alice", JOINED);
        assert_eq!(room.take(), ["+bob", "+alice"]);
    }

    #[test]
    fn changes_of_a_large_room_are_announced_once_a_second() {
        let mut room = Fixture::of(LARGE + 1);
        assert_eq!(room.change("alice", JOINED), Pace::Now, "nothing was announced in the last second");
        room.wait(400);
        assert_eq!(room.change("bob", JOINED), room.until(600));
        for id in ["carol", "dave"] {
            assert_eq!(room.change(id, JOINED), Pace::Held);
        }
        room.change("erin", LEFT);
        room.wait(600);
        assert_eq!(room.take(), ["+bob", "+carol", "+dave", "-erin"], "in the order of the changes");
        assert_eq!(room.change("frank", JOINED), room.until(1_000));
        room.wait(1_000);
        assert_eq!(room.take(), ["+frank"]);
        room.wait(1_000);
        assert_eq!(room.change("grace", JOINED), Pace::Now);
    }

    #[test]
    fn memory_for_changes_is_given_back() {
        let mut room = Fixture::of(2);
        for kind in [JOINED, LEFT, JOINED] {
            room.change("alice", kind);
        }
        room.take();
        assert!(room.pacing.pacing.is_some());
        room.wait(10_000);
        room.pacing.clean_up(room.now);
        assert!(room.pacing.pacing.is_none());
        for number in 0..10 * MAX_RECENT {
            room.change(&number.to_string(), JOINED);
        }
        let recent = room.pacing.pacing.as_ref().map(|pacing| pacing.recent.len());
        assert_eq!(recent, Some(MAX_RECENT));
    }
}
