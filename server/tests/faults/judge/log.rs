//! Rules about the logs that were served at the end (1, 2, 4, 7).

use std::collections::{BTreeMap, HashMap};

use super::{Anomaly, Case, Message};
use crate::history::{Act, Entry, Name, Position, Served, Status};

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

/// Rule 2. The seqs of every log count from 1 without a hole, and all pagings of all instances agree.
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
            one: (first.instance, first.paging),
            other: (served.instance, served.paging),
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
    Some(Anomaly::Hole {
        instance: served.instance,
        room: served.room.clone(),
        paging: served.paging,
        expected,
        found: entry.seq,
    })
}

/// Rule 4. Every delivered entry equals its entry in the log, and every entry in the log equals a sent message.
pub(super) fn delivered_is_in_log(case: &Case<'_>) -> Vec<Anomaly> {
    let mut by_place: BTreeMap<(&str, u64), &Entry> = BTreeMap::new();
    for entry in case.logs.values().flat_map(|log| &log.entries) {
        by_place.insert((&entry.room, entry.seq), entry);
    }
    let resets = last_resets(case);
    let mut anomalies = Vec::new();
    for (event, _, client, _, act) in case.history.acts() {
        if let Act::Delivered(delivered) = act
            && case.logs.contains_key(&*delivered.room)
            && by_place.get(&(&*delivered.room, delivered.seq)) != Some(&&**delivered)
            // The entry was lost later, and the client was notified.
            && !(event < case.loss && resets.get(&(client, &delivered.room)).is_some_and(|reset| *reset > case.loss))
        {
            let delivered = Box::new((**delivered).clone());
            anomalies.push(Anomaly::DeliveredIsNotInLog { client: client.clone(), delivered, event });
        }
    }
    let invented = by_place.into_values().filter(|entry| !was_sent(case, entry));
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

fn was_sent(case: &Case<'_>, entry: &Entry) -> bool {
    let Some(key) = &entry.key else { return false };
    let message = case.messages.get(&(&*entry.from, &**key));
    message.is_some_and(|message| *message.room == entry.room && *message.text == entry.text)
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
