//! One room that this instance hears: what it has of its log, and of who comes and goes.
//!
//! The lock of a room is held from judging an announcement to handing it to the feed, so that what is announced and
//! what is fetched come in one order. Whoever finds that something is missing says so and goes on: one task a room
//! fetches it ([`repair`](super::repair)).

use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use realtime_shared::{Members, Position, RoomName, Seq, ServerEvent, codec};

use crate::broker::redis::log::chain::{Follows, judge};
use crate::broker::redis::transport::wire::Announced;
use crate::broker::{Entry, Feed, Page, Signal, Skip};
use crate::faults::{self, Fault};

/// A room that is heard.
pub(crate) struct Following {
    pub(crate) room: RoomName,
    pub(crate) channel: Arc<str>,
    pub(crate) state: Mutex<State>,
    /// What is missing is fetched by one at a time.
    pub(crate) repair: tokio::sync::Mutex<()>,
}

/// What an instance has of a room.
pub(crate) struct State {
    pub(crate) stage: Stage,
    pub(crate) head: Position,
    /// Which change of who is there was the last one that was told.
    pub(crate) people: u64,
    /// Since when nobody here is in the room.
    pub(crate) released: Option<Instant>,
    /// Something is missing, and somebody is about to fetch it.
    pub(crate) in_repair: bool,
    /// What Redis has of the users of this instance was not what is here, when it was last looked at.
    pub(crate) users_differ: bool,
}

/// Whether it is known where a room's log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is asked; something may have been announced meanwhile.
    Opening { heard: bool },
    /// Announcements count.
    Open,
}

/// Something was not heard, and has to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing;

/// What was fetched is of another log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elsewhere;

impl Following {
    pub(crate) fn new(room: RoomName, channel: Arc<str>) -> Self {
        let state = State {
            stage: Stage::Opening { heard: false },
            head: Position::Start,
            people: 0,
            released: None,
            in_repair: false,
            users_differ: false,
        };
        Self { room, channel, state: Mutex::new(state), repair: tokio::sync::Mutex::default() }
    }

    /// Takes what is announced, unless that shows that something is missing.
    pub(crate) fn announce(&self, announced: Announced<'_>, feed: &dyn Feed) -> Result<(), Missing> {
        let mut state = self.state.lock();
        if let Stage::Opening { heard } = &mut state.stage {
            *heard = true;
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
                feed.entry(&self.room, &epoch, &Entry { seq, id, json: json.into() });
                state.head = Position::At { epoch, seq, id };
                Ok(())
            }
            Announced::Signal { skip, json } => {
                feed.signal(&self.room, &Signal { json: json.into(), skip, change: 0 });
                Ok(())
            }
            Announced::Joined { version, count, user, named } => {
                let signal = || Signal::joined(&user, &self.room, named, count, version);
                self.told(&mut state, version, signal, feed)
            }
            Announced::Left { version, count, reason, user } => {
                let signal = || Signal::left(&user, &self.room, count, reason, version);
                self.told(&mut state, version, signal, feed)
            }
            Announced::Crowd { version } if version > state.people => Err(Missing),
            Announced::Crowd { .. } => Ok(()),
        }
    }

    /// Tells of a change of who is there, if it is the next one.
    fn told(
        &self,
        state: &mut State,
        version: u64,
        signal: impl FnOnce() -> Signal,
        feed: &dyn Feed,
    ) -> Result<(), Missing> {
        if version > state.people + 1 {
            return Err(Missing);
        }
        if version == state.people + 1 {
            feed.signal(&self.room, &signal());
            state.people = version;
        }
        Ok(())
    }

    /// Takes entries that were fetched, which begin with our head or with what follows it; tells how many
    /// were new.
    pub(crate) fn take(&self, page: &Page, feed: &dyn Feed) -> Result<u64, Elsewhere> {
        let mut state = self.state.lock();
        let Some(epoch) = &page.epoch else {
            return if state.head == Position::Start { Ok(0) } else { Err(Elsewhere) };
        };
        let mut taken = 0;
        for entry in &page.entries {
            let head = &state.head;
            if head.epoch().is_some_and(|ours| ours != epoch) {
                return Err(Elsewhere);
            }
            if entry.seq < head.seq() {
                continue;
            }
            if let Position::At { seq, id, .. } = head
                && entry.seq == *seq
            {
                if entry.id != *id && !faults::breaks(Fault::NoIdCheck) {
                    return Err(Elsewhere);
                }
                continue;
            }
            if entry.seq > head.seq().next() {
                // What was in between is kept no more.
                return Err(Elsewhere);
            }
            feed.entry(&self.room, epoch, entry);
            state.head = Position::At { epoch: epoch.clone(), seq: entry.seq, id: entry.id };
            taken += 1;
        }
        Ok(taken)
    }

    /// Goes on with another log, whose newest entries are in `page`, one more than is shown unless it is the first. What
    /// comes before a hole is not shown: somebody took an entry out.
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

    /// Tells all members who is there, after changes of which some were not heard.
    pub(crate) fn tell_people(&self, members: Members, version: u64, feed: &dyn Feed) {
        let mut state = self.state.lock();
        if version > state.people {
            let json = codec::encode(&ServerEvent::Members(members)).into();
            feed.signal(&self.room, &Signal { json, skip: Skip::Nobody, change: version });
            state.people = version;
        }
    }
}
