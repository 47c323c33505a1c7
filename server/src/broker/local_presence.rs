//! Members of rooms and counts of connections, for the engines of one process.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use realtime_shared::{LeaveReason, RoomName, UserId};

use super::member_names::{MemberNames, NameCache};
use super::member_prefix::MemberPrefix;
use super::member_search::MemberSearch;
use super::member_set::MemberSet;
use super::presence::{MEMBERS_NAMED, MEMBERS_TO_OTHERS};
use super::room_list::RoomList;
use super::{Feed, FoundMembers, Presence, PresenceChange, PresenceKind};

/// Fewest members of a room whose encoded names are kept. For fewer, encoding them costs less than memory.
const CACHED_FROM: usize = 50;

/// Users in rooms, and the number of connections.
pub(super) struct LocalPresence {
    rooms: Mutex<HashMap<RoomName, RoomUsers>>,
    online: Mutex<Online>,
    list: RoomList,
}

/// The users in a room.
#[derive(Default)]
struct RoomUsers {
    all: MemberSet,
    /// Set by the first request of a room with [`CACHED_FROM`] members.
    names: Option<Box<NameCache>>,
}

#[derive(Default)]
struct Online {
    all: u64,
    users: HashMap<UserId, usize>,
}

impl LocalPresence {
    /// Nobody. The list gets the numbers of members.
    pub(super) fn new(list: RoomList) -> Self {
        Self { rooms: Mutex::default(), online: Mutex::default(), list }
    }

    /// Adds a user to a room and announces the join. See [`Broker::enter`](super::Broker::enter).
    pub(super) fn enter(
        &self,
        feed: Option<Arc<dyn Feed>>,
        room: &RoomName,
        user: &UserId,
        members: usize,
    ) -> Presence {
        let mut rooms = self.rooms.lock();
        let users = rooms.entry(room.clone()).or_default();
        let changed = users.insert(user);
        if changed {
            self.list.set_member_count(room, users.count());
        }
        // The lock is held: signals have the order of the changes.
        if let (true, Some(feed)) = (changed, feed) {
            let kind = PresenceKind::Joined;
            let change = PresenceChange { user: user.clone(), kind, count: users.count() };
            feed.presence(room, &change, &mut || change.signal(room, 0, || users.names(MEMBERS_TO_OTHERS)));
        }
        presence_of(Some(users), members, changed)
    }

    /// Removes a user from a room and announces the leave. See [`Broker::leave`](super::Broker::leave).
    pub(super) fn leave(
        &self,
        feed: Option<Arc<dyn Feed>>,
        room: &RoomName,
        user: &UserId,
        reason: LeaveReason,
    ) -> Presence {
        let mut rooms = self.rooms.lock();
        let changed = rooms.get_mut(room).is_some_and(|users| users.remove(user));
        let left = presence_of(rooms.get_mut(room), 0, changed);
        if changed {
            self.list.set_member_count(room, left.count);
        }
        if left.count == 0 {
            rooms.remove(room);
        }
        if let (true, Some(feed)) = (changed, feed) {
            let kind = PresenceKind::Left(reason);
            let change = PresenceChange { user: user.clone(), kind, count: left.count };
            feed.presence(room, &change, &mut || change.signal(room, 0, Arc::default));
        }
        left
    }

    /// The presence of a room. See [`Broker::members`](super::Broker::members).
    pub(super) fn members(&self, room: &RoomName, members: usize) -> Presence {
        presence_of(self.rooms.lock().get_mut(room), members, false)
    }

    /// Finds members of a room. See [`Broker::find_members`](super::Broker::find_members).
    pub(super) fn find(&self, room: &RoomName, prefix: &MemberPrefix, limit: usize) -> FoundMembers {
        let mut search = MemberSearch::new(prefix, limit);
        let mut count = 0;
        loop {
            let rooms = self.rooms.lock();
            let is_end = rooms.get(room).is_none_or(|users| {
                count = users.count();
                !prefix.is_possible() || search.turn(&users.all)
            });
            // A search that takes the lock again at once would keep joins waiting.
            MutexGuard::unlock_fair(rooms);
            if is_end {
                break;
            }
        }
        let (found, has_more) = search.finish();
        FoundMembers { members: Arc::new(MemberNames::of(&found)), count, has_more }
    }

    /// True if a room has a member.
    pub(super) fn has_members(&self, room: &RoomName) -> bool {
        self.rooms.lock().contains_key(room)
    }

    /// Counts a connection. See [`Broker::connect`](super::Broker::connect).
    pub(super) fn connect(&self, user: &UserId, limit: usize) -> Option<u64> {
        let mut online = self.online.lock();
        let of_user = online.users.get(user).copied().unwrap_or(0);
        if limit > 0 && of_user >= limit {
            return None;
        }
        online.users.insert(user.clone(), of_user + 1);
        online.all += 1;
        Some(online.all)
    }

    /// Removes a connection from the count. A surplus call has no effect.
    pub(super) fn disconnect(&self, user: &UserId) {
        let mut online = self.online.lock();
        if let Some(of_user) = online.users.get_mut(user) {
            *of_user -= 1;
            if *of_user == 0 {
                online.users.remove(user);
            }
            online.all -= 1;
        }
    }
}

impl RoomUsers {
    /// Adds a user. Returns false if the user was in the room.
    fn insert(&mut self, user: &UserId) -> bool {
        let is_new = self.all.insert(user);
        if let (true, Some(names)) = (is_new, &mut self.names) {
            names.insert(user);
        }
        is_new
    }

    /// Removes a user. Returns false if the user was not in the room.
    fn remove(&mut self, user: &UserId) -> bool {
        let was_member = self.all.remove(user);
        if self.all.len() < CACHED_FROM {
            self.names = None;
        }
        if let (true, Some(names)) = (was_member, &mut self.names) {
            names.remove(user, self.all.tree());
        }
        was_member
    }

    fn count(&self) -> u64 {
        self.all.len() as u64
    }

    /// The names of the first users, at most `limit`.
    fn names(&mut self, limit: usize) -> Arc<MemberNames> {
        if self.all.len() < CACHED_FROM || limit == 0 {
            return Arc::new(self.all.names(limit));
        }
        let Self { all, names } = self;
        names.get_or_insert_with(|| Box::new(NameCache::of(all.tree(), MEMBERS_NAMED))).first(limit)
    }
}

fn presence_of(users: Option<&mut RoomUsers>, limit: usize, changed: bool) -> Presence {
    let count = users.as_ref().map_or(0, |users| users.count());
    let members = users.map(|users| users.names(limit)).unwrap_or_default();
    Presence { members, count, changed, presence_version: 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const LEFT: LeaveReason = LeaveReason::Left;

    fn user(number: usize) -> UserId {
        UserId::new(&format!("user \"{number}\"")).expect("a user id")
    }

    #[test]
    fn a_room_of_any_size_names_its_first_members_in_order() {
        let (presence, room) = (LocalPresence::new(RoomList::default()), RoomName::new("a").expect("a name"));
        let users: Vec<_> = (0..1_100).map(user).collect();
        let mut expected = BTreeSet::new();
        // 7 and 13 have no common factor with the number of users, so each of them occurs once.
        for (nth, joiner) in (0..users.len()).map(|nth| (nth, &users[nth * 7 % users.len()])) {
            expected.insert(joiner.clone());
            let entered = presence.enter(None, &room, joiner, MEMBERS_NAMED);
            let named = MemberNames::of(expected.iter().take(MEMBERS_NAMED));
            assert_eq!((&*entered.members, entered.changed), (&named, true), "join {nth}");
        }
        for (nth, leaver) in (0..users.len()).map(|nth| (nth, &users[nth * 13 % users.len()])) {
            expected.remove(leaver);
            assert!(presence.leave(None, &room, leaver, LEFT).changed, "leave {nth}");
            for limit in [0, MEMBERS_TO_OTHERS, MEMBERS_NAMED] {
                let named = MemberNames::of(expected.iter().take(limit));
                let read = presence.members(&room, limit);
                assert_eq!(
                    (&*read.members, read.count),
                    (&named, expected.len() as u64),
                    "leave {nth}, limit {limit}"
                );
            }
        }
    }

    #[test]
    fn a_room_keeps_names_only_while_it_has_many_members() {
        let (presence, room) = (LocalPresence::new(RoomList::default()), RoomName::new("a").expect("a name"));
        let is_cached = || presence.rooms.lock().get(&room).is_some_and(|users| users.names.is_some());
        for number in 1..=CACHED_FROM {
            assert!(!is_cached(), "before member {number}");
            presence.enter(None, &room, &user(number), MEMBERS_NAMED);
        }
        assert!(is_cached());
        presence.leave(None, &room, &user(1), LEFT);
        assert!(!is_cached(), "one member less");
    }
}
