//! Who comes into a room of this instance, and who goes.

use ::redis::Pipeline;
use realtime_shared::{LeaveReason, RoomName, UserId};

use crate::broker::redis::Shared;
use crate::broker::redis::log::history;
use crate::broker::redis::presence::heartbeat::presence_keys;
use crate::broker::redis::transport::{reply, scripts, wire};
use crate::broker::{Presence, Unavailable};

/// Names that `joined` has for others.
const NAMED: usize = crate::broker::presence::MEMBERS_TO_OTHERS;

impl Shared {
    /// See [`Broker::enter`](crate::broker::Broker::enter).
    pub(crate) async fn enter(
        &self,
        room: RoomName,
        user: UserId,
        members: usize,
    ) -> Result<Presence, Unavailable> {
        let (channel, instance) = (self.keys.channel(&room), self.instance());
        let mut enter = scripts::ENTER.on(&presence_keys(&channel, &instance));
        enter.arg(&channel).arg(&*instance).arg(user.as_str()).arg(NAMED).arg(members);
        let mut asking = Pipeline::new();
        asking.add_command(enter);
        asking.cmd("SADD").arg(self.keys.rooms()).arg(room.as_str());
        let answers = self.asks.ask(&asking).await.inspect_err(|_| self.is_dirty(&room))?;
        let answer = answers.first().ok_or(Unavailable)?;
        let [changed, count, change, named] = reply::items(answer) else { return Err(Unavailable) };
        Ok(Presence {
            members: history::users(named),
            count: reply::parse(count).ok_or(Unavailable)?,
            change: reply::parse(change).ok_or(Unavailable)?,
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
        let (channel, instance) = (self.keys.channel(&room), self.instance());
        let mut leave = scripts::LEAVE.on(&presence_keys(&channel, &instance));
        leave.arg(&channel).arg(&*instance).arg(user.as_str()).arg(wire::reason(reason));
        let mut asking = Pipeline::new();
        asking.add_command(leave);
        let answers = self.asks.ask(&asking).await.inspect_err(|_| self.is_dirty(&room))?;
        let answer = answers.first().ok_or(Unavailable)?;
        let [changed, count] = reply::items(answer) else { return Err(Unavailable) };
        Ok(Presence {
            members: Vec::new(),
            count: reply::parse(count).ok_or(Unavailable)?,
            change: 0,
            changed: reply::parse(changed) == Some(1_u64),
        })
    }

    /// What could not be said of a room is said as soon as Redis answers.
    fn is_dirty(&self, room: &RoomName) {
        self.saying.again([room.clone()]);
    }
}
