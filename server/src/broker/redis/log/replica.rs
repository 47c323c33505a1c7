//! The replica of one room on this instance: the head of its log, and its presence version.
//!
//! The lock of a replica is held from judging an announcement to handing it to the feed, so that announced and fetched
//! entries reach the feed in one order. A caller that finds a gap schedules a repair and goes on: one task for each room
//! fetches the missing entries ([`repair`](super::repair)). A deletion is fetched too, with the entries that it replaces.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use realtime_shared::{Position, RoomName, Seq, UserId};

use super::chain::{Follows, judge};
use super::deletion::deleted_by;
use crate::broker::redis::transport::wire::Announced;
use crate::broker::{
    Entry, Feed, MemberNames, Page, Presence, PresenceChange, PresenceKind, Signal, Skip, members_frame,
};
use crate::faults::{self, Fault};

/// A room that is open on this instance.
pub(crate) struct Replica {
    pub(crate) room: RoomName,
    pub(crate) channel: Arc<str>,
    pub(crate) state: Mutex<ReplicaState>,
    /// Held by the task that repairs the room.
    pub(crate) repair: tokio::sync::Mutex<()>,
}

pub(crate) struct ReplicaState {
    pub(crate) stage: Stage,
    pub(crate) head: Position,
    /// The presence version that members were last sent.
    pub(crate) presence_version: u64,
    /// Time at which the last member left this instance.
    pub(crate) released: Option<Instant>,
    /// A repair is scheduled.
    pub(crate) in_repair: bool,
    /// True if the last comparison found other users of this instance in Redis than here.
    pub(crate) users_differ: bool,
    /// Comparisons since the members in Redis were compared with the users of the instances.
    pub(crate) unverified: u64,
    /// Comparisons in a row that found more members in Redis than users of the instances.
    pub(crate) excesses: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The head of the log is being read. `announced` is true if an announcement arrived meanwhile.
    Opening { announced: bool },
    /// Announcements are judged by the head.
    Open,
}

/// An announcement is missing and has to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing;

/// The fetched entries are of another log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Diverged;

impl Replica {
    pub(crate) fn new(room: RoomName, channel: Arc<str>) -> Self {
        let state = ReplicaState {
            stage: Stage::Opening { announced: false },
            head: Position::Start,
            presence_version: 0,
            released: None,
            in_repair: false,
            users_differ: false,
            unverified: 0,
            excesses: 0,
        };
        Self { room, channel, state: Mutex::new(state), repair: tokio::sync::Mutex::default() }
    }

    /// Hands an announcement to the feed, unless it shows that another one is missing.
    pub(crate) fn announce(&self, announced: Announced<'_>, feed: &dyn Feed) -> Result<(), Missing> {
        let mut state = self.state.lock();
        if let Stage::Opening { announced } = &mut state.stage {
            *announced = true;
            return Ok(());
        }
        match announced {
            Announced::Entry { epoch, seq, id, previous, json } => {
                match judge(&state.head, &epoch, seq, id, previous) {
                    Follows::Next => {}
                    Follows::Known => return Ok(()),
                    Follows::Gap if faults::breaks(Fault::NoGapFill) => {}
                    Follows::Gap | Follows::Diverges => return Err(Missing),
                }
                if deleted_by(json).is_some() {
                    return Err(Missing);
                }
                feed.entry(&self.room, &epoch, &Entry { seq, id, json: json.into() });
                state.head = Position::At { epoch, seq, id };
                Ok(())
            }
            Announced::Signal { skip, json } => {
                feed.signal(&self.room, &Signal::new(json.into(), skip));
                Ok(())
            }
            Announced::Joined { presence_version, count, user, named } => {
                let change = PresenceChange { user, kind: PresenceKind::Joined, count };
                self.announce_presence(&mut state, presence_version, &change, &named, feed)
            }
            Announced::Left { presence_version, count, reason, user } => {
                let change = PresenceChange { user, kind: PresenceKind::Left(reason), count };
                self.announce_presence(&mut state, presence_version, &change, &[], feed)
            }
            Announced::Crowd { presence_version } if presence_version > state.presence_version => {
                Err(Missing)
            }
            Announced::Crowd { .. } => Ok(()),
        }
    }

    /// Hands a join or leave to the feed if its version is the next one.
    fn announce_presence(
        &self,
        state: &mut ReplicaState,
        version: u64,
        change: &PresenceChange,
        named: &[UserId],
        feed: &dyn Feed,
    ) -> Result<(), Missing> {
        // Redis may announce any number, so it is not added to anything.
        match version.checked_sub(state.presence_version) {
            None | Some(0) => Ok(()),
            Some(1) => {
                let named = || Arc::new(MemberNames::of(named));
                feed.presence(&self.room, change, &mut || change.signal(&self.room, version, named));
                state.presence_version = version;
                Ok(())
            }
            Some(_) => Err(Missing),
        }
    }

    /// Hands fetched entries to the feed, which begin with the head or with the entry after it, and before a deletion the
    /// entries that it has replaced, by the message. Returns the number of new ones.
    pub(crate) fn extend(
        &self,
        page: &Page,
        replaced: &HashMap<Seq, Vec<Entry>>,
        feed: &dyn Feed,
    ) -> Result<u64, Diverged> {
        let mut state = self.state.lock();
        let Some(epoch) = &page.epoch else {
            return if state.head == Position::Start { Ok(0) } else { Err(Diverged) };
        };
        let mut taken = 0;
        for entry in &page.entries {
            let head = &state.head;
            if head.epoch().is_some_and(|ours| ours != epoch) {
                return Err(Diverged);
            }
            if entry.seq < head.seq() {
                continue;
            }
            if let Position::At { seq, id, .. } = head
                && entry.seq == *seq
            {
                if entry.id != *id && !faults::breaks(Fault::NoIdCheck) {
                    return Err(Diverged);
                }
                continue;
            }
            if entry.seq > head.seq().next() {
                // The entries in between were trimmed.
                return Err(Diverged);
            }
            if let Some(replaced) = deleted_by(&entry.json).and_then(|deleted| replaced.get(&deleted)) {
                feed.replace(&self.room, replaced);
            }
            feed.entry(&self.room, epoch, entry);
            state.head = Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id };
            taken += 1;
        }
        Ok(taken)
    }

    /// Replaces the log with one whose newest entries are in `page`. The first of them is not replayed, unless it is the
    /// first of the log. Entries before a gap, which only a manual deletion can leave, are not replayed either.
    pub(crate) fn reset(&self, page: &Page, feed: &dyn Feed) {
        let mut state = self.state.lock();
        let whole = page.entries.chunk_by(|a, b| a.seq.next() == b.seq).next_back().unwrap_or_default();
        let (Some(epoch), [first, .., last] | [first @ last]) = (&page.epoch, whole) else {
            feed.reset(&self.room, &Position::Start, &Position::Start, 0);
            state.head = Position::Start;
            return;
        };
        let at = |entry: &Entry| Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id };
        let (start, shown) =
            if first.seq == Seq::ZERO.next() { (Position::Start, whole) } else { (at(first), &whole[1..]) };
        feed.reset(&self.room, &start, &at(last), shown.len() as u64);
        for entry in shown {
            feed.entry(&self.room, epoch, entry);
        }
        state.head = at(last);
    }

    /// Sends all members the list of members, after joins or leaves that were missed.
    pub(crate) fn send_members(&self, presence: &Presence, feed: &dyn Feed) {
        let presence_version = presence.presence_version;
        let mut state = self.state.lock();
        if presence_version > state.presence_version {
            let json = members_frame(&self.room, presence, None).into();
            feed.signal(&self.room, &Signal { presence_version, ..Signal::new(json, Skip::Nobody) });
            state.presence_version = presence_version;
        }
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::{EntryId, Epoch};

    use super::*;
    use crate::broker::contract::{Recorder, room, user};

    fn open(head: Position, presence_version: u64) -> Replica {
        let replica = Replica::new(room("a"), "a".into());
        *replica.state.lock() = ReplicaState {
            stage: Stage::Open,
            head,
            presence_version,
            released: None,
            in_repair: false,
            users_differ: false,
            unverified: 0,
            excesses: 0,
        };
        replica
    }

    fn joined(presence_version: u64) -> Announced<'static> {
        Announced::Joined { presence_version, count: u64::MAX, user: user("bob"), named: Vec::new() }
    }

    /// Redis may have any number in the field.
    #[test]
    fn a_presence_version_at_the_end_of_its_range_is_announced_once() {
        let (replica, feed) = (open(Position::Start, u64::MAX - 1), Recorder::default());
        assert_eq!(replica.announce(joined(u64::MAX), &feed), Ok(()));
        assert_eq!(feed.take().len(), 1);
        assert_eq!(replica.announce(joined(u64::MAX), &feed), Ok(()));
        assert_eq!(replica.announce(joined(0), &feed), Ok(()));
        assert!(feed.take().is_empty());
        assert_eq!(open(Position::Start, 0).announce(joined(u64::MAX), &feed), Err(Missing));
    }

    /// A stream may have any number as seq.
    #[test]
    fn a_seq_at_the_end_of_its_range_is_announced_once() {
        let (epoch, feed) = (Epoch::new("E").expect("an epoch"), Recorder::default());
        let id = EntryId::from_u128;
        let at = |seq, id| Position::At { epoch: epoch.clone(), seq: Seq::new(seq), id };
        let replica = open(at(u64::MAX - 1, id(1)), 0);
        let entry = |id, previous| Announced::Entry {
            epoch: epoch.clone(),
            seq: Seq::new(u64::MAX),
            id,
            previous: Some(previous),
            json: "{}",
        };
        assert_eq!(replica.announce(entry(id(2), id(1)), &feed), Ok(()));
        assert_eq!(
            replica.announce(entry(id(3), id(2)), &feed),
            Err(Missing),
            "the largest seq has no next one"
        );
        assert_eq!(feed.take().len(), 1);
        let page = Page {
            epoch: Some(epoch.clone()),
            entries: vec![Entry { seq: Seq::new(u64::MAX), id: id(3), json: "{}".into() }],
            has_more: false,
        };
        assert_eq!(replica.extend(&page, &HashMap::new(), &feed), Err(Diverged));
        replica.reset(&page, &feed);
        assert_eq!(replica.state.lock().head, at(u64::MAX, id(3)));
    }
}
