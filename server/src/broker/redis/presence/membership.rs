//! Joins and leaves of users on this instance.

use std::sync::Arc;

use ::redis::{Cmd, Pipeline, Value};
use realtime_shared::{LeaveReason, RoomName, UserId};

use super::replacement::presence_keys;
use super::sync::MembershipSync;
use crate::broker::presence::MEMBERS_TO_OTHERS;
use crate::broker::redis::log::room_changes::RoomChanges;
use crate::broker::redis::log::room_state;
use crate::broker::redis::transport::{Transport, reply, scripts, wire};
use crate::broker::{Presence, Unavailable};

/// Changes the members of rooms.
pub(crate) struct MembershipChanges {
    pub(crate) transport: Arc<Transport>,
    pub(crate) changes: Arc<RoomChanges>,
    pub(crate) sync: Arc<MembershipSync>,
}

impl MembershipChanges {
    /// See [`Broker::enter`](crate::broker::Broker::enter).
    pub(crate) async fn enter(
        &self,
        room: RoomName,
        user: UserId,
        members: usize,
    ) -> Result<Presence, Unavailable> {
        let (channel, instance) = (self.transport.keys.channel(&room), self.transport.instance.get());
        let mut enter = scripts::ENTER.on(&presence_keys(&channel, &instance));
        enter.arg(&channel).arg(&*instance).arg(user.as_str()).arg(MEMBERS_TO_OTHERS).arg(members);
        let mut listing = Cmd::new();
        listing.arg("SADD").arg(self.transport.keys.rooms()).arg(room.as_str());
        let answer = self.change(&room, instance, [enter, listing]).await?;
        let [changed, count, presence_version, named] = reply::items(&answer) else {
            return Err(Unavailable);
        };
        let count = reply::parse(count).ok_or(Unavailable)?;
        self.changes.set_member_count(&room, count);
        Ok(Presence {
            members: room_state::names(named),
            count,
            presence_version: reply::parse(presence_version).ok_or(Unavailable)?,
            changed: reply::parse(changed) == Some(1_u64),
        })
    }

    /// See [`Broker::leave`](crate::broker::Broker::leave).
    pub(crate) async fn leave(
        &self,
        room: RoomName,
        user: UserId,
        reason: LeaveReason,
    ) -> Result<Presence, Unavailable> {
        let (channel, instance) = (self.transport.keys.channel(&room), self.transport.instance.get());
        let mut leave = scripts::LEAVE.on(&presence_keys(&channel, &instance));
        leave.arg(&channel).arg(&*instance).arg(user.as_str()).arg(wire::reason(reason));
        let answer = self.change(&room, instance, [leave]).await?;
        let [changed, count] = reply::items(&answer) else { return Err(Unavailable) };
        let count = reply::parse(count).ok_or(Unavailable)?;
        self.changes.set_member_count(&room, count);
        Ok(Presence {
            members: Arc::default(),
            count,
            presence_version: 0,
            changed: reply::parse(changed) == Some(1_u64),
        })
    }

    /// Sends commands that change a room under a name of this instance, and returns the answer of the first. After a
    /// failure the sync sends the state.
    async fn change(
        &self,
        room: &RoomName,
        instance: Arc<str>,
        commands: impl IntoIterator<Item = Cmd>,
    ) -> Result<Value, Unavailable> {
        let _change = NamedChange { changes: self, room, instance };
        let mut changing = Pipeline::new();
        for command in commands {
            changing.add_command(command);
        }
        let answers = self.transport.ask(&changing).await;
        let answers = answers.inspect_err(|_| self.sync.schedule([room.clone()]))?;
        answers.into_iter().next().ok_or(Unavailable)
    }
}

/// A change under a name of this instance. If the instance has taken another name when it ends, it may have reached Redis after
/// the state of the former name was removed. It also ends when its caller stops waiting.
struct NamedChange<'a> {
    changes: &'a MembershipChanges,
    room: &'a RoomName,
    instance: Arc<str>,
}

impl Drop for NamedChange<'_> {
    fn drop(&mut self) {
        let MembershipChanges { transport, sync, .. } = self.changes;
        if transport.instance.get() != self.instance {
            sync.remove_former(self.instance.clone(), self.room.clone());
        }
    }
}
