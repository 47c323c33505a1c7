//! Frames about joins and leaves that were held; see [`presence_pacing`](super::presence_pacing).
//!
//! When a hold ends, the registry reads the members of the room, so that the frames have the newest count and names, and
//! announces the net changes. In a large room one frame names the newest user, with the others beside it.

use std::sync::Arc;
use std::time::Instant;

use realtime_shared::{LeaveReason, RoomName, ServerEvent, SystemEvent, UserId, codec};

use super::presence_pacing::{INTERVAL, LARGE, NetChanges};
use super::{Context, Registry, RingState, Room};
use crate::broker::{MEMBERS_TO_OTHERS, Presence, Signal, Skip, UnencodedJoined, left};

/// Reads of the members until they agree with the last change that was announced.
const READS: usize = 3;

impl Registry {
    /// Starts a task that announces the held changes of a room. It waits for the broker.
    pub(super) fn spawn_presence_notice(self: &Arc<Self>, room: &RoomName) {
        let room = self.rooms.lock().get(room).cloned();
        if let Some(room) = room {
            let registry = self.clone();
            tokio::spawn(async move { registry.end_hold(&room).await });
        }
    }

    /// Announces the changes of a room that were held. While the engine does not answer, they stay held.
    async fn end_hold(&self, room: &Arc<Room>) {
        for read in 1..=READS {
            let Ok(presence) = self.broker.members(&room.name, MEMBERS_TO_OTHERS).await else {
                return self.presence_holds.schedule(Instant::now() + INTERVAL, room.name.clone());
            };
            // The members may change all the time, so the last read is used in any case.
            if room.announce_held(&presence, read == READS, &self.context()) {
                return;
            }
        }
    }
}

/// A read of the members of a room for a user, from its request to its answer. Changes that are held meanwhile are
/// announced, because the answer may have a state in between.
pub(super) struct MembersRead<'a> {
    room: &'a Room,
    user: &'a UserId,
}

impl Drop for MembersRead<'_> {
    fn drop(&mut self) {
        self.room.state.lock().pacing.end_read(self.user);
    }
}

impl Room {
    /// Begins a read of the members, before the broker is called.
    pub(super) fn begin_read<'a>(&'a self, user: &'a UserId) -> MembersRead<'a> {
        self.state.lock().pacing.begin_read();
        MembersRead { room: self, user }
    }

    /// Appends the frames about held changes. Returns false, and appends nothing, if `presence` is not the newest state
    /// and `anyway` is false.
    fn announce_held(self: &Arc<Self>, presence: &Presence, anyway: bool, context: &Context<'_>) -> bool {
        let mut state = self.state.lock();
        let Some(count) = state.pacing.count().filter(|_| !state.removed) else { return true };
        if count != presence.count && !anyway {
            return false;
        }
        let net = state.pacing.take(context.now);
        let presence = Presence { count, ..presence.clone() };
        let RingState::Open(ring) = &mut state.ring else { return true };
        let bytes_before = ring.bytes();
        for signal in self.signals_of(net, &presence) {
            ring.signal(&signal, context.now);
        }
        self.on_growth(&mut state, bytes_before, context);
        true
    }

    /// The frames about net changes: one for each user, or in a large room one for all joins and one for all leaves.
    fn signals_of(&self, net: NetChanges, presence: &Presence) -> Vec<Signal> {
        let NetChanges { joined, left } = net;
        if presence.count > LARGE {
            let joined = split_newest(joined).map(|(user, others)| self.joined(&user, &others, presence));
            let left = split_newest(left).map(|((user, reason), others)| {
                let others: Vec<_> = others.into_iter().map(|(user, _)| user).collect();
                self.left(&user, reason, &others, presence)
            });
            return joined.into_iter().chain(left).collect();
        }
        let joined = joined.iter().map(|user| self.joined(user, &[], presence));
        let left = left.iter().map(|(user, reason)| self.left(user, *reason, &[], presence));
        joined.chain(left).collect()
    }

    fn joined(&self, user: &UserId, others: &[UserId], presence: &Presence) -> Signal {
        let mut joined = UnencodedJoined::new(user, &self.name, presence.members.clone(), presence.count);
        joined.event.message = text(user, others.len(), "joined");
        joined.event.others = others.iter().take(MEMBERS_TO_OTHERS).cloned().collect();
        joined.event.others_count = others.len() as u64;
        signal(joined.encode(None), user, presence)
    }

    fn left(&self, user: &UserId, reason: LeaveReason, others: &[UserId], presence: &Presence) -> Signal {
        let mut event = left(user, &self.name, presence.count, reason);
        event.message = text(user, others.len(), "left");
        event.others = others.iter().take(MEMBERS_TO_OTHERS).cloned().collect();
        event.others_count = others.len() as u64;
        signal(codec::encode(&ServerEvent::System(SystemEvent::Left(event))), user, presence)
    }
}

fn signal(json: String, user: &UserId, presence: &Presence) -> Signal {
    let presence_version = presence.presence_version;
    Signal { presence_version, ..Signal::new(json.into(), Skip::User(user.clone())) }
}

/// `erin joined`, `erin and 1 other joined`, `erin and 2 others joined`.
fn text(user: &UserId, others: usize, verb: &str) -> String {
    match others {
        0 => format!("{user} {verb}"),
        1 => format!("{user} and 1 other {verb}"),
        _ => format!("{user} and {others} others {verb}"),
    }
}

/// The last of the changes, and those before it, the newest first.
fn split_newest<T>(mut changes: Vec<T>) -> Option<(T, Vec<T>)> {
    changes.reverse();
    let mut changes = changes.into_iter();
    let newest = changes.next()?;
    Some((newest, changes.collect()))
}
