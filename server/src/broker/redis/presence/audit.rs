//! Audit of a room's members in Redis: they must contain the users of this instance, and no instance without a lease.

use std::sync::Arc;

use super::eviction::evict;
use super::lease::Leases;
use super::sync::MembershipSync;
use crate::broker::feed_slot::FeedSlot;
use crate::broker::redis::log::replica::Replica;
use crate::broker::redis::log::room_state::RoomState;
use crate::broker::redis::transport::Transport;

/// Compares the members in Redis with those of this instance.
pub(crate) struct MembershipAudit {
    pub(crate) transport: Arc<Transport>,
    pub(crate) feed: FeedSlot,
    pub(crate) leases: Arc<Leases>,
    pub(crate) sync: Arc<MembershipSync>,
}

impl MembershipAudit {
    /// Schedules a sync of a room whose users differ twice in a row, and evicts instances without a lease.
    pub(crate) fn check(&self, replica: &Arc<Replica>, state: &RoomState) {
        let Some(feed) = self.feed.get() else { return };
        let differ = feed.users(&replica.room).len() as u64 != state.here;
        let was = std::mem::replace(&mut replica.state.lock().users_differ, differ);
        // A single difference may be a join in progress.
        if differ && was {
            self.sync.schedule([replica.room.clone()]);
        }
        let ours = self.transport.instance.get();
        for instance in state.instances.iter().filter(|instance| **instance != *ours) {
            if self.leases.is_gone(instance) {
                let (transport, room) = (self.transport.clone(), replica.room.clone());
                let instance = instance.clone();
                self.transport.runtime.spawn(async move { evict(&transport, &instance, &[room]).await });
            }
        }
    }
}
