//! The recorded history of a run: plain data, and the only input of the judge.
//!
//! Events are in the order of recording, and the judge reads that order as "before". A message is recorded before its
//! first byte leaves, and a frame after it has arrived. A client is one user; it keeps its name over all its
//! connections, which are counted from 1. Each event names its instance, because a run may have several.
//!
//! To add a kind of event: add a variant of [`Act`], record it in `client.rs`, and write the rule that needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

/// Name of a room, a user or a message. It is shared, because a run has a hundred thousand of them.
pub(crate) type Name = Arc<str>;

/// Number of a server, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Instance(pub(crate) usize);

/// Position after an entry, as on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Position {
    pub(crate) epoch: Option<Name>,
    pub(crate) seq: u64,
    pub(crate) id: Option<Name>,
}

impl Position {
    /// Position before the first entry.
    pub(crate) const START: Self = Self { epoch: None, seq: 0, id: None };
}

/// Kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Message,
    Edit,
    Delete,
    Reaction,
    #[serde(other)]
    Other,
}

/// An entry of a room's log, as delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub(crate) struct Entry {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) room: Name,
    pub(crate) seq: u64,
    pub(crate) id: Name,
    pub(crate) from: Name,
    /// Empty for entries without a text.
    #[serde(default)]
    pub(crate) text: Name,
    pub(crate) ts: u64,
    #[serde(rename = "client_msg_id")]
    pub(crate) key: Option<Name>,
    /// Seq of the message that the entry changes.
    pub(crate) target: Option<u64>,
    pub(crate) emoji: Option<Name>,
    #[serde(default)]
    pub(crate) removed: bool,
    /// The entry is a tombstone: a message or an edit without its text.
    #[serde(default, deserialize_with = "is_present")]
    pub(crate) deleted: bool,
}

impl Entry {
    /// True if two copies are of one entry: all is equal but the text, which may have been deleted in between.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let without_text = |entry: &Self| Self { text: "".into(), deleted: false, ..entry.clone() };
        without_text(self) == without_text(other)
    }
}

/// True for a field of any content.
fn is_present<'de, D: Deserializer<'de>>(field: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(field).map(|_| true)
}

/// The message that a change is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) seq: u64,
    pub(crate) id: Name,
}

/// Content that a client sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    Message { text: Name },
    Edit { target: Target, text: Name },
    Delete { target: Target },
    Reaction { target: Target, emoji: Name, removed: bool },
}

impl Content {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Message { .. } => Kind::Message,
            Self::Edit { .. } => Kind::Edit,
            Self::Delete { .. } => Kind::Delete,
            Self::Reaction { .. } => Kind::Reaction,
        }
    }

    /// The target of a change.
    pub(crate) fn target(&self) -> Option<&Target> {
        match self {
            Self::Message { .. } => None,
            Self::Edit { target, .. } | Self::Delete { target } | Self::Reaction { target, .. } => {
                Some(target)
            }
        }
    }

    /// The text of a message or an edit.
    pub(crate) fn text(&self) -> Option<&Name> {
        match self {
            Self::Message { text } | Self::Edit { text, .. } => Some(text),
            Self::Delete { .. } | Self::Reaction { .. } => None,
        }
    }
}

/// Number of users that reacted to a message with an emoji.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct ReactionCount {
    pub(crate) emoji: Name,
    pub(crate) count: u64,
}

/// A message of a page, with its changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Folded {
    #[serde(flatten)]
    pub(crate) message: Entry,
    pub(crate) edited_ts: Option<u64>,
    #[serde(default)]
    pub(crate) reactions: Vec<ReactionCount>,
    /// Seq of the newest change; none if the message was not changed.
    pub(crate) rev: Option<u64>,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) room: Name,
    pub(crate) epoch: Option<Name>,
    /// Seqs that the page covers.
    pub(crate) covers: RangeInclusive<u64>,
    /// Head of the log when the page was made. A store without changes does not report it.
    pub(crate) as_of: Option<u64>,
    pub(crate) messages: Vec<Folded>,
}

/// Status of a recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Complete,
    Truncated,
    Reset,
}

/// The field `recovery` of a `joined` or `resync` frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct Recovery {
    pub(crate) status: Status,
    pub(crate) replayed: u64,
}

/// An action of a client, or a frame that it received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Act {
    /// A new connection received `welcome`.
    Connected,
    /// The connection ended. `close` is the close code, if one arrived.
    Lost { close: Option<u16> },
    /// The client disconnected on purpose. It stays away until the next `Connected`.
    Away,
    /// A message or change is about to be sent, for the first time or again.
    Sent { room: Name, key: Name, content: Content },
    /// The server acknowledged a message.
    Acked { room: Name, key: Name, position: Position, duplicate: bool },
    /// The server refused a message temporarily. It may still be stored.
    Refused { key: Name, code: String },
    /// The server refused a change for good, because its target does not exist. It is not stored.
    Rejected { key: Name },
    /// A marker is about to be sent.
    Read { room: Name, seq: u64 },
    /// The server answered with the marker of a room, or it came with the client's `joined`.
    Marked { room: Name, epoch: Option<Name>, seq: u64 },
    /// A page arrived. Before the event `asked` the client had not requested it, and had received the room up to `held`.
    Paged { page: Box<Page>, asked: usize, held: u64 },
    /// The client's own `joined`. `since` is the position that it sent.
    Joined { room: Name, since: Option<Position>, head: Position, recovery: Option<Recovery> },
    /// The server sent `resync`.
    Resynced { room: Name, head: Position, recovery: Recovery },
    /// An entry arrived, replayed or live.
    Delivered(Arc<Entry>),
    /// The server violated the protocol. The client drops the connection.
    Violation { what: String },
}

/// Kind of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventKind {
    Client {
        client: Name,
        connection: u32,
        act: Act,
    },
    /// The schedule caused a fault at the instance or on its network path.
    Fault(String),
    /// All faults are over. The time to heal counts from here.
    Lifted,
    /// Redis lost its newest entries. Entries acked before may be missing if clients were notified.
    Loss,
}

/// An event with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    /// Time since the start of the run, by the monotonic clock.
    pub(crate) at: Duration,
    pub(crate) instance: Instance,
    /// Number of syncs that the instance had finished; 0 if they are not counted (see `shim.rs`).
    pub(crate) syncs: u64,
    pub(crate) what: EventKind,
}

/// A part of the schedule: load, a fault, and recovery from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) name: String,
    /// Indexes of its events.
    pub(crate) events: Range<usize>,
    /// Recovery statuses that the schedule allows besides `complete`.
    pub(crate) allows: BTreeSet<Status>,
    /// Counters that the phase must move, with the increase of each.
    pub(crate) provoked: BTreeMap<String, u64>,
}

/// Direction of paging through a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// From the first entry on, with `after`.
    Forward,
    /// From the newest entry back, with `before`.
    Backward,
}

/// Whole log of a room at the end of the run, as an instance replayed it, or as an export of the store has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Served {
    /// `None`: the export.
    pub(crate) instance: Option<Instance>,
    pub(crate) room: Name,
    pub(crate) epoch: Option<Name>,
    pub(crate) entries: Vec<Arc<Entry>>,
}

/// All messages of a room as an instance served them at the end of the run, in the order of the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServedPages {
    pub(crate) instance: Instance,
    pub(crate) room: Name,
    pub(crate) paging: Paging,
    pub(crate) pages: Vec<Page>,
}

/// Members of a room after the leave grace: those expected, and those that an instance reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Presence {
    pub(crate) instance: Instance,
    pub(crate) room: Name,
    pub(crate) expected: BTreeSet<Name>,
    pub(crate) members: BTreeSet<Name>,
    pub(crate) member_count: u64,
}

/// Resources that a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Connections by the server's own count.
    pub(crate) connections: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    pub(crate) memory_kib: u64,
}

/// Resources of a process before the first client and after the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resources {
    pub(crate) instance: Instance,
    pub(crate) began: Usage,
    pub(crate) ended: Usage,
    /// Growth that is allowed.
    pub(crate) slack: Usage,
}

/// Everything that was recorded of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) served: Vec<Served>,
    pub(crate) pages: Vec<ServedPages>,
    pub(crate) presence: Vec<Presence>,
    pub(crate) resources: Vec<Resources>,
    /// Panic lines in the logs of instances.
    pub(crate) panics: Vec<(Instance, String)>,
}

impl Event {
    /// The client, its connection number and the act, if the event is about a client.
    pub(crate) fn act(&self) -> Option<(&Name, u32, &Act)> {
        match &self.what {
            EventKind::Client { client, connection, act } => Some((client, *connection, act)),
            EventKind::Fault(_) | EventKind::Lifted | EventKind::Loss => None,
        }
    }
}

impl History {
    /// All acts of clients in order, with the index of their event.
    pub(crate) fn acts(&self) -> impl Iterator<Item = (usize, &Event, &Name, u32, &Act)> {
        self.events.iter().enumerate().filter_map(|(index, event)| {
            let (client, connection, act) = event.act()?;
            Some((index, event, client, connection, act))
        })
    }
}

/// One line per event and per final finding: the report of a failed run.
impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, event) in self.events.iter().enumerate() {
            for phase in self.phases.iter().filter(|phase| phase.events.start == index) {
                writeln!(f, "phase {}: {:?}", phase.name, phase.provoked)?;
            }
            let Event { at, instance, syncs, what } = event;
            write!(f, "{index} {:.6} instance {} syncs {syncs} ", at.as_secs_f64(), instance.0)?;
            match what {
                EventKind::Client { client, connection, act } => {
                    writeln!(f, "{client}/{connection} {act:?}")?;
                }
                other => writeln!(f, "{other:?}")?,
            }
        }
        for served in &self.served {
            let Served { instance, room, epoch, entries } = served;
            writeln!(f, "served by {instance:?} {room} epoch {epoch:?}")?;
            for entry in entries {
                let Entry { kind, seq, id, from, key, target, deleted, .. } = &**entry;
                writeln!(f, "  {seq} {id} {from} {key:?} {kind:?} of {target:?}, deleted {deleted}")?;
            }
        }
        for ServedPages { instance, room, paging, pages } in &self.pages {
            for page in pages {
                writeln!(f, "served by {} {paging:?} {room} {page:?}", instance.0)?;
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
