//! The state of a room in Redis: the head of its log, its members, and their instances.

use std::ops::RangeInclusive;
use std::sync::Arc;

use ::redis::{Cmd, Pipeline, Value};
use realtime_shared::{EntryId, Epoch, Position, RoomName, RoomSummary, Seq, Timestamp, UserId};

use super::chain::LogState;
use crate::broker::redis::transport::{Transport, keys, reply, scripts};
use crate::broker::{MemberNames, Presence, Unavailable};

/// The answer of `look.lua`.
#[derive(Debug)]
pub(crate) struct RoomState {
    pub(crate) log: LogState,
    /// Time at which the newest entry was accepted.
    pub(crate) last_ts: Option<Timestamp>,
    pub(crate) presence_version: u64,
    /// Number of members.
    pub(crate) count: u64,
    /// Number of members on the instance that reads.
    pub(crate) here: u64,
    /// Instances with a member.
    pub(crate) instances: Vec<String>,
    /// Numbers of members that the users of the instances allow.
    pub(crate) possible: RangeInclusive<u64>,
}

impl RoomState {
    /// Reads the answer of `look.lua`.
    pub(crate) fn parse(answer: &Value) -> Option<Self> {
        let [epoch, seq, id, ts, at_position, presence_version, count, here, instances, least, most] =
            reply::items(answer)
        else {
            return None;
        };
        let id_of = |value| match reply::text(value)? {
            "" => Some(None),
            id => id.parse::<EntryId>().ok().map(Some),
        };
        let head = match id_of(id)? {
            None => Position::Start,
            Some(id) => Position::At {
                // A log that lost its epoch gets another one with its next entry.
                epoch: Epoch::new(reply::text(epoch)?).unwrap_or_else(|| Epoch::from_id(id)),
                seq: Seq::new(reply::parse(seq)?),
                id,
            },
        };
        let last_ts = (head != Position::Start).then(|| reply::parse(ts).map(Timestamp::from_millis));
        Some(Self {
            log: LogState { head, at_position: id_of(at_position)? },
            last_ts: last_ts.flatten(),
            presence_version: reply::parse(presence_version)?,
            count: reply::parse(count)?,
            here: reply::parse(here)?,
            instances: reply::items(instances)
                .iter()
                .filter_map(|instance| Some(reply::text(instance)?.to_owned()))
                .collect(),
            possible: reply::parse(least)?..=reply::parse(most)?,
        })
    }

    /// The item of a list for the room.
    pub(crate) fn summary(self, room: RoomName) -> RoomSummary {
        let (position, last_ts) = (self.log.head, self.last_ts);
        RoomSummary { room, member_count: self.count, position, last_ts, user_id: None }
    }

    /// True if the room has neither an entry nor a member.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0 && self.last_ts.is_none()
    }
}

/// A call of `look.lua`, with the position and the presence version of the caller's replica.
pub(crate) fn look(transport: &Transport, channel: &str, at: Seq, presence_version: u64) -> Cmd {
    let mut look = scripts::LOOK.on(&[
        keys::log(channel),
        keys::meta(channel),
        keys::members(channel),
        keys::instances(channel),
        keys::at(channel, &transport.instance.get()),
    ]);
    look.arg(channel).arg(at.get()).arg(presence_version).arg(keys::at(channel, ""));
    look
}

/// The states of rooms that need not be open here.
pub(crate) async fn states_of(
    transport: &Transport,
    rooms: Vec<RoomName>,
) -> Result<Vec<(RoomName, RoomState)>, Unavailable> {
    if rooms.is_empty() {
        return Ok(Vec::new());
    }
    let mut looks = Pipeline::with_capacity(rooms.len());
    for room in &rooms {
        looks.add_command(look(transport, &transport.keys.channel(room), Seq::ZERO, 0));
    }
    // A room with a key of another type has no state, which does not concern the others.
    let answers = transport.ask_each(&looks).await?;
    let states = rooms.into_iter().zip(&answers);
    Ok(states.filter_map(|(room, answer)| Some((room, RoomState::parse(answer)?))).collect())
}

/// The members of a room, at most `limit` by name.
pub(crate) async fn members_of(
    transport: &Transport,
    channel: &str,
    limit: usize,
) -> Result<Presence, Unavailable> {
    let key = keys::members(channel);
    let mut reading = Pipeline::new();
    // The version is read first: a change between these commands is announced again, and never skipped.
    reading.cmd("HGET").arg(keys::meta(channel)).arg("people");
    reading.cmd("ZCARD").arg(&key);
    // The range from 0 to -1 would be all members.
    let last = i64::try_from(limit).unwrap_or(i64::MAX).saturating_sub(1);
    let first = i64::from(limit == 0);
    reading.cmd("ZRANGE").arg(&key).arg(first).arg(last.max(0));
    let answers = transport.ask(&reading).await?;
    let [presence_version, count, named] = &*answers else { return Err(Unavailable) };
    Ok(Presence {
        members: names(named),
        count: reply::parse(count).ok_or(Unavailable)?,
        changed: false,
        presence_version: reply::parse(presence_version).unwrap_or(0),
    })
}

/// The names of the users of an array.
pub(crate) fn names(named: &Value) -> Arc<MemberNames> {
    let users: Vec<_> =
        reply::items(named).iter().filter_map(|id| UserId::new(reply::text(id)?).ok()).collect();
    Arc::new(MemberNames::of(&users))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &dyn ToString) -> Value {
        Value::BulkString(text.to_string().into_bytes())
    }

    fn answer(seq: &dyn ToString, ts: &dyn ToString, version: &dyn ToString, count: i64) -> Value {
        let id = EntryId::from_u128(1);
        let fields = [text(&"E1"), text(seq), text(&id), text(ts), text(&""), text(version)];
        let counts = [Value::Int(count), Value::Int(0)];
        let instances = [Value::Array(vec![text(&"one")]), Value::Int(0), Value::Int(0)];
        Value::Array(fields.into_iter().chain(counts).chain(instances).collect())
    }

    #[test]
    fn the_largest_numbers_are_read_and_numbers_out_of_range_are_refused() {
        let state = RoomState::parse(&answer(&u64::MAX, &u64::MAX, &u64::MAX, i64::MAX)).expect("a state");
        assert_eq!(state.log.head.seq(), Seq::new(u64::MAX));
        assert_eq!(state.last_ts, Some(Timestamp::from_millis(u64::MAX)));
        assert_eq!((state.presence_version, state.count), (u64::MAX, i64::MAX.unsigned_abs()));
        for bad in [
            answer(&"18446744073709551616", &1, &1, 1),
            answer(&-1, &1, &1, 1),
            answer(&1, &1, &-1, 1),
            answer(&1, &1, &"1e30", 1),
            answer(&1, &1, &1, -1),
        ] {
            assert!(RoomState::parse(&bad).is_none(), "{bad:?}");
        }
    }
}
