//! Sync of memberships: republishes this instance's memberships when Redis may disagree.
//!
//! Redis may disagree after a failed join or leave, after the audit found another number of users, and in all rooms after
//! this instance took a new name. One task sends them, many rooms at a time, after each heartbeat that Redis accepted. No
//! heartbeat waits for it, and after a failure the task waits for the next heartbeat.

use std::collections::HashSet;
use std::sync::Arc;

use ::redis::Pipeline;
use parking_lot::Mutex;
use realtime_shared::{RoomName, UserId};
use tokio::sync::Notify;

use super::eviction::evict;
use super::replacement::replace;
use crate::broker::feed_slot::FeedSlot;
use crate::broker::redis::log::replicas::Replicas;
use crate::broker::redis::log::room_changes::RoomChanges;
use crate::broker::redis::transport::{Transport, reply};
use crate::broker::{Feed, Unavailable};

/// Rooms of one request. A heartbeat waits for at most one request.
const ROOMS: usize = 100;

/// Rooms whose users must be sent.
pub(crate) struct MembershipSync {
    transport: Arc<Transport>,
    feed: FeedSlot,
    replicas: Arc<Replicas>,
    changes: Arc<RoomChanges>,
    /// Rooms in which Redis may have other users.
    dirty: Mutex<HashSet<RoomName>>,
    /// Former names of this instance that may still have state in Redis.
    former: Mutex<HashSet<Arc<str>>>,
    wake: Notify,
}

impl MembershipSync {
    pub(crate) fn new(
        transport: Arc<Transport>,
        feed: FeedSlot,
        replicas: Arc<Replicas>,
        changes: Arc<RoomChanges>,
    ) -> Self {
        Self {
            transport,
            feed,
            replicas,
            changes,
            dirty: Mutex::default(),
            former: Mutex::default(),
            wake: Notify::new(),
        }
    }

    /// Schedules rooms to be sent after the next heartbeat.
    pub(crate) fn schedule(&self, rooms: impl IntoIterator<Item = RoomName>) {
        self.dirty.lock().extend(rooms);
    }

    /// Called after Redis accepted a heartbeat.
    pub(crate) fn on_heartbeat(&self) {
        self.wake.notify_one();
    }

    /// Sends all open rooms now, after this instance took a new name. The state of the former name is removed.
    pub(crate) fn resend_all(&self, former: Arc<str>) {
        self.schedule(self.replicas.room_names());
        self.former.lock().insert(former);
        self.wake.notify_one();
    }

    /// Removes the state of a former name again, because a change of this room may have come after the removal. Until
    /// then its user would stay in the room after it left.
    pub(crate) fn remove_former(&self, former: Arc<str>, room: RoomName) {
        self.schedule([room]);
        self.former.lock().insert(former);
        self.wake.notify_one();
    }

    /// Sends rooms for as long as the engine runs.
    pub(crate) async fn run(&self) {
        loop {
            self.wake.notified().await;
            if self.send_dirty().await.is_ok() {
                self.evict_former().await;
            }
        }
    }

    fn take(&self) -> Vec<RoomName> {
        self.dirty.lock().extract_if(|_| true).take(ROOMS).collect()
    }

    async fn send_dirty(&self) -> Result<(), Unavailable> {
        let Some(feed) = self.feed.get() else { return Ok(()) };
        let mut refused = Vec::new();
        let mut outcome = Ok(());
        while outcome.is_ok() {
            let rooms = self.take();
            if rooms.is_empty() {
                break;
            }
            outcome = self.send_rooms(&*feed, rooms, &mut refused).await;
        }
        self.schedule(refused);
        outcome
    }

    /// Sends this instance's users of rooms, and adds the rooms that Redis refuses to `refused`. Fails if Redis is
    /// unavailable.
    async fn send_rooms(
        &self,
        feed: &dyn Feed,
        rooms: Vec<RoomName>,
        refused: &mut Vec<RoomName>,
    ) -> Result<(), Unavailable> {
        let sent: Vec<(RoomName, Vec<UserId>)> =
            rooms.into_iter().map(|room| (room.clone(), feed.users(&room))).collect();
        let answers = self.transport.commands.attempt(&self.pipeline(&sent)).await;
        let Ok(answers) = answers else {
            refused.extend(sent.into_iter().map(|(room, _)| room));
            return Err(Unavailable);
        };
        let (answers, listed) = answers.split_at_checked(sent.len()).ok_or(Unavailable)?;
        let is_listed = !listed.iter().any(reply::is_refusal);
        let mut taken = false;
        for ((room, users), answer) in sent.into_iter().zip(answers) {
            if !is_listed || reply::is_refusal(answer) {
                refused.push(room);
                continue;
            }
            taken = true;
            self.changes.mark([room.clone()]);
            // A join or leave meanwhile may have reached Redis before this request.
            if feed.users(&room) != users {
                self.schedule([room]);
            }
        }
        if taken { Ok(()) } else { Err(Unavailable) }
    }

    /// Calls of `replace.lua` for rooms, followed by the commands that add the open rooms to the sets of rooms.
    fn pipeline(&self, rooms: &[(RoomName, Vec<UserId>)]) -> Pipeline {
        let (keys, instance) = (&self.transport.keys, self.transport.instance.get());
        let mut pipeline = Pipeline::with_capacity(rooms.len() + 2);
        let mut open = Vec::with_capacity(rooms.len());
        for (room, users) in rooms {
            let channel = keys.channel(room);
            let mut replace = replace(&channel, &instance);
            for user in users {
                replace.arg(user.as_str());
            }
            pipeline.add_command(replace);
            if self.replicas.by_channel(&channel).is_some() {
                open.push(room.as_str());
            }
        }
        if !open.is_empty() {
            pipeline.cmd("SADD").arg(keys.rooms_at(&instance)).arg(&open);
            pipeline.cmd("SADD").arg(keys.rooms()).arg(&open);
        }
        pipeline
    }

    /// Removes the state of former names, also what was sent under them after others had evicted them. What fails is
    /// repeated after the next heartbeat: the end of the lease would remove it later.
    async fn evict_former(&self) {
        let former = std::mem::take(&mut *self.former.lock());
        for name in former {
            let rooms = self.replicas.room_names();
            if evict(&self.transport, &self.changes, &name, &rooms).await.is_err() {
                self.former.lock().insert(name);
            }
        }
    }
}
