//! Rules about changes of messages (14, 15, 16).

use std::collections::{HashMap, HashSet};

use super::fold::State;
use super::{Anomaly, Case};
use crate::history::{Act, Content, Entry, Folded, Instance, Kind, Name, Page, ServedPages};

/// The fault of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PageFault {
    /// It is of another log than the one that was served at the end.
    OtherEpoch,
    /// It has no `as_of`, and the room has changes.
    NoAsOf,
    /// Its `as_of` is before what the client had received when it asked, or beyond the head.
    WrongAsOf { as_of: u64, received: u64, head: u64 },
    /// It lacks a message between its ends, or has an entry that is none.
    WrongMessages { seqs: Vec<u64>, expected: Vec<u64> },
    /// A message is not in the log like this.
    WrongMessage { seq: u64 },
    /// A message lacks a change up to `as_of`.
    Stale { seq: u64, rev: u64, newest: u64, as_of: u64 },
    /// A message has another state than the one after its changes up to `rev`.
    WrongState { seq: u64, rev: u64 },
}

/// Rule 14. A page has all messages between its ends, each with all its changes up to `as_of` at least.
pub(super) fn pages_have_the_state_of_the_log(case: &Case<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for (event, _, client, _, act) in case.history.acts() {
        if let Act::Paged { page, asked, held } = act
            // Entries of the page may be lost.
            && *asked >= case.loss
            && let Some(fault) = page_fault(case, page, *held)
        {
            let (reader, room) = (client.clone(), page.room.clone());
            anomalies.push(Anomaly::WrongPage { reader, room, fault, event: Some(event) });
        }
    }
    for ServedPages { instance, room, paging, pages } in &case.history.pages {
        let head = case.head(room);
        let reader: Name = format!("instance {}, {paging:?}", instance.0).into();
        let fault = pages.iter().find_map(|page| page_fault(case, page, head));
        if let Some(fault) = fault.or_else(|| missing(case, room, pages)) {
            anomalies.push(Anomaly::WrongPage { reader, room: room.clone(), fault, event: None });
        }
    }
    anomalies
}

fn page_fault(case: &Case<'_>, page: &Page, received: u64) -> Option<PageFault> {
    let Page { room, epoch, covers, as_of, messages } = page;
    let log = case.logs.get(&**room)?;
    let head = case.head(room);
    let Some(as_of) = as_of.or_else(|| (!case.has_changes(room)).then_some(head)) else {
        return Some(PageFault::NoAsOf);
    };
    // A room without entries has no epoch.
    if *epoch != log.epoch && (as_of, received) != (0, 0) {
        return Some(PageFault::OtherEpoch);
    }
    // A client may hold entries that were lost.
    if as_of > head || (as_of < received && case.loss == 0) {
        return Some(PageFault::WrongAsOf { as_of, received, head });
    }
    let seqs: Vec<u64> = messages.iter().map(|folded| folded.message.seq).collect();
    // Entries that the page cannot have yet are after `as_of`.
    let up_to = as_of.min(*covers.end());
    let expected: Vec<u64> = case.messages_in(room, *covers.start(), up_to);
    if seqs != expected {
        return Some(PageFault::WrongMessages { seqs, expected });
    }
    messages.iter().find_map(|folded| message_fault(case, folded, as_of))
}

fn message_fault(case: &Case<'_>, folded: &Folded, as_of: u64) -> Option<PageFault> {
    let Folded { message, rev, .. } = folded;
    let seq = message.seq;
    let Some(stored) = case.entry(&message.room, seq).filter(|stored| stored.is_same(message)) else {
        return Some(PageFault::WrongMessage { seq });
    };
    let (changes, rev) = (case.changes_of(stored), rev.unwrap_or(seq));
    let newest = changes.iter().rev().find(|change| change.seq <= as_of).map_or(seq, |change| change.seq);
    if rev < newest {
        return Some(PageFault::Stale { seq, rev, newest, as_of });
    }
    let is_change = rev == seq || changes.iter().any(|change| change.seq == rev);
    (!is_change || State::of(folded) != State::at(case, stored, rev))
        .then_some(PageFault::WrongState { seq, rev })
}

/// A message that none of these pages has.
fn missing(case: &Case<'_>, room: &Name, pages: &[Page]) -> Option<PageFault> {
    let seqs: HashSet<u64> =
        pages.iter().flat_map(|page| &page.messages).map(|folded| folded.message.seq).collect();
    let expected: Vec<u64> = case.messages_in(room, 1, case.head(room));
    let is_missing = expected.iter().any(|seq| !seqs.contains(seq));
    is_missing.then(|| PageFault::WrongMessages { seqs: seqs.into_iter().collect(), expected })
}

/// Rule 15. A deleted text is in no answer that was requested after the ack, or after the instance had the deletion, and
/// in no log at the end.
pub(super) fn deleted_texts_are_gone(case: &Case<'_>) -> Vec<Anomaly> {
    let deletions = Deletions::of(case);
    let mut anomalies = Vec::new();
    let mut connected: HashMap<(&Name, u32), usize> = HashMap::new();
    for (event, what, client, connection, act) in case.history.acts() {
        let mut shown = |entry: &Entry, asked: usize| {
            if !entry.deleted && deletions.known(case, entry, what.instance) < asked {
                let (client, room, seq) = (client.clone(), entry.room.clone(), entry.seq);
                anomalies.push(Anomaly::DeletedIsShown { client, room, seq, event: Some(event) });
            }
        };
        match act {
            Act::Connected => {
                connected.insert((client, connection), event);
            }
            // Everything that comes on a connection is requested after it began.
            Act::Delivered(entry) => shown(entry, connected.get(&(client, connection)).copied().unwrap_or(0)),
            Act::Paged { page, asked, .. } => {
                page.messages.iter().for_each(|folded| shown(&folded.message, *asked));
            }
            _ => {}
        }
    }
    for served in &case.history.served {
        let kept = served.entries.iter().filter(|entry| !entry.deleted && case.deletion_of(entry).is_some());
        anomalies.extend(kept.map(|entry| Anomaly::DeletedIsShown {
            client: format!("{:?}", served.instance).into(),
            room: served.room.clone(),
            seq: entry.seq,
            event: None,
        }));
    }
    anomalies
}

/// The events after which the text of a deleted message may not be shown any more.
struct Deletions<'a> {
    /// First ack of each deletion.
    acked: HashMap<(&'a str, u64), usize>,
    /// First delivery of each deletion by an instance.
    delivered: HashMap<(&'a str, u64, Instance), usize>,
}

impl<'a> Deletions<'a> {
    fn of(case: &Case<'a>) -> Self {
        let (mut acked, mut delivered) = (HashMap::new(), HashMap::new());
        let deletes = case.messages.values().filter(|message| message.content.kind() == Kind::Delete);
        for message in deletes {
            if let ([entry], Some((event, _))) = (&case.copies(message)[..], message.acks.first()) {
                acked.insert((&*entry.room, entry.seq), *event);
            }
        }
        for (event, what, _, _, act) in case.history.acts() {
            if let Act::Delivered(entry) = act
                && entry.kind == Kind::Delete
            {
                delivered.entry((&*entry.room, entry.seq, what.instance)).or_insert(event);
            }
        }
        Self { acked, delivered }
    }

    /// The event after which an instance knows the deletion of an entry.
    fn known(&self, case: &Case<'_>, entry: &Entry, instance: Instance) -> usize {
        let Some(deletion) = case.deletion_of(entry) else { return usize::MAX };
        let acked = self.acked.get(&(&*deletion.room, deletion.seq)).copied();
        let delivered = self.delivered.get(&(&*deletion.room, deletion.seq, instance)).copied();
        acked.into_iter().chain(delivered).min().unwrap_or(usize::MAX)
    }
}

/// Rule 16. A change is of an earlier message that is not deleted, by a user who may make it, and changes something. A
/// change is refused for good only if its message was deleted.
pub(super) fn changes_follow_their_messages(case: &Case<'_>) -> Vec<Anomaly> {
    let changes = case.entries().filter(|entry| entry.kind != Kind::Message);
    let wrong = changes.filter_map(|change| {
        let fault = change_fault(case, change)?;
        Some(Anomaly::WrongChange { entry: Box::new(change.clone()), fault })
    });
    wrong.chain(wrongly_rejected(case)).collect()
}

fn change_fault(case: &Case<'_>, change: &Entry) -> Option<&'static str> {
    let sent = case.sent(change).and_then(|message| message.content.target());
    let Some(target) = change.target.and_then(|seq| case.entry(&change.room, seq)) else {
        return Some("the log does not have the target");
    };
    let before = || case.changes_of(target).iter().take_while(|other| other.seq < change.seq);
    if target.seq >= change.seq {
        Some("it is before its message")
    } else if target.kind != Kind::Message {
        Some("its target is not a message")
    } else if sent.is_some_and(|sent| (sent.seq, &sent.id) != (target.seq, &target.id)) {
        Some("it was sent for another message")
    } else if before().any(|other| other.kind == Kind::Delete) {
        Some("its message was deleted before")
    } else if change.kind != Kind::Reaction && change.from != target.from {
        Some("its message is of somebody else")
    } else if change.kind == Kind::Reaction {
        let same = before().filter(|other| (&other.from, &other.emoji) == (&change.from, &change.emoji));
        let has_reacted = same.last().is_some_and(|other| !other.removed);
        (has_reacted != change.removed).then_some("it changes nothing")
    } else {
        None
    }
}

fn wrongly_rejected<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Anomaly> + 'a {
    let mut deleted: HashMap<(&Name, u64), usize> = HashMap::new();
    for message in case.in_order() {
        if let Content::Delete { target } = message.content {
            deleted.entry((message.room, target.seq)).or_insert(message.sent);
        }
    }
    let rejected = case.in_order().into_iter().filter_map(|message| Some((message, message.rejected?)));
    rejected.filter_map(move |(message, event)| {
        let target = message.content.target()?;
        let was_deleted = deleted.get(&(message.room, target.seq)).is_some_and(|sent| *sent < event);
        // The message may be lost.
        let may_be_missing = was_deleted || case.loss > 0;
        let is_stored = !case.copies(message).is_empty();
        (is_stored || !may_be_missing).then(|| Anomaly::WronglyRejected {
            client: message.client.clone(),
            room: message.room.clone(),
            key: message.key.clone(),
            is_stored,
        })
    })
}
