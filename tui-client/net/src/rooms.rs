//! Rooms of the client, and the client's position in each.
//!
//! Only arriving entries of the room's log move a position, with two exceptions:
//! - A first join without `since` starts at the room's head, because live entries follow.
//! - A reset that replays nothing starts at the head of the new log.
//!
//! During the replay of a reset, the old position stays until the first entry moves it. If the connection is lost
//! before, the next join gets the reset again.
//!
//! `joined` and `resync` have the epoch of the log. Of the entries, only the first one of a log has it.

use std::time::{Duration, Instant};

use realtime_shared::{EntryId, Epoch, Joined, Position, Recovery, Ref, Resync, RoomName, Seq};

/// The rooms, in the order of their [`Command::Join`](crate::Command::Join).
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: Vec<Room>,
}

#[derive(Debug)]
struct Room {
    name: RoomName,
    stage: Stage,
    /// Position after the last received entry. `None` before a first join without `since`.
    position: Option<Position>,
    /// Epoch of the log on this connection. `None` while the log has no entry.
    epoch: Option<Epoch>,
    /// Number of the next entries that are replayed ones.
    replay_left: u64,
    /// Time of the lost connection, if the client was a member before.
    offline_since: Option<Instant>,
    /// Number of postponements of the join in a row.
    postponements: u32,
    /// The reason of the last postponement, if it is reported.
    refusal: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Stage {
    /// The join is due, at this time at the earliest.
    Due(Option<Instant>),
    /// The join is sent, with this `ref`, at this time.
    Requested {
        at: Instant,
        reference: Ref,
        with_since: bool,
    },
    Joined,
}

/// The content of the client's own `joined`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JoinOutcome {
    pub(super) recovery: Option<Recovery>,
    /// Time without a connection to the room. `None` at the first join.
    pub(super) offline: Option<Duration>,
}

/// The arrival of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Position after the entry. `None` if the epoch is unknown.
    pub(super) position: Option<Position>,
    pub(super) replayed: bool,
}

impl Rooms {
    /// Adds a room with the position `since`. Has no effect if the room is there already.
    pub(super) fn add(&mut self, name: RoomName, since: Option<Position>) {
        if self.find(&name).is_none() {
            self.rooms.push(Room {
                name,
                stage: Stage::Due(None),
                position: since,
                epoch: None,
                replay_left: 0,
                offline_since: None,
                postponements: 0,
                refusal: None,
            });
        }
    }

    /// Removes a room and its position. Returns true if the client has sent a join for it.
    pub(super) fn remove(&mut self, name: &RoomName) -> bool {
        let Some(index) = self.rooms.iter().position(|room| room.name == *name) else { return false };
        !matches!(self.rooms.remove(index).stage, Stage::Due(_))
    }

    /// Returns true if the client may post to the room now. A due join goes first, so that the client receives its
    /// own copy.
    pub(super) fn may_post(&self, name: &RoomName) -> bool {
        self.rooms.iter().all(|room| room.name != *name || !matches!(room.stage, Stage::Due(_)))
    }

    /// Returns true if the marker of the room may be sent now: the client knows which log the room has, or has not joined
    /// it.
    pub(super) fn may_read(&self, name: &RoomName) -> bool {
        self.rooms.iter().all(|room| room.name != *name || room.stage == Stage::Joined)
    }

    /// Epoch of the room's log, as far as the client knows.
    pub(super) fn epoch(&self, name: &RoomName) -> Option<&Epoch> {
        let room = self.rooms.iter().find(|room| room.name == *name)?;
        room.epoch.as_ref().or_else(|| room.position.as_ref()?.epoch())
    }

    /// Returns true if a join is due.
    pub(super) fn has_due(&self, now: Instant) -> bool {
        self.rooms.iter().any(|room| room.is_due(now))
    }

    /// The room and `since` of the next due join, which is sent with `reference`.
    pub(super) fn next_join(&mut self, now: Instant, reference: Ref) -> Option<(RoomName, Option<Position>)> {
        let room = self.rooms.iter_mut().find(|room| room.is_due(now))?;
        room.stage = Stage::Requested { at: now, reference, with_since: room.position.is_some() };
        Some((room.name.clone(), room.position.clone()))
    }

    /// The time of the oldest join that is not answered.
    pub(super) fn oldest_requested(&self) -> Option<Instant> {
        let at = |room: &Room| if let Stage::Requested { at, .. } = room.stage { Some(at) } else { None };
        self.rooms.iter().filter_map(at).min()
    }

    /// The next time after `now` at which a postponed join is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let due = self
            .rooms
            .iter()
            .filter_map(|room| if let Stage::Due(until) = room.stage { until } else { None });
        due.filter(|at| *at > now).min()
    }

    /// Handles the answer to a join. `None` if it does not answer the last one.
    pub(super) fn joined(
        &mut self,
        joined: &Joined,
        reference: Option<&Ref>,
        now: Instant,
    ) -> Option<JoinOutcome> {
        let room = self.find(&joined.room)?;
        let Stage::Requested { reference: requested, with_since, .. } = &room.stage else { return None };
        if reference != Some(requested) {
            return None;
        }
        let reset = matches!(joined.recovery, Some(Recovery::Reset { replayed: 0 }));
        if !with_since || reset {
            room.position.clone_from(&joined.position);
        }
        room.stage = Stage::Joined;
        (room.postponements, room.refusal) = (0, None);
        room.epoch = joined.position.as_ref().and_then(Position::epoch).cloned();
        room.replay_left = joined.recovery.map_or(0, Recovery::replayed);
        let offline = room.offline_since.take().map(|since| now.saturating_duration_since(since));
        Some(JoinOutcome { recovery: joined.recovery, offline })
    }

    /// The room whose unanswered join has this `ref`.
    pub(super) fn requested_with(&self, reference: &Ref) -> Option<RoomName> {
        self.rooms
            .iter()
            .find(|room| matches!(&room.stage, Stage::Requested { reference: requested, .. } if requested == reference))
            .map(|room| room.name.clone())
    }

    /// The reason why the server puts off a join, unless the client joins too fast.
    pub(super) fn refusal(&self) -> Option<&str> {
        self.rooms.iter().find_map(|room| room.refusal.as_deref())
    }

    /// Postpones a join. `wait` gets the number of earlier postponements in a row.
    pub(super) fn postpone(
        &mut self,
        name: &RoomName,
        refusal: Option<String>,
        now: Instant,
        wait: impl FnOnce(u32) -> Duration,
    ) {
        if let Some(room) = self.find(name) {
            room.refusal = refusal;
            room.stage = Stage::Due(Some(now + wait(room.postponements)));
            room.postponements = room.postponements.saturating_add(1);
        }
    }

    /// Handles the client's own `left`: removes the room if the server ended the membership.
    ///
    /// After a leave by the client, the room is removed already, or the next join is on its way.
    pub(super) fn left(&mut self, name: &RoomName) {
        self.rooms.retain(|room| room.name != *name || room.stage != Stage::Joined);
    }

    /// Handles an arriving entry, which has an epoch only if it is the first one of its log.
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

    /// Handles a change of the room's log.
    pub(super) fn resync(&mut self, resync: &Resync) {
        let Some(room) = self.find(&resync.room) else { return };
        room.epoch = resync.position.epoch().cloned();
        room.replay_left = resync.recovery.replayed();
        if room.replay_left == 0 {
            room.position = Some(resync.position.clone());
        }
    }

    /// Handles a lost connection. Its last sign of life was at `offline_since`.
    pub(super) fn disconnected(&mut self, offline_since: Instant) {
        for room in &mut self.rooms {
            if room.stage == Stage::Joined {
                room.offline_since = Some(offline_since);
            }
            room.stage = Stage::Due(None);
            (room.postponements, room.refusal) = (0, None);
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
