//! Audit of a room's members in Redis: they must be the users of its instances, contain the users of this instance, and no
//! instance without a lease.
//!
//! The users of each instance are the source, and the members are computed from them. `look.lua` compares only their
//! numbers, so the members are recounted now and then as well.

use std::sync::Arc;

use ::redis::Pipeline;

use super::eviction::evict;
use super::lease::Leases;
use super::sync::MembershipSync;
use crate::broker::feed_slot::FeedSlot;
use crate::broker::redis::log::replica::{Replica, ReplicaState};
use crate::broker::redis::log::room_changes::RoomChanges;
use crate::broker::redis::log::room_state::RoomState;
use crate::broker::redis::transport::{Transport, keys, reply, scripts};

/// Comparisons between two recounts of a small room: about a minute.
const RECOUNT_INTERVAL: u64 = 12;
/// Members of a room for each comparison without a recount, which bounds the cost of large rooms.
const MEMBERS_PER_COMPARISON: u64 = 50;
/// Comparisons in a row with too many members, before they are removed. An instance whose users were lost restores
/// them earlier.
const EXCESSES: u32 = 4;

/// Compares the members in Redis with those of this instance.
pub(crate) struct MembershipAudit {
    pub(crate) transport: Arc<Transport>,
    pub(crate) changes: Arc<RoomChanges>,
    pub(crate) feed: FeedSlot,
    pub(crate) leases: Arc<Leases>,
    pub(crate) sync: Arc<MembershipSync>,
}

impl MembershipAudit {
    /// Schedules a sync of a room whose users differ twice in a row, and evicts instances without a lease. Returns true
    /// if the members are to be recounted.
    pub(crate) fn check(&self, replica: &Arc<Replica>, state: &RoomState) -> bool {
        let Some(feed) = self.feed.get() else { return false };
        let users = feed.users(&replica.room).len() as u64;
        let ours = self.transport.instance.get();
        let differ = users != state.here;
        let (was, is_due) = {
            let mut replica = replica.state.lock();
            (
                std::mem::replace(&mut replica.users_differ, differ),
                is_recount_due(&mut replica, state, differ),
            )
        };
        // A single difference may be a join in progress.
        if differ && was {
            self.sync.schedule([replica.room.clone()]);
        }
        for instance in state.instances.iter().filter(|instance| **instance != *ours) {
            if self.leases.is_gone(instance) {
                let (transport, room) = (self.transport.clone(), replica.room.clone());
                let (changes, instance) = (self.changes.clone(), instance.clone());
                self.transport
                    .runtime
                    .spawn(async move { evict(&transport, &changes, &instance, &[room]).await });
            }
        }
        is_due
    }

    /// Compares the members of rooms with the users of the instances, and corrects them in Redis.
    pub(crate) async fn recount(&self, replicas: &[Arc<Replica>]) {
        if replicas.is_empty() {
            return;
        }
        let mut listed = self.leases.listed();
        listed.push(self.transport.instance.get().as_ref().to_owned());
        let mut recounts = Pipeline::with_capacity(replicas.len());
        for replica in replicas {
            let channel = &*replica.channel;
            let mut recount =
                scripts::RECOUNT.on(&[keys::members(channel), keys::instances(channel), keys::meta(channel)]);
            recount.arg(channel).arg(keys::at(channel, "")).arg(&listed);
            recounts.add_command(recount);
        }
        // The next comparison repeats a failed one.
        let Ok(answers) = self.transport.ask_each(&recounts).await else { return };
        for (replica, answer) in replicas.iter().zip(&answers) {
            if let Some(corrected @ 1..) = reply::parse::<u64>(answer) {
                tracing::warn!(room = %replica.room, corrected, "the members of a room in Redis were wrong: corrected");
                self.changes.mark([replica.room.clone()]);
            }
        }
    }
}

/// True if the members of a room are to be recounted: their number is impossible, or it is time. While Redis has other
/// users of this instance, the sync comes first, and the recount after it.
fn is_recount_due(replica: &mut ReplicaState, state: &RoomState, differ: bool) -> bool {
    replica.unverified = replica.unverified.saturating_add(1);
    replica.excesses = if state.count > *state.possible.end() { replica.excesses + 1 } else { 0 };
    if differ {
        replica.unverified = u64::MAX;
        return false;
    }
    let interval = RECOUNT_INTERVAL.max(state.count / MEMBERS_PER_COMPARISON);
    let is_due = state.count < *state.possible.start()
        || replica.excesses >= EXCESSES
        || (replica.excesses == 0 && replica.unverified >= interval);
    if is_due {
        (replica.unverified, replica.excesses) = (0, 0);
    }
    is_due
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::contract::room;
    use crate::broker::redis::log::chain::LogState;

    fn state(count: u64, least: u64, most: u64) -> RoomState {
        RoomState {
            log: LogState { head: realtime_shared::Position::Start, at_position: None },
            last_ts: None,
            presence_version: 0,
            count,
            here: 0,
            instances: Vec::new(),
            possible: least..=most,
        }
    }

    /// The comparisons of these states that ask for a recount.
    fn due(states: impl IntoIterator<Item = (RoomState, bool)>) -> Vec<usize> {
        let replica = Replica::new(room("a"), "a".into());
        let mut replica = replica.state.lock();
        let states = states.into_iter().enumerate();
        let due = states.filter(|(_, (state, differ))| is_recount_due(&mut replica, state, *differ));
        due.map(|(nth, _)| nth).collect()
    }

    #[test]
    fn members_are_recounted_at_once_if_some_are_missing_and_later_if_there_are_too_many() {
        assert_eq!(due([(state(2, 3, 5), false)]), [0]);
        assert_eq!(due((0..5).map(|_| (state(6, 3, 5), false))), [3]);
        assert_eq!(
            due((0..5).map(|nth| (state(if nth == 2 { 5 } else { 6 }, 3, 5), false))),
            [] as [usize; 0]
        );
    }

    #[test]
    fn members_are_recounted_regularly_and_large_rooms_less_often() {
        assert_eq!(due((0..30).map(|_| (state(3, 3, 5), false))), [11, 23]);
        assert_eq!(due((0..40).map(|_| (state(1_000, 1_000, 2_000), false))), [19, 39]);
    }

    #[test]
    fn members_are_recounted_after_the_users_of_this_instance_were_sent() {
        assert_eq!(due([(state(3, 0, 0), true), (state(3, 0, 0), true), (state(3, 3, 3), false)]), [2]);
    }
}
