//! The calls of scripts that change the members of a room.

use ::redis::Cmd;
use realtime_shared::LeaveReason;

use crate::broker::redis::transport::{keys, scripts, wire};

/// The keys of `enter.lua`, `leave.lua` and `replace.lua`.
pub(crate) fn presence_keys(channel: &str, instance: &str) -> [String; 4] {
    [keys::members(channel), keys::at(channel, instance), keys::instances(channel), keys::meta(channel)]
}

/// A call of `replace.lua`, to which the users of the instance are added.
pub(crate) fn replace(channel: &str, instance: &str) -> Cmd {
    let mut replace = scripts::REPLACE.on(&presence_keys(channel, instance));
    replace.arg(channel).arg(instance).arg(wire::reason(LeaveReason::Disconnected));
    replace
}
