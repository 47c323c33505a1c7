//! The judge: a pure function from what was written down to what is wrong with it.
//!
//! There are thirteen rules, each a function of its own in one of the modules below, and each unit-tested with a made-up
//! history that breaks it alone ([`tests`]); a judge that cannot fail says nothing. They do not know what a schedule
//! did: what it allows and what it meant to provoke stands in the phases of the history.
//!
//! To add a rule: a function from a [`Case`] to anomalies, a row in [`RULES`], a variant of [`Anomaly`] with all that
//! one needs to find the fault, and a history in the tests.

mod healing;
mod log;
mod members;
mod order;
mod run;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use crate::history::{Act, Entry, History, Instance, Name, Paging, Position, Served, Status, What};

/// One of the rules.
#[derive(Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    find: fn(&Case<'_>) -> Vec<Anomaly>,
}

/// The rules, in the order of their numbers.
pub(crate) const RULES: [Rule; 13] = [
    Rule {
        number: 1,
        name: "an acked message is in the log once, where the ack said",
        find: log::acked_is_kept,
    },
    Rule { number: 2, name: "logs are contiguous and the same everywhere", find: log::logs_agree },
    Rule { number: 3, name: "a member sees a run of the log", find: members::seen_is_a_run },
    Rule { number: 4, name: "nothing is shown that is not in the log", find: log::nothing_is_invented },
    Rule { number: 5, name: "a sender's order holds", find: order::senders_order_holds },
    Rule { number: 6, name: "sent after an ack is behind it", find: order::acked_goes_before },
    Rule {
        number: 7,
        name: "a message without an ack is there once at most",
        find: log::unacked_is_not_doubled,
    },
    Rule {
        number: 8,
        name: "positions are lost only where that is allowed",
        find: members::recovered_as_allowed,
    },
    Rule { number: 9, name: "healed in time", find: healing::healed_in_time },
    Rule { number: 10, name: "presence is exact after the grace", find: healing::presence_is_exact },
    Rule { number: 11, name: "resources are given back", find: run::resources_are_given_back },
    Rule { number: 12, name: "what was to be tested has happened", find: run::something_happened },
    Rule { number: 13, name: "servers keep to the protocol and do not panic", find: run::nobody_errs },
];

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Anomaly {
    /// Acked, and not in the log.
    AckedIsMissing { client: Name, room: Name, key: Name, acked: Position },
    /// Acked, and in the log at another place, or under another id.
    AckedIsElsewhere { client: Name, room: Name, key: Name, acked: Position, found: Position },
    /// Acked, and in the log more than once.
    AckedIsDoubled { client: Name, room: Name, key: Name, seqs: Vec<u64> },
    /// A log has entries and no epoch.
    NoEpoch { room: Name },
    /// A log does not go on by one.
    Hole { instance: Instance, room: Name, paging: Paging, expected: u64, found: u64 },
    /// Two pagings, or two instances, differ from this number on.
    LogsDiffer { room: Name, one: (Instance, Paging), other: (Instance, Paging), from_seq: u64 },
    /// A member was shown an entry too late or too early: others are missing before it.
    Missed { client: Name, connection: u32, room: Name, expected: u64, shown: u64, event: usize },
    /// A member was shown an entry again.
    Repeated { client: Name, connection: u32, room: Name, expected: u64, shown: u64, event: usize },
    /// An entry was shown to somebody who is not in the room.
    Uninvited { client: Name, connection: u32, room: Name, shown: u64, event: usize },
    /// A member was not shown the end of the log.
    StoppedShort { client: Name, room: Name, expected: u64, last: u64 },
    /// A replay was announced with another number of entries than there are between the position and the head.
    Miscounted { client: Name, connection: u32, room: Name, missed: u64, announced: u64, event: usize },
    /// Shown to a client, and not so in the log.
    ShownIsNotInLog { client: Name, shown: Box<Entry>, event: usize },
    /// In the log, and nobody has sent it so.
    NobodySent { entry: Box<Entry> },
    /// One sender's messages are the other way round.
    Swapped { client: Name, room: Name, first: (Name, u64), second: (Name, u64) },
    /// A message that was sent after another one's ack stands before it.
    BeforeAnAckedOne { client: Name, room: Name, key: Name, seq: u64, acked_before: u64 },
    /// Never acked, and in the log more than once.
    UnackedIsDoubled { client: Name, room: Name, key: Name, seqs: Vec<u64> },
    /// A client was told that its position is not good any more, in a phase that does not do such a thing.
    PositionLost { client: Name, room: Name, status: Status, phase: Option<String>, event: usize },
    /// The log changed under a member, in a phase that does not do such a thing.
    Resynced { client: Name, room: Name, status: Status, phase: Option<String>, event: usize },
    /// A message was not acked within the bound after nothing was in its way any more.
    NotAckedInTime { client: Name, room: Name, key: Name, lifted: usize, late: Late },
    /// A member was not shown what was acked before within the bound.
    NotShownInTime { client: Name, room: Name, seq: u64, lifted: usize, late: Late },
    /// A client was not connected again within the bound.
    NotBackInTime { client: Name, lifted: usize, late: Late },
    /// Who is said to be in a room is not who is.
    WrongMembers {
        instance: Instance,
        room: Name,
        missing: BTreeSet<Name>,
        extra: BTreeSet<Name>,
        count: u64,
    },
    /// A process holds more than before anybody came.
    NotGivenBack { instance: Instance, what: &'static str, began: u64, ended: u64 },
    /// No ack was given in a phase.
    NoAcks { phase: String },
    /// What the phase is there to provoke did not happen.
    DidNotHappen { phase: String, counter: String },
    /// The history has no phase, or no log at the end: nothing was tested.
    Empty,
    /// A server sent what none may send.
    Nonsense { client: Name, connection: u32, what: String, event: usize },
    /// A server panicked.
    Panicked { instance: Instance, line: String },
}

/// When something came that should have come earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    After(Duration),
    Never,
}

/// An anomaly, and the rule that it breaks.
pub(crate) struct Finding {
    pub(crate) rule: Rule,
    pub(crate) anomaly: Anomaly,
}

/// What the judge says.
pub(crate) struct Verdict(pub(crate) Vec<Finding>);

/// Judges a run.
pub(crate) fn judge(history: &History) -> Verdict {
    let case = Case::new(history);
    let find = |rule: Rule| (rule.find)(&case).into_iter().map(move |anomaly| Finding { rule, anomaly });
    Verdict(RULES.into_iter().flat_map(find).collect())
}

impl Verdict {
    /// Whether all is well.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers of the rules that are broken.
    pub(crate) fn broken(&self) -> BTreeSet<u8> {
        self.0.iter().map(|finding| finding.rule.number).collect()
    }
}

/// The first few anomalies of each rule: one fault often has thousands.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 5;
        const CHARS: usize = 400;
        for rule in RULES {
            let anomalies: Vec<_> =
                self.0.iter().filter(|finding| finding.rule.number == rule.number).collect();
            if anomalies.is_empty() {
                continue;
            }
            writeln!(f, "rule {} is broken {} times: {}", rule.number, anomalies.len(), rule.name)?;
            for finding in anomalies.iter().take(SHOWN) {
                let line: String = format!("{:?}", finding.anomaly).chars().take(CHARS).collect();
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}

/// A message's identity: its sender, and the sender's own id for it.
type MessageId<'a> = (&'a str, &'a str);

/// What became of a message, as its sender knows it.
struct Message<'a> {
    client: &'a Name,
    key: &'a Name,
    room: &'a Name,
    text: &'a Name,
    /// The event of its first sending.
    sent: usize,
    /// When each of its acks came: the event, and what it said.
    acks: Vec<(usize, &'a Position)>,
    /// Whether it was refused once: then it may have taken a later place.
    refused: bool,
}

/// A history with what several rules look up in it.
struct Case<'a> {
    history: &'a History,
    /// The log of each room that the others are compared with.
    logs: BTreeMap<&'a str, &'a Served>,
    messages: HashMap<MessageId<'a>, Message<'a>>,
    /// Where each message is in the logs: rooms and entries.
    places: HashMap<MessageId<'a>, Vec<&'a Entry>>,
    /// The event of the last loss: of what was acked before nothing is expected. 0: there was none.
    loss: usize,
}

impl<'a> Case<'a> {
    fn new(history: &'a History) -> Self {
        let mut logs = BTreeMap::new();
        for served in &history.served {
            logs.entry(&*served.room).or_insert(served);
        }
        let mut places: HashMap<_, Vec<_>> = HashMap::new();
        for entry in logs.values().flat_map(|served: &&Served| &served.entries) {
            if let Some(key) = &entry.key {
                places.entry((&*entry.from, &**key)).or_default().push(&**entry);
            }
        }
        let lost_at = history.events.iter().rposition(|event| event.what == What::Loss).unwrap_or(0);
        Self { history, logs, messages: messages(history), places, loss: lost_at }
    }

    /// The messages in the order in which they were sent first.
    fn in_order(&self) -> Vec<&Message<'a>> {
        let mut messages: Vec<_> = self.messages.values().collect();
        messages.sort_by_key(|message| message.sent);
        messages
    }

    /// Where a message is in its room's log.
    fn places(&self, message: &Message<'a>) -> Vec<&'a Entry> {
        let id: MessageId<'_> = (message.client, message.key);
        let places = self.places.get(&id).into_iter().flatten();
        places.copied().filter(|entry| entry.room == *message.room).collect()
    }
}

fn messages(history: &History) -> HashMap<MessageId<'_>, Message<'_>> {
    let mut messages: HashMap<MessageId<'_>, Message<'_>> = HashMap::new();
    for (index, _, client, _, act) in history.acts() {
        match act {
            Act::Sent { room, key, text } => {
                let new =
                    || Message { client, key, room, text, sent: index, acks: Vec::new(), refused: false };
                messages.entry((client, key)).or_insert_with(new);
            }
            Act::Acked { key, place, .. } => {
                if let Some(message) = messages.get_mut(&(&**client, &**key)) {
                    message.acks.push((index, place));
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
