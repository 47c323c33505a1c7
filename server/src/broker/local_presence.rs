//! Members of rooms and counts of connections, for the engines of one process.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use realtime_shared::{LeaveReason, RoomName, UserId};

use super::presence::MEMBERS_TO_OTHERS;
use super::room_list::RoomList;
use super::{Feed, Presence, Signal};

/// Users in rooms, and the number of connections.
pub(super) struct LocalPresence {
    rooms: Mutex<HashMap<RoomName, BTreeSet<UserId>>>,
    online: Mutex<Online>,
    list: RoomList,
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
        let changed = users.insert(user.clone());
        if changed {
            self.list.set_member_count(room, users.len() as u64);
        }
        // The lock is held: signals have the order of the changes.
        if let (true, Some(feed)) = (changed, feed) {
            let named: Vec<_> = users.iter().take(MEMBERS_TO_OTHERS).cloned().collect();
            feed.signal(room, &Signal::joined(user, room, named, users.len() as u64, 0));
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
        let left = presence_of(rooms.get(room), 0, changed);
        if changed {
            self.list.set_member_count(room, left.count);
        }
        if left.count == 0 {
            rooms.remove(room);
        }
        if let (true, Some(feed)) = (changed, feed) {
            feed.signal(room, &Signal::left(user, room, left.count, reason, 0));
        }
        left
    }

    /// The presence of a room. See [`Broker::members`](super::Broker::members).
    pub(super) fn members(&self, room: &RoomName, members: usize) -> Presence {
        presence_of(self.rooms.lock().get(room), members, false)
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

fn presence_of(members: Option<&BTreeSet<UserId>>, limit: usize, changed: bool) -> Presence {
    Presence {
        members: members.map(|all| all.iter().take(limit).cloned().collect()).unwrap_or_default(),
        count: members.map_or(0, |all| all.len() as u64),
        changed,
        presence_version: 0,
    }
}
