//! Changes of rooms, for the list of rooms of each instance.
//!
//! An instance takes over its own changes at once. Once a second it reads the state of the rooms that it has changed, and
//! publishes it to the other instances. The scan of [`listing`](super::listing) repairs what is lost.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use ::redis::Pipeline;
use parking_lot::Mutex;
use realtime_shared::{Epoch, Position, RoomName, RoomSummary, Seq, Timestamp};
use tokio::sync::Notify;
use tokio::time::sleep;

use super::room_index::RoomIndex;
use super::room_state::states_of;
use crate::broker::redis::transport::Transport;
use crate::broker::redis::transport::instance::unused_name;
use crate::broker::room_list::RoomList;
use crate::broker::{Receipt, Unavailable};

/// Interval of publications.
const INTERVAL: Duration = Duration::from_secs(1);
/// Most rooms that are read and published in an interval: 2 % of the time of Redis.
const MOST: usize = 2_000;
/// Rooms of one request, and of one publication.
const ROOMS: usize = 200;

/// The list of rooms, and the rooms that this instance has changed since its last publication.
pub(crate) struct RoomChanges {
    transport: Arc<Transport>,
    index: Arc<RoomIndex>,
    list: RoomList,
    channel: Arc<str>,
    /// Name by which this instance recognizes its own publications.
    sender: Arc<str>,
    changed: Mutex<HashSet<RoomName>>,
    wake: Notify,
}

impl RoomChanges {
    pub(crate) fn new(transport: Arc<Transport>, index: Arc<RoomIndex>, list: RoomList) -> Self {
        let channel = transport.keys.room_changes().into();
        Self {
            transport,
            index,
            list,
            channel,
            sender: unused_name(),
            changed: Mutex::default(),
            wake: Notify::new(),
        }
    }

    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Takes over a new entry.
    pub(crate) fn stored(&self, room: &RoomName, receipt: &Receipt) {
        let Receipt { epoch, seq, id, ts, .. } = receipt;
        let position = Position::At { epoch: epoch.clone(), seq: *seq, id: *id };
        self.list.set_heads(std::iter::once((room, position, *ts)));
        self.mark([room.clone()]);
    }

    /// Takes over the number of members after a join or a leave.
    pub(crate) fn set_member_count(&self, room: &RoomName, count: u64) {
        self.list.set_member_count(room, count);
        self.mark([room.clone()]);
    }

    /// Marks rooms whose new state is still to be read.
    pub(crate) fn mark(&self, rooms: impl IntoIterator<Item = RoomName>) {
        self.changed.lock().extend(rooms);
        self.wake.notify_one();
    }

    /// Publishes changes for as long as the engine runs.
    pub(crate) async fn run(&self) {
        loop {
            self.wake.notified().await;
            loop {
                sleep(INTERVAL).await;
                let changed: Vec<_> = self.changed.lock().extract_if(|_| true).take(MOST).collect();
                if changed.is_empty() {
                    break;
                }
                for rooms in changed.chunks(ROOMS) {
                    if self.publish(rooms.to_vec()).await.is_err() {
                        self.changed.lock().extend(rooms.iter().cloned());
                    }
                }
            }
        }
    }

    /// Reads the state of rooms, and publishes it.
    async fn publish(&self, rooms: Vec<RoomName>) -> Result<(), Unavailable> {
        let states = states_of(&self.transport, rooms).await?;
        let rooms: Vec<_> = states.into_iter().map(|(room, state)| state.summary(room)).collect();
        let mut publishing = Pipeline::new();
        publishing.cmd("SPUBLISH").arg(&*self.channel).arg(publication(&self.sender, &rooms));
        self.take_over(&rooms);
        self.transport.ask(&publishing).await.map(|_| ())
    }

    fn take_over(&self, rooms: &[RoomSummary]) {
        self.list.replace(rooms);
        let is_removed = |summary: &&RoomSummary| summary.member_count == 0 && summary.last_ts.is_none();
        self.index.forget_rooms(rooms.iter().filter(is_removed).map(|summary| &summary.room));
    }

    /// Takes over a publication of another instance.
    pub(crate) fn receive(&self, payload: &str) {
        let Some((sender, rooms)) = parse(payload) else { return };
        if *sender != *self.sender {
            self.take_over(&rooms);
        }
    }
}

/// The publication of the states of rooms, by the instance `sender`.
///
/// Names have no tabs. A room whose epoch has one is left out: other programs have made it.
fn publication(sender: &str, rooms: &[RoomSummary]) -> String {
    let mut text = sender.to_owned();
    for RoomSummary { room, member_count, position, last_ts, user_id: _ } in rooms {
        let ts = last_ts.map_or(0, Timestamp::millis);
        let _ = match position {
            Position::Start => write!(text, "\n{member_count}\t\t\t\t\t{room}"),
            Position::At { epoch, .. } if epoch.as_str().contains(['\t', '\n']) => Ok(()),
            Position::At { epoch, seq, id } => {
                write!(text, "\n{member_count}\t{seq}\t{id}\t{ts}\t{epoch}\t{room}")
            }
        };
    }
    text
}

/// Reads such a publication.
fn parse(text: &str) -> Option<(&str, Vec<RoomSummary>)> {
    let mut lines = text.split('\n');
    let sender = lines.next()?;
    let room = |line: &str| {
        let mut fields = line.splitn(6, '\t');
        let member_count = fields.next()?.parse().ok()?;
        let (seq, id, ts, epoch) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let room = RoomName::new(fields.next()?).ok()?;
        let (position, last_ts) = if id.is_empty() {
            (Position::Start, None)
        } else {
            let (seq, id) = (Seq::new(seq.parse().ok()?), id.parse().ok()?);
            let position = Position::At { epoch: Epoch::new(epoch)?, seq, id };
            (position, Some(Timestamp::from_millis(ts.parse().ok()?)))
        };
        Some(RoomSummary { room, member_count, position, last_ts, user_id: None })
    };
    Some((sender, lines.map(room).collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use realtime_shared::EntryId;

    use super::*;
    use crate::broker::contract::room;

    #[test]
    fn a_publication_is_read_as_it_was_written() {
        let at = |seq, epoch: &str| Position::At {
            epoch: Epoch::new(epoch).expect("an epoch"),
            seq: Seq::new(seq),
            id: EntryId::from_u128(seq.into()),
        };
        let summary = |name, member_count, position, ts: Option<u64>| RoomSummary {
            room: room(name),
            member_count,
            position,
            last_ts: ts.map(Timestamp::from_millis),
            user_id: None,
        };
        let rooms = [
            summary("a b", 0, at(7, "E 1"), Some(u64::MAX)),
            summary("gone", 0, Position::Start, None),
            summary("silent", u64::MAX, Position::Start, None),
        ];
        let text = publication("one", &rooms);
        assert_eq!(parse(&text), Some(("one", rooms.to_vec())));
        let foreign = [summary("a", 1, at(7, "E\t1"), Some(1)), rooms[2].clone()];
        assert_eq!(parse(&publication("one", &foreign)), Some(("one", vec![rooms[2].clone()])));
        for bad in [
            "one\n",
            "one\n1\t2\t3\t4\t5",
            "one\n-1\t\t\t\t\ta",
            "one\n1\t1\tx\t1\tE\ta",
            "one\n1\t\t\t\t\t a",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
    }
}
