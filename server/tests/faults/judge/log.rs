//! Rules about the logs that were served at the end (1, 2, 4, 7).

use std::collections::HashMap;

use super::{Anomaly, Case, Message};
use crate::history::{Act, Content, Entry, Kind, Name, Position, Served, Status};

/// Rule 1. Each ack of a message names the position of its one entry. Rooms whose log was not served are skipped.
pub(super) fn acked_is_in_log(case: &Case<'_>) -> Vec<Anomaly> {
    case.in_order()
        .into_iter()
        .filter(|message| !message.acks.is_empty() && case.logs.contains_key(&**message.room))
        .flat_map(|m| kept(case, m))
        .collect()
}

fn kept(case: &Case<'_>, message: &Message<'_>) -> Vec<Anomaly> {
    let (client, room, key) = (message.client.clone(), message.room.clone(), message.key.clone());
    let acked = message.acks[0].1.clone();
    let copies = case.copies(message);
    let [entry] = copies[..] else {
        if copies.is_empty() && changed_nothing(case, message) {
            return Vec::new();
        }
        // A message acked before a loss may be missing. Rule 4 checks that clients were notified.
        let may_be_lost = message.acks[0].0 < case.loss;
        return match copies.is_empty() {
            true if may_be_lost => Vec::new(),
            true => vec![Anomaly::AckedIsMissing { client, room, key, acked }],
            false => vec![Anomaly::AckedIsDoubled { client, room, key, seqs: seqs(&copies) }],
        };
    };
    let epoch = case.logs.get(&*room).and_then(|log| log.epoch.clone());
    let found = Position { epoch, seq: entry.seq, id: Some(entry.id.clone()) };
    let elsewhere = |&&(_, position): &&(usize, &Position)| *position != found;
    let wrong = message.acks.iter().filter(elsewhere);
    wrong
        .map(|(_, position)| Anomaly::AckedIsElsewhere {
            client: client.clone(),
            room: room.clone(),
            key: key.clone(),
            acked: (*position).clone(),
            found: found.clone(),
        })
        .collect()
}

/// True for a change that changed nothing: it is not in the log, and its acks have the position of its message or of an
/// earlier change of it.
fn changed_nothing(case: &Case<'_>, change: &Message<'_>) -> bool {
    let Some(target) = change.content.target() else { return false };
    let is_of_target = |position: &Position| {
        let stored = case.entry(change.room, position.seq);
        stored.is_some_and(|stored| {
            let of = if stored.kind == Kind::Message { Some(stored.seq) } else { stored.target };
            position.id.as_ref() == Some(&stored.id) && of == Some(target.seq)
        })
    };
    change.is_duplicate && change.acks.iter().all(|(_, position)| is_of_target(position))
}

/// Rule 2. The seqs of every log count from 1 without a hole, and all instances agree.
pub(super) fn logs_agree(case: &Case<'_>) -> Vec<Anomaly> {
    let mut anomalies: Vec<_> = case.history.served.iter().filter_map(hole).collect();
    for served in &case.history.served {
        let first = case.logs[&*served.room];
        let differs = first.entries.iter().zip(&served.entries).find(|(one, other)| one != other);
        let common = first.entries.len().min(served.entries.len());
        let from_seq = match differs {
            Some((one, _)) => one.seq,
            None if first.entries.len() != served.entries.len() => common as u64 + 1,
            None if first.epoch != served.epoch => 0,
            None => continue,
        };
        anomalies.push(Anomaly::LogsDiffer {
            room: served.room.clone(),
            one: first.instance,
            other: served.instance,
            from_seq,
        });
    }
    anomalies
}

/// First hole of a log.
fn hole(served: &Served) -> Option<Anomaly> {
    if served.epoch.is_none() && !served.entries.is_empty() {
        return Some(Anomaly::NoEpoch { room: served.room.clone() });
    }
    let (expected, entry) = (1..).zip(&served.entries).find(|(expected, entry)| entry.seq != *expected)?;
    Some(Anomaly::Hole { instance: served.instance, room: served.room.clone(), expected, found: entry.seq })
}

/// Rule 4. Every delivered entry equals its entry in the log, and every entry in the log equals a sent message or change.
pub(super) fn delivered_is_in_log(case: &Case<'_>) -> Vec<Anomaly> {
    let resets = last_resets(case);
    let mut anomalies = Vec::new();
    for (event, _, client, _, act) in case.history.acts() {
        if let Act::Delivered(delivered) = act
            && case.logs.contains_key(&*delivered.room)
            && !case.entry(&delivered.room, delivered.seq).is_some_and(|stored| has_content(case, stored, delivered))
            // The entry was lost later, and the client was notified.
            && !(event < case.loss && resets.get(&(client, &delivered.room)).is_some_and(|reset| *reset > case.loss))
        {
            let delivered = Box::new((**delivered).clone());
            anomalies.push(Anomaly::DeliveredIsNotInLog { client: client.clone(), delivered, event });
        }
    }
    let invented = case.entries().filter(|entry| !was_sent(case, entry));
    anomalies.extend(invented.map(|entry| Anomaly::NeverSent { entry: Box::new(entry.clone()) }));
    anomalies
}

/// Event of the last `reset` of each client and room.
fn last_resets<'a>(case: &Case<'a>) -> HashMap<(&'a Name, &'a Name), usize> {
    let resets = case.history.acts().filter_map(|(event, _, client, _, act)| match act {
        Act::Joined { room, recovery: Some(recovery), .. } | Act::Resynced { room, recovery, .. }
            if recovery.status == Status::Reset =>
        {
            Some(((client, room), event))
        }
        _ => None,
    });
    resets.collect()
}

/// True if a delivered entry is that of the log. Its text may have been deleted since.
fn has_content(case: &Case<'_>, stored: &Entry, delivered: &Entry) -> bool {
    let has_text = case.text(stored) == &delivered.text;
    stored.is_same(delivered) && if delivered.deleted { stored.deleted } else { has_text }
}

fn was_sent(case: &Case<'_>, entry: &Entry) -> bool {
    case.sent(entry).is_some_and(|message| *message.room == entry.room && is_of(entry, message.content))
}

/// True if an entry has this content, or is a tombstone of it.
fn is_of(entry: &Entry, content: &Content) -> bool {
    let Entry { kind, text, target, emoji, removed, deleted, .. } = entry;
    let expected = match content {
        Content::Message { .. } => (Kind::Message, None, false),
        Content::Edit { .. } => (Kind::Edit, None, false),
        Content::Delete { .. } => (Kind::Delete, None, false),
        Content::Reaction { emoji, removed, .. } => (Kind::Reaction, Some(emoji), *removed),
    };
    let has_text = if *deleted { text.is_empty() } else { content.text().map_or("", |text| text) == &**text };
    (*kind, emoji.as_ref(), *removed) == expected
        && has_text
        && *target == content.target().map(|target| target.seq)
}

/// Rule 7. A message without an ack is stored at most once.
pub(super) fn unacked_is_stored_once(case: &Case<'_>) -> Vec<Anomaly> {
    let unacked = case.in_order().into_iter().filter(|message| message.acks.is_empty());
    unacked
        .filter_map(|message| {
            let copies = case.copies(message);
            (copies.len() > 1).then(|| Anomaly::UnackedIsDoubled {
                client: message.client.clone(),
                room: message.room.clone(),
                key: message.key.clone(),
                seqs: seqs(&copies),
            })
        })
        .collect()
}

fn seqs(copies: &[&Entry]) -> Vec<u64> {
    copies.iter().map(|entry| entry.seq).collect()
}
