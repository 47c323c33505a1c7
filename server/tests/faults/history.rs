//! What was written down of a run: pure data, and all that the judge sees.
//!
//! Events stand in the order in which they were written down, and that order is what "before" means to the judge: a
//! message is written down before its first byte leaves, and what comes after it came. A client is one user and keeps
//! its name over all its connections, which are counted from 1. Whatever concerns a server names the instance, so that
//! several can take part.
//!
//! To add a kind of event: a variant of [`Act`], a line in `client.rs` that writes it down, and the rule that asks for
//! it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A room's, a user's or a message's name; shared, since a run has a hundred thousand of them.
pub(crate) type Name = Arc<str>;

/// Which of the servers, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Instance(pub(crate) usize);

/// The place just after an entry, as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) epoch: Option<Name>,
    pub(crate) seq: u64,
    pub(crate) id: Option<Name>,
}

impl Position {
    /// Before a room's first entry.
    pub(crate) const START: Self = Self { epoch: None, seq: 0, id: None };
}

/// An entry of a room's log, as it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(crate) struct Entry {
    pub(crate) room: Name,
    pub(crate) seq: u64,
    pub(crate) id: Name,
    pub(crate) from: Name,
    pub(crate) text: Name,
    pub(crate) ts: u64,
    #[serde(rename = "client_msg_id")]
    pub(crate) key: Option<Name>,
}

/// What a server says of a client's position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Complete,
    Truncated,
    Reset,
}

/// `recovery`: what follows a `joined` or a `resync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Recovery {
    pub(crate) status: Status,
    pub(crate) replayed: u64,
}

/// What a client did, or what came to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// It was welcomed; this is a new connection.
    Connected,
    /// The connection is no more; with the close code, if one came.
    Lost { close: Option<u16> },
    /// It leaves because it wants to, and stays away until it is connected again.
    Away,
    /// A message is about to be sent, for the first time or again.
    Sent { room: Name, key: Name, text: Name },
    /// A message is stored, the server says.
    Acked { room: Name, key: Name, place: Position, duplicate: bool },
    /// A message is not known to be stored.
    Refused { key: Name, code: String },
    /// Its own `joined`.
    Joined { room: Name, since: Option<Position>, head: Position, recovery: Option<Recovery> },
    /// The log changed under it.
    Resynced { room: Name, head: Position, recovery: Recovery },
    /// An entry was shown to it, replayed or live.
    Shown(Arc<Entry>),
    /// Something came that no server may send. It ends the connection.
    Nonsense { what: String },
}

/// What an event is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum What {
    Client {
        client: Name,
        connection: u32,
        act: Act,
    },
    /// The schedule does something to the instance or the way to it.
    Fault(String),
    /// Nothing is in the way any more: from here on the time to heal counts.
    Lifted,
    /// What the servers share has lost its newest part: what was acked before may be gone, where that is said.
    Loss,
}

/// An event, and when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Since the run began, by the monotonic clock.
    pub(crate) at: Duration,
    pub(crate) instance: Instance,
    /// How many times the instance had synced its files by then, where that is counted (see `shim.rs`).
    pub(crate) syncs: u64,
    pub(crate) what: What,
}

/// A part of the schedule: load, fault, heal, and what moved meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// Its events.
    pub(crate) events: Range<usize>,
    /// Recoveries beside `complete` that the schedule allows.
    pub(crate) allows: BTreeSet<Status>,
    /// What it provokes, and by how much the servers' counters of that moved.
    pub(crate) provoked: BTreeMap<String, u64>,
}

/// In which direction a log was paged through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// From the first entry, with `after`.
    Forward,
    /// From the newest entry, with `before`.
    Backward,
}

/// A room's whole log as an instance served it when all was over; ascending, however it was paged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    pub(crate) instance: Instance,
    pub(crate) room: Name,
    pub(crate) paging: Paging,
    pub(crate) epoch: Option<Name>,
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// Who an instance said is in a room once the grace was over, and who is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) instance: Instance,
    pub(crate) room: Name,
    pub(crate) expected: BTreeSet<Name>,
    pub(crate) members: BTreeSet<Name>,
    pub(crate) member_count: u64,
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Connections that it counts itself.
    pub(crate) connections: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) memory_kib: u64,
}

/// What a process held before anybody came and after everybody went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) instance: Instance,
    pub(crate) began: Usage,
    pub(crate) ended: Usage,
    /// By how much it may have grown meanwhile.
    pub(crate) slack: Usage,
}

/// A run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) served: Vec<Served>,
    pub(crate) presence: Vec<Presence>,
    pub(crate) resources: Vec<Resources>,
    /// What instances logged when they panicked.
    pub(crate) panics: Vec<(Instance, String)>,
}

impl Event {
    /// The client, its connection and what it did, where the event is about a client.
    pub(crate) fn act(&self) -> Option<(&Name, u32, &Act)> {
        match &self.what {
            What::Client { client, connection, act } => Some((client, *connection, act)),
            What::Fault(_) | What::Lifted | What::Loss => None,
        }
    }
}

impl History {
    /// Every act of a client, in order, with the index of its event.
    pub(crate) fn acts(&self) -> impl Iterator<Item = (usize, &Event, &Name, u32, &Act)> {
        self.events.iter().enumerate().filter_map(|(index, event)| {
            let (client, connection, act) = event.act()?;
            Some((index, event, client, connection, act))
        })
    }
}

/// A line for each event and each finding of the end: what a report of a failure is read from.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, event) in self.events.iter().enumerate() {
            for phase in self.phases.iter().filter(|phase| phase.events.start == index) {
                writeln!(f, "phase {}: {:?}", phase.name, phase.provoked)?;
            }
            let Event { at, instance, syncs, what } = event;
            write!(f, "{index} {:.6} instance {} syncs {syncs} ", at.as_secs_f64(), instance.0)?;
            match what {
                What::Client { client, connection, act } => writeln!(f, "{client}/{connection} {act:?}")?,
                other => writeln!(f, "{other:?}")?,
            }
        }
        for served in &self.served {
            let Served { instance, room, paging, epoch, entries } = served;
            writeln!(f, "served by {} {paging:?} {room} epoch {epoch:?}", instance.0)?;
            for entry in entries {
                writeln!(f, "  {} {} {} {:?}", entry.seq, entry.id, entry.from, entry.key)?;
            }
        }
        for presence in &self.presence {
            writeln!(f, "{presence:?}")?;
        }
        for resources in &self.resources {
            writeln!(f, "{resources:?}")?;
        }
        for (instance, line) in &self.panics {
            writeln!(f, "instance {} panicked: {line}", instance.0)?;
        }
        Ok(())
    }
}
