//! The rooms that the client wants to be in, and how far it has read in each.
//!
//! A position moves with every entry of the room's log that arrives, and with nothing else, but for two beginnings: a
//! first join (without `since`) starts where the room's head was, since what follows there is live; and a reset that
//! replays nothing starts where the new log's head is. While a reset is being replayed the old position stays until
//! the first entry moves it, so that a connection lost in between asks again and is told of the reset again.
//!
//! An entry does not say of which epoch it is, but for a room's first one. `joined` and `resync` do.

use std::time::{Duration, Instant};

use realtime_shared::{EntryId, Epoch, Joined, Position, Recovery, Ref, Resync, RoomName, Seq};

/// Rooms, in the order in which they were asked for.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
}

#[derive(Debug)]
struct Room {
    name: RoomName,
    stage: Stage,
    /// After the last entry that was seen; none before a newcomer's first join.
    position: Option<Position>,
    /// Of the log as it is on this connection; none while it has no entry.
    epoch: Option<Epoch>,
    /// How many of the next entries are replayed ones.
    replay_left: u64,
    /// Since when the room is not heard, where it was entered before.
    deaf_since: Option<Instant>,
    /// How often joining was put off in a row.
    put_off: u32,
}

#[derive(Debug, PartialEq)]
enum Stage {
    /// To be joined, not before that time.
    Due(Option<Instant>),
    /// Asked for, with this `ref`.
    Asked { reference: Ref, with_since: bool },
    /// Entered.
    Joined,
}

/// What our own `joined` says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entered {
    pub(super) recovery: Option<Recovery>,
    pub(super) offline: Option<Duration>,
}

/// The arrival of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// After the entry; `None` while its epoch is not known.
    pub(super) position: Option<Position>,
    pub(super) replayed: bool,
}

impl Rooms {
    /// Wants to be in a room, where one was at `since` the last time. A room that is wanted already stays as it is.
    pub(super) fn want(&mut self, name: RoomName, since: Option<Position>) {
        if self.find(&name).is_none() {
            self.rooms.push(Room {
                name,
                stage: Stage::Due(None),
                position: since,
                epoch: None,
                replay_left: 0,
                deaf_since: None,
                put_off: 0,
            });
        }
    }

    /// Wants to be in it no more; its position is forgotten. Whether the server was asked to let us in.
    pub(super) fn forget(&mut self, name: &RoomName) -> bool {
        let Some(index) = self.rooms.iter().position(|room| room.name == *name) else { return false };
        !matches!(self.rooms.remove(index).stage, Stage::Due(_))
    }

    /// Whether a post to the room may go: its join, where it is wanted, goes first, so that the own copy is seen.
    pub(super) fn may_post(&self, name: &RoomName) -> bool {
        self.rooms.iter().all(|room| room.name != *name || !matches!(room.stage, Stage::Due(_)))
    }

    /// Whether a join is due.
    pub(super) fn has_due(&self, now: Instant) -> bool {
        self.rooms.iter().any(|room| room.is_due(now))
    }

    /// The next room to join and from where, to be asked for with `reference`.
    pub(super) fn ask_next(&mut self, now: Instant, reference: Ref) -> Option<(RoomName, Option<Position>)> {
        let room = self.rooms.iter_mut().find(|room| room.is_due(now))?;
        room.stage = Stage::Asked { reference, with_since: room.position.is_some() };
        Some((room.name.clone(), room.position.clone()))
    }

    /// When, after `now`, the next join that was put off is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let due = self
            .rooms
            .iter()
            .filter_map(|room| if let Stage::Due(until) = room.stage { until } else { None });
        due.filter(|at| *at > now).min()
    }

    /// The answer to our join. `None`: it is not the answer to the last one.
    pub(super) fn joined(
        &mut self,
        joined: &Joined,
        reference: Option<&Ref>,
        now: Instant,
    ) -> Option<Entered> {
        let room = self.find(&joined.room)?;
        let Stage::Asked { reference: asked, with_since } = &room.stage else { return None };
        if reference != Some(asked) {
            return None;
        }
        let reset = matches!(joined.recovery, Some(Recovery::Reset { replayed: 0 }));
        if !with_since || reset {
            room.position.clone_from(&joined.position);
        }
        room.stage = Stage::Joined;
        room.put_off = 0;
        room.epoch = joined.position.as_ref().and_then(Position::epoch).cloned();
        room.replay_left = joined.recovery.map_or(0, Recovery::replayed);
        let offline = room.deaf_since.take().map(|since| now.saturating_duration_since(since));
        Some(Entered { recovery: joined.recovery, offline })
    }

    /// The room whose last join had this `ref`, and was not answered.
    pub(super) fn asked_with(&self, reference: &Ref) -> Option<RoomName> {
        self.rooms
            .iter()
            .find(|room| matches!(&room.stage, Stage::Asked { reference: asked, .. } if asked == reference))
            .map(|room| room.name.clone())
    }

    /// Joining was refused for now: it is due again after the wait that `wait` makes of how often that was so before.
    pub(super) fn put_off(&mut self, name: &RoomName, now: Instant, wait: impl FnOnce(u32) -> Duration) {
        if let Some(room) = self.find(name) {
            room.stage = Stage::Due(Some(now + wait(room.put_off)));
            room.put_off = room.put_off.saturating_add(1);
        }
    }

    /// The server says that we left. Where that was not asked for, the room is wanted no more; where it was, the room
    /// is forgotten already, or is being joined again.
    pub(super) fn put_out(&mut self, name: &RoomName) {
        self.rooms.retain(|room| room.name != *name || room.stage != Stage::Joined);
    }

    /// An entry arrived, the first one of a log with its epoch.
    pub(super) fn entry(&mut self, name: &RoomName, seq: Seq, id: EntryId, epoch: Option<&Epoch>) -> Arrival {
        let at = |epoch: &Epoch| Position::At { epoch: epoch.clone(), seq, id };
        let Some(room) = self.find(name).filter(|room| room.stage == Stage::Joined) else {
            return Arrival { position: epoch.map(at), replayed: false };
        };
        let position = epoch.or(room.epoch.as_ref()).map(at);
        if let Some(position) = &position {
            room.epoch = position.epoch().cloned();
            room.position = Some(position.clone());
        }
        let replayed = room.replay_left > 0;
        room.replay_left = room.replay_left.saturating_sub(1);
        Arrival { position, replayed }
    }

    /// The room's log changed under us.
    pub(super) fn resync(&mut self, resync: &Resync) {
        let Some(room) = self.find(&resync.room) else { return };
        room.epoch = resync.position.epoch().cloned();
        room.replay_left = resync.recovery.replayed();
        if room.replay_left == 0 {
            room.position = Some(resync.position.clone());
        }
    }

    /// The connection is gone, and was not heard since `deaf_since`.
    pub(super) fn disconnected(&mut self, deaf_since: Instant) {
        for room in &mut self.rooms {
            if room.stage == Stage::Joined {
                room.deaf_since = Some(deaf_since);
            }
            room.stage = Stage::Due(None);
            room.put_off = 0;
        }
    }

    fn find(&mut self, name: &RoomName) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.name == *name)
    }
}

impl Room {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self.stage, Stage::Due(until) if until.is_none_or(|until| until <= now))
    }
}
