//! The judge: a pure function from a recorded history to a list of anomalies.
//!
//! There are seventeen rules. Each is a function in a module below, and is unit-tested with made-up histories that break
//! only this rule ([`tests`]). Rules do not know the schedule. The phases of the history name the recoveries that are
//! allowed and the counters that must move.
//!
//! To add a rule: write a function from a [`Case`] to anomalies, add a row in [`RULES`], a variant of [`Anomaly`] with
//! all details for finding the fault, and a history in the tests.

mod changes;
mod fold;
mod healing;
mod log;
mod markers;
mod members;
mod order;
#[cfg(test)]
mod tests;
mod whole_run;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

pub(crate) use self::changes::PageFault;
use crate::history::{
    Act, Content, Entry, EventKind, History, Instance, Kind, Name, Position, Served, Status,
};

#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    find: fn(&Case<'_>) -> Vec<Anomaly>,
}

/// All rules, by number.
pub(crate) const RULES: [Rule; 17] = [
    Rule {
        number: 1,
        name: "an acked message is in the log once, at the acked position",
        find: log::acked_is_in_log,
    },
    Rule { number: 2, name: "logs are contiguous and equal on all instances", find: log::logs_agree },
    Rule {
        number: 3,
        name: "a member receives the log without holes or repeats",
        find: members::members_receive_the_log,
    },
    Rule {
        number: 4,
        name: "every delivered entry is in the log, and every entry was sent",
        find: log::delivered_is_in_log,
    },
    Rule { number: 5, name: "messages of a sender keep their order", find: order::senders_keep_their_order },
    Rule {
        number: 6,
        name: "a message sent after an ack is after the acked one",
        find: order::later_messages_follow_acks,
    },
    Rule {
        number: 7,
        name: "a message without an ack is stored at most once",
        find: log::unacked_is_stored_once,
    },
    Rule {
        number: 8,
        name: "positions are lost only in phases that allow it",
        find: members::recoveries_are_allowed,
    },
    Rule { number: 9, name: "everything heals in time", find: healing::healed_in_time },
    Rule { number: 10, name: "presence is exact after the leave grace", find: healing::presence_is_exact },
    Rule { number: 11, name: "resources are released", find: whole_run::resources_are_released },
    Rule { number: 12, name: "every phase provoked its faults", find: whole_run::faults_were_provoked },
    Rule {
        number: 13,
        name: "servers follow the protocol and do not panic",
        find: whole_run::servers_follow_the_protocol,
    },
    Rule {
        number: 14,
        name: "a page has the state of the log at its `as_of`",
        find: changes::pages_have_the_state_of_the_log,
    },
    Rule {
        number: 15,
        name: "a deleted text is shown to nobody after the ack",
        find: changes::deleted_texts_are_gone,
    },
    Rule {
        number: 16,
        name: "changes follow their messages, and are refused only for deleted ones",
        find: changes::changes_follow_their_messages,
    },
    Rule { number: 17, name: "a read marker never goes back", find: markers::markers_never_go_back },
];

/// A violation of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// An acked message is not in the log.
    AckedIsMissing {
        client: Name,
        room: Name,
        key: Name,
        acked: Position,
    },
    /// An acked message has another seq or id in the log.
    AckedIsElsewhere {
        client: Name,
        room: Name,
        key: Name,
        acked: Position,
        found: Position,
    },
    /// An acked message is in the log more than once.
    AckedIsDoubled {
        client: Name,
        room: Name,
        key: Name,
        seqs: Vec<u64>,
    },
    /// A log with entries has no epoch.
    NoEpoch {
        room: Name,
    },
    /// The seqs of a log are not contiguous.
    Hole {
        instance: Option<Instance>,
        room: Name,
        expected: u64,
        found: u64,
    },
    /// Two logs of a room differ from this seq on. `None` is the export.
    LogsDiffer {
        room: Name,
        one: Option<Instance>,
        other: Option<Instance>,
        from_seq: u64,
    },
    /// A member received an entry before the entries that precede it.
    Missed {
        client: Name,
        connection: u32,
        room: Name,
        expected: u64,
        delivered: u64,
        event: usize,
    },
    /// A member received an entry again.
    Repeated {
        client: Name,
        connection: u32,
        room: Name,
        expected: u64,
        delivered: u64,
        event: usize,
    },
    /// A client received an entry of a room that it is not in.
    DeliveredToNonMember {
        client: Name,
        connection: u32,
        room: Name,
        delivered: u64,
        event: usize,
    },
    /// A member did not receive the end of the log.
    EndMissing {
        client: Name,
        room: Name,
        expected: u64,
        last: u64,
    },
    /// `replayed` differs from the number of entries between the position and the head.
    Miscounted {
        client: Name,
        connection: u32,
        room: Name,
        missed: u64,
        announced: u64,
        event: usize,
    },
    /// A client received an entry that the log does not have.
    DeliveredIsNotInLog {
        client: Name,
        delivered: Box<Entry>,
        event: usize,
    },
    /// The log has an entry that no client sent.
    NeverSent {
        entry: Box<Entry>,
    },
    /// Two messages of a sender are in the wrong order.
    OutOfOrder {
        client: Name,
        room: Name,
        first: (Name, u64),
        second: (Name, u64),
    },
    /// A message sent after an ack has a lower seq than the acked message.
    BeforeEarlierAck {
        client: Name,
        room: Name,
        key: Name,
        seq: u64,
        acked_before: u64,
    },
    /// A message without an ack is in the log more than once.
    UnackedIsDoubled {
        client: Name,
        room: Name,
        key: Name,
        seqs: Vec<u64>,
    },
    /// A join answered with `reset` or `truncated`, in a phase that does not allow it.
    PositionLost {
        client: Name,
        room: Name,
        status: Status,
        phase: Option<String>,
        event: usize,
    },
    /// A `resync` arrived in a phase that does not allow it.
    Resynced {
        client: Name,
        room: Name,
        status: Status,
        phase: Option<String>,
        event: usize,
    },
    /// A message was not acked within the limit after the end of the faults.
    NotAckedInTime {
        client: Name,
        room: Name,
        key: Name,
        lifted: usize,
        late: Late,
    },
    /// A member did not receive an acked entry within the limit.
    NotDeliveredInTime {
        client: Name,
        room: Name,
        seq: u64,
        lifted: usize,
        late: Late,
    },
    /// A client did not reconnect within the limit.
    NotReconnectedInTime {
        client: Name,
        lifted: usize,
        late: Late,
    },
    /// The reported members differ from the expected ones.
    WrongMembers {
        instance: Instance,
        room: Name,
        missing: BTreeSet<Name>,
        extra: BTreeSet<Name>,
        count: u64,
    },
    /// A process holds more than before the first client.
    ResourceLeak {
        instance: Instance,
        what: &'static str,
        began: u64,
        ended: u64,
    },
    /// A phase had no ack.
    NoAcks {
        phase: String,
    },
    /// A counter that the phase must move did not move.
    NotProvoked {
        phase: String,
        counter: String,
    },
    /// The history has no phase or no log, so nothing was tested.
    Empty,
    /// A server violated the protocol.
    Violation {
        client: Name,
        connection: u32,
        what: String,
        event: usize,
    },
    Panicked {
        instance: Instance,
        line: String,
    },
    /// A page is not the one of the log. `event` is `None` for pages that were read at the end.
    WrongPage {
        reader: Name,
        room: Name,
        fault: PageFault,
        event: Option<usize>,
    },
    /// The text of a deleted message, or of its edit, was shown. `event` is `None` for logs that were read at the end.
    DeletedIsShown {
        client: Name,
        room: Name,
        seq: u64,
        event: Option<usize>,
    },
    /// The log has a change that the rules forbid.
    WrongChange {
        entry: Box<Entry>,
        fault: &'static str,
    },
    /// A marker is before one that the client had been shown, or has an entry that the client had not read.
    WrongMarker {
        client: Name,
        room: Name,
        seq: u64,
        allowed: RangeInclusive<u64>,
        event: usize,
    },
    /// A change was refused although its message was not deleted, or is stored nevertheless.
    WronglyRejected {
        client: Name,
        room: Name,
        key: Name,
        is_stored: bool,
    },
}

/// Delay of an event that missed its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    After(Duration),
    Never,
}

/// An anomaly with the rule that it breaks.
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    pub(crate) anomaly: Anomaly,
}

/// All findings of the judge.
pub(crate) struct Verdict(pub(crate) Vec<Finding>);

/// Applies all rules to a history.
pub(crate) fn judge(history: &History) -> Verdict {
    let case = Case::new(history);
    let find = |rule: Rule| (rule.find)(&case).into_iter().map(move |anomaly| Finding { rule, anomaly });
    Verdict(RULES.into_iter().flat_map(find).collect())
}

impl Verdict {
    pub(crate) fn is_sound(&self) -> bool {
        self.0.is_empty()
    }

    /// Numbers of the broken rules.
    pub(crate) fn broken(&self) -> BTreeSet<u8> {
        self.0.iter().map(|finding| finding.rule.number).collect()
    }
}

/// Prints the first few anomalies of each rule, because one fault often causes thousands.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LIMIT: usize = 5;
        const CHARS: usize = 400;
        for rule in RULES {
            let anomalies: Vec<_> =
                self.0.iter().filter(|finding| finding.rule.number == rule.number).collect();
            if anomalies.is_empty() {
                continue;
            }
            writeln!(f, "rule {} is broken {} times: {}", rule.number, anomalies.len(), rule.name)?;
            for finding in anomalies.iter().take(LIMIT) {
                let line: String = format!("{:?}", finding.anomaly).chars().take(CHARS).collect();
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// Identity of a message: its sender and the sender's key.
type MessageId<'a> = (&'a str, &'a str);

/// A message or change as its sender knows it.
struct Message<'a> {
    client: &'a Name,
    key: &'a Name,
    room: &'a Name,
    content: &'a Content,
    /// Event of the first sending.
    sent: usize,
    /// All acks: their events and positions.
    acks: Vec<(usize, &'a Position)>,
    /// True if every ack was that of a duplicate.
    is_duplicate: bool,
    /// Event of the refusal for good.
    rejected: Option<usize>,
    /// True if the message was refused once. It may then have a later position.
    refused: bool,
}

impl Message<'_> {
    /// Event of the first ack, or of the refusal for good.
    fn answered(&self) -> Option<usize> {
        self.acks.first().map(|(event, _)| *event).or(self.rejected)
    }
}

/// A log with indexes.
struct RoomIndex<'a> {
    entries: BTreeMap<u64, &'a Entry>,
    /// Changes of each message, in order.
    changes: HashMap<u64, Vec<&'a Entry>>,
}

impl<'a> RoomIndex<'a> {
    fn new(log: &'a Served) -> Self {
        let entries = log.entries.iter().map(|entry| (entry.seq, &**entry)).collect();
        let mut changes: HashMap<_, Vec<_>> = HashMap::new();
        for entry in &log.entries {
            if let Some(target) = entry.target {
                changes.entry(target).or_default().push(&**entry);
            }
        }
        Self { entries, changes }
    }
}

/// A history with indexes for the rules.
struct Case<'a> {
    history: &'a History,
    /// Reference log of each room: the export, or the replay of the first instance. All others are compared with it.
    logs: BTreeMap<&'a str, &'a Served>,
    messages: HashMap<MessageId<'a>, Message<'a>>,
    /// Entries of each message in the logs.
    copies: HashMap<MessageId<'a>, Vec<&'a Entry>>,
    /// Indexes of the reference logs, by room.
    rooms: BTreeMap<&'a str, RoomIndex<'a>>,
    /// Event of the last loss. Messages acked before it may be missing. 0: no loss.
    loss: usize,
}

impl<'a> Case<'a> {
    fn new(history: &'a History) -> Self {
        let mut logs = BTreeMap::new();
        for served in &history.served {
            logs.entry(&*served.room).or_insert(served);
        }
        let mut copies: HashMap<_, Vec<_>> = HashMap::new();
        for entry in logs.values().flat_map(|served: &&Served| &served.entries) {
            if let Some(key) = &entry.key {
                copies.entry((&*entry.from, &**key)).or_default().push(&**entry);
            }
        }
        let rooms = logs.iter().map(|(room, log)| (*room, RoomIndex::new(log))).collect();
        let lost_at = history.events.iter().rposition(|event| event.what == EventKind::Loss).unwrap_or(0);
        Self { history, logs, messages: messages(history), copies, rooms, loss: lost_at }
    }

    /// The message or change as which an entry was sent.
    fn sent<'c>(&'c self, entry: &'c Entry) -> Option<&'c Message<'a>> {
        self.messages.get(&(&*entry.from, &**entry.key.as_ref()?))
    }

    /// The text of an entry, even if it was deleted.
    fn text<'c>(&'c self, entry: &'c Entry) -> &'c Name {
        let sent = self.sent(entry).and_then(|message| message.content.text());
        sent.filter(|_| entry.deleted).unwrap_or(&entry.text)
    }

    /// The entry of a room at a seq.
    fn entry(&self, room: &str, seq: u64) -> Option<&'a Entry> {
        self.rooms.get(room)?.entries.get(&seq).copied()
    }

    /// All entries, by room and seq.
    fn entries(&self) -> impl Iterator<Item = &'a Entry> {
        self.rooms.values().flat_map(|room| room.entries.values().copied())
    }

    /// Changes of a message, in order.
    fn changes_of(&self, message: &Entry) -> &[&'a Entry] {
        let room = self.rooms.get(&*message.room);
        room.and_then(|room| room.changes.get(&message.seq)).map_or(&[], Vec::as_slice)
    }

    /// The deletion of a message, or of the message of an edit.
    fn deletion_of(&self, entry: &Entry) -> Option<&'a Entry> {
        let seq = match entry.kind {
            Kind::Message => entry.seq,
            Kind::Edit => entry.target?,
            Kind::Delete | Kind::Reaction | Kind::Other => return None,
        };
        let changes = self.rooms.get(&*entry.room)?.changes.get(&seq)?;
        changes.iter().find(|change| change.kind == Kind::Delete).copied()
    }

    fn has_changes(&self, room: &str) -> bool {
        self.rooms.get(room).is_some_and(|room| !room.changes.is_empty())
    }

    /// Seq of the newest entry of a room.
    fn head(&self, room: &str) -> u64 {
        let last = self.rooms.get(room).and_then(|room| room.entries.last_key_value());
        last.map_or(0, |(seq, _)| *seq)
    }

    /// Seqs of the messages of a room from `from` to `to`.
    fn messages_in(&self, room: &str, from: u64, to: u64) -> Vec<u64> {
        let Some(room) = self.rooms.get(room).filter(|_| from <= to) else { return Vec::new() };
        let messages = room.entries.range(from..=to).filter(|(_, entry)| entry.kind == Kind::Message);
        messages.map(|(seq, _)| *seq).collect()
    }

    /// All messages in the order of their first sending.
    fn in_order(&self) -> Vec<&Message<'a>> {
        let mut messages: Vec<_> = self.messages.values().collect();
        messages.sort_by_key(|message| message.sent);
        messages
    }

    /// Entries of a message in the log of its room.
    fn copies(&self, message: &Message<'a>) -> Vec<&'a Entry> {
        let id: MessageId<'_> = (message.client, message.key);
        let copies = self.copies.get(&id).into_iter().flatten();
        copies.copied().filter(|entry| entry.room == *message.room).collect()
    }
}

fn messages(history: &History) -> HashMap<MessageId<'_>, Message<'_>> {
    let mut messages: HashMap<MessageId<'_>, Message<'_>> = HashMap::new();
    for (index, _, client, _, act) in history.acts() {
        match act {
            Act::Sent { room, key, content } => {
                let new = || Message {
                    client,
                    key,
                    room,
                    content,
                    sent: index,
                    acks: Vec::new(),
                    is_duplicate: true,
                    rejected: None,
                    refused: false,
                };
                messages.entry((client, key)).or_insert_with(new);
            }
            Act::Acked { key, position, duplicate, .. } => {
                if let Some(message) = messages.get_mut(&(&**client, &**key)) {
                    message.acks.push((index, position));
                    message.is_duplicate &= *duplicate;
                }
            }
            Act::Rejected { key } => {
                if let Some(message) = messages.get_mut(&(&**client, &**key)) {
                    message.rejected.get_or_insert(index);
                }
            }
            Act::Refused { key, .. } => {
                if let Some(message) = messages.get_mut(&(&**client, &**key)) {
                    message.refused = true;
                }
            }
            _ => {}
        }
    }
    messages
}
