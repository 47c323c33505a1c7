//! Read markers: the newest message of each room that the user has read.
//!
//! The marker of a room only moves forward. One `read` of a room is in flight; of those that follow, the newest one goes
//! next. The server may lose a `read` that it has not answered, so that is sent again: after a reconnect, or after
//! [`ANSWER_TIMEOUT`].
//!
//! A marker belongs to a log. When the room has another log, it is forgotten, also if the server has not stored it:
//! its seq would mark other messages as read.

use std::time::{Duration, Instant};

use realtime_shared::{Epoch, Inbox, InboxRoom, Position, Ref, RoomName, Seq};

/// Longest wait for the answer to a `read`. The server answers within a second.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most markers that are kept though the server has stored them. The oldest is dropped.
pub(super) const STORED: usize = 1_000;

/// The markers of the rooms.
#[derive(Debug, Default)]
pub(super) struct Markers {
    markers: Vec<Marker>,
    /// Number of commands so far.
    commands: u64,
}

#[derive(Debug)]
struct Marker {
    room: RoomName,
    /// The log. `None`: it is not known.
    epoch: Option<Epoch>,
    /// The newest seq that the server is known to have stored.
    stored: Seq,
    wanted: Option<Wanted>,
}

/// A seq that the server has not confirmed.
#[derive(Debug)]
struct Wanted {
    seq: Seq,
    /// Number of the command that moved the marker to `seq`.
    command: u64,
    /// Number of the oldest command that has no answer.
    oldest: u64,
    stage: Stage,
    /// Number of temporary refusals in a row.
    postponements: u32,
}

#[derive(Debug)]
enum Stage {
    /// The `read` is due, at this time at the earliest.
    Due(Option<Instant>),
    Sent {
        reference: Ref,
        seq: Seq,
        at: Instant,
    },
}

/// A marker that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) room: RoomName,
    pub(super) seq: Seq,
    pub(super) is_stored: bool,
}

impl Markers {
    /// Moves a marker forward. `epoch` is that of the room's log, if the client knows it. `None`: the marker is there
    /// already.
    pub(super) fn read(&mut self, room: &RoomName, epoch: Option<&Epoch>, seq: Seq) -> Option<Moved> {
        self.commands += 1;
        let command = self.commands;
        let marker = self.find_or_add(room, epoch);
        if seq <= marker.seq() {
            return None;
        }
        if let Some(wanted) = &mut marker.wanted {
            (wanted.seq, wanted.command) = (seq, command);
        } else {
            let stage = Stage::Due(None);
            marker.wanted = Some(Wanted { seq, command, oldest: command, stage, postponements: 0 });
        }
        Some(marker.moved())
    }

    /// The log of a room is that of this position. A marker of another log is forgotten.
    pub(super) fn enter(&mut self, room: &RoomName, position: Option<&Position>) {
        let Some(position) = position else { return };
        let epoch = position.epoch();
        self.markers.retain_mut(|marker| {
            if marker.room != *room {
                return true;
            }
            let is_same = epoch.is_some() && marker.epoch.as_ref().is_none_or(|known| Some(known) == epoch);
            if marker.epoch.is_none() {
                // The server may have stored it in an earlier log.
                marker.stored = Seq::ZERO;
            }
            marker.epoch = epoch.cloned();
            is_same
        });
    }

    /// Takes over the marker that the server has. Returns the marker of the room.
    pub(super) fn received(&mut self, room: &RoomName, epoch: Option<&Epoch>, seq: Seq) -> Moved {
        let marker = self.find_or_add(room, epoch);
        marker.stored = marker.stored.max(seq);
        marker.confirm();
        marker.moved()
    }

    /// Handles the answer to a `read`. `None`: none in flight has this `ref`.
    pub(super) fn answered(&mut self, reference: &Ref, seq: Seq) -> Option<Moved> {
        let marker = self.in_flight(reference)?;
        marker.stored = marker.stored.max(seq);
        if let Some(wanted) = &mut marker.wanted {
            // The server has stored no more than the head of the log.
            if matches!(wanted.stage, Stage::Sent { seq: sent, .. } if wanted.seq <= sent) {
                marker.wanted = None;
            } else {
                (wanted.stage, wanted.oldest, wanted.postponements) = (Stage::Due(None), wanted.command, 0);
            }
        }
        marker.confirm();
        let moved = marker.moved();
        self.trim();
        Some(moved)
    }

    /// Postpones a refused `read`. Returns false if none in flight has this `ref`. `wait` gets the number of earlier
    /// refusals.
    pub(super) fn postpone(
        &mut self,
        reference: &Ref,
        now: Instant,
        wait: impl FnOnce(u32) -> Duration,
    ) -> bool {
        let Some(wanted) = self.in_flight(reference).and_then(|marker| marker.wanted.as_mut()) else {
            return false;
        };
        wanted.stage = Stage::Due(Some(now + wait(wanted.postponements)));
        wanted.postponements = wanted.postponements.saturating_add(1);
        true
    }

    /// Gives up a refused `read`. Returns the seq that is not stored, and the marker that the server has.
    pub(super) fn refused(&mut self, reference: &Ref) -> Option<(Seq, Moved)> {
        let marker = self.in_flight(reference)?;
        let wanted = marker.wanted.take()?;
        Some((wanted.seq, marker.moved()))
    }

    /// Returns true if a `read` in flight has this `ref`.
    pub(super) fn holds(&self, reference: &Ref) -> bool {
        self.markers.iter().any(|marker| marker.is_in_flight(reference))
    }

    /// Returns true if a `read` is due in a room that `may_read` allows.
    pub(super) fn has_due(&self, now: Instant, may_read: impl Fn(&RoomName) -> bool) -> bool {
        self.markers.iter().any(|marker| marker.is_due(now) && may_read(&marker.room))
    }

    /// The next due `read`, which is sent now with `reference`.
    pub(super) fn send_next(
        &mut self,
        now: Instant,
        may_read: impl Fn(&RoomName) -> bool,
        reference: impl FnOnce() -> Ref,
    ) -> Option<(RoomName, Seq, Ref)> {
        let due = |marker: &&mut Marker| marker.is_due(now) && may_read(&marker.room);
        let marker = self.markers.iter_mut().find(due)?;
        let wanted = marker.wanted.as_mut()?;
        let (reference, seq) = (reference(), wanted.seq);
        wanted.stage = Stage::Sent { reference: reference.clone(), seq, at: now };
        Some((marker.room.clone(), seq, reference))
    }

    /// Sends a `read` again that is not answered in time.
    pub(super) fn expire(&mut self, now: Instant) {
        for wanted in self.markers.iter_mut().filter_map(|marker| marker.wanted.as_mut()) {
            if matches!(wanted.stage, Stage::Sent { at, .. } if at + ANSWER_TIMEOUT <= now) {
                wanted.stage = Stage::Due(None);
            }
        }
    }

    /// The next time at which an answer is overdue, or after `now` at which a postponed `read` is due.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        let wanted = self.markers.iter().filter_map(|marker| marker.wanted.as_ref());
        let at = wanted.filter_map(|wanted| match wanted.stage {
            Stage::Due(at) => at.filter(|at| *at > now),
            Stage::Sent { at, .. } => Some(at + ANSWER_TIMEOUT),
        });
        at.min()
    }

    /// Handles a lost connection: what is not answered is sent again.
    pub(super) fn disconnected(&mut self) {
        for wanted in self.markers.iter_mut().filter_map(|marker| marker.wanted.as_mut()) {
            (wanted.stage, wanted.postponements) = (Stage::Due(None), 0);
        }
    }

    /// Another user has other markers.
    pub(super) fn clear(&mut self) {
        self.markers.clear();
    }

    /// Forgets the marker of a room that the client has left, once the server has stored it.
    pub(super) fn left(&mut self, room: &RoomName) {
        self.markers.retain(|marker| marker.room != *room || marker.wanted.is_some());
    }

    /// Number of the last command.
    pub(super) const fn last_command(&self) -> u64 {
        self.commands
    }

    /// Returns true if a command up to this one has no answer.
    pub(super) fn is_open(&self, command: u64) -> bool {
        self.markers.iter().filter_map(|marker| marker.wanted.as_ref()).any(|wanted| wanted.oldest <= command)
    }

    /// Applies the markers to an inbox that is older. Returns a marker that it lacks, if the number of unread messages after
    /// it is not known.
    pub(super) fn apply(&self, inbox: &mut Inbox) -> Option<(RoomName, Seq)> {
        let mut lacking = None;
        for room in &mut inbox.rooms {
            let epoch = room.position.epoch();
            let marker = self.markers.iter().find(|marker| {
                marker.room == room.room && marker.epoch.as_ref().is_none_or(|known| Some(known) == epoch)
            });
            let Some(seq) = marker.map(Marker::seq).filter(|seq| *seq > room.read_seq) else { continue };
            if seq >= room.position.seq() {
                read_all(room);
            } else {
                lacking.get_or_insert_with(|| (room.room.clone(), seq));
            }
        }
        lacking
    }

    fn in_flight(&mut self, reference: &Ref) -> Option<&mut Marker> {
        self.markers.iter_mut().find(|marker| marker.is_in_flight(reference))
    }

    fn find_or_add(&mut self, room: &RoomName, epoch: Option<&Epoch>) -> &mut Marker {
        if epoch.is_some() {
            self.markers.retain(|marker| {
                marker.room != *room || marker.epoch.as_ref().is_none_or(|known| Some(known) == epoch)
            });
        }
        let index = self.markers.iter().position(|marker| marker.room == *room).unwrap_or_else(|| {
            self.trim();
            let (room, stored) = (room.clone(), Seq::ZERO);
            self.markers.push(Marker { room, epoch: None, stored, wanted: None });
            self.markers.len() - 1
        });
        let marker = &mut self.markers[index];
        marker.epoch = epoch.cloned().or_else(|| marker.epoch.take());
        marker
    }

    fn trim(&mut self) {
        if self.markers.len() >= STORED
            && let Some(index) = self.markers.iter().position(|marker| marker.wanted.is_none())
        {
            self.markers.remove(index);
        }
    }
}

/// All messages of the room are read.
fn read_all(room: &mut InboxRoom) {
    room.read_seq = room.position.seq();
    (room.unread, room.mentions, room.first_mention_seq) = (0, 0, None);
}

impl Marker {
    /// The newest message that the user has read.
    fn seq(&self) -> Seq {
        self.wanted.as_ref().map_or(self.stored, |wanted| wanted.seq.max(self.stored))
    }

    fn moved(&self) -> Moved {
        Moved { room: self.room.clone(), seq: self.seq(), is_stored: self.wanted.is_none() }
    }

    /// A wanted seq that the server has is no longer wanted.
    fn confirm(&mut self) {
        let stored = self.stored;
        self.wanted.take_if(|wanted| wanted.seq <= stored);
    }

    fn is_due(&self, now: Instant) -> bool {
        let stage = self.wanted.as_ref().map(|wanted| &wanted.stage);
        matches!(stage, Some(Stage::Due(at)) if at.is_none_or(|at| at <= now))
    }

    fn is_in_flight(&self, reference: &Ref) -> bool {
        let stage = self.wanted.as_ref().map(|wanted| &wanted.stage);
        matches!(stage, Some(Stage::Sent { reference: sent, .. }) if sent == reference)
    }
}
