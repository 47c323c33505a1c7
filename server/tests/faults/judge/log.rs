//! Rules about what is kept: the logs as they were served at the end (1, 2, 4, 7).

use std::collections::{BTreeMap, HashMap};

use super::{Anomaly, Case, Message};
use crate::history::{Act, Entry, Name, Position, Served, Status};

/// Rule 1. Each ack of a message names the one place where it is. Of a room whose log was not served nothing is known.
pub(super) fn acked_is_kept(case: &Case<'_>) -> Vec<Anomaly> {
    case.in_order()
        .into_iter()
        .filter(|message| !message.acks.is_empty() && case.logs.contains_key(&**message.room))
        .flat_map(|m| kept(case, m))
        .collect()
}

fn kept(case: &Case<'_>, message: &Message<'_>) -> Vec<Anomaly> {
    let (client, room, key) = (message.client.clone(), message.room.clone(), message.key.clone());
    let acked = message.acks[0].1.clone();
    let places = case.places(message);
    let [entry] = places[..] else {
        // What was acked before a loss may be gone; that it is said is what rule 4 looks at.
        let may_be_lost = message.acks[0].0 < case.loss;
        return match places.is_empty() {
            true if may_be_lost => Vec::new(),
            true => vec![Anomaly::AckedIsMissing { client, room, key, acked }],
            false => vec![Anomaly::AckedIsDoubled { client, room, key, seqs: seqs(&places) }],
        };
    };
    let epoch = case.logs.get(&*room).and_then(|log| log.epoch.clone());
    let found = Position { epoch, seq: entry.seq, id: Some(entry.id.clone()) };
    let elsewhere = |&&(_, place): &&(usize, &Position)| *place != found;
    let wrong = message.acks.iter().filter(elsewhere);
    wrong
        .map(|(_, place)| Anomaly::AckedIsElsewhere {
            client: client.clone(),
            room: room.clone(),
            key: key.clone(),
            acked: (*place).clone(),
            found: found.clone(),
        })
        .collect()
}

/// Rule 2. Every log counts from 1 by one, and all pagings of all instances gave the same.
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

/// Where a log does not go on by one for the first time.
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

/// Rule 4. What was shown is in the log, letter for letter; and what is in the log was sent, letter for letter.
pub(super) fn nothing_is_invented(case: &Case<'_>) -> Vec<Anomaly> {
    let mut by_place: BTreeMap<(&str, u64), &Entry> = BTreeMap::new();
    for entry in case.logs.values().flat_map(|log| &log.entries) {
        by_place.insert((&entry.room, entry.seq), entry);
    }
    let told = last_told(case);
    let mut anomalies = Vec::new();
    for (event, _, client, _, act) in case.history.acts() {
        if let Act::Shown(shown) = act
            && case.logs.contains_key(&*shown.room)
            && by_place.get(&(&*shown.room, shown.seq)) != Some(&&**shown)
            // Lost since, and who was shown it has been told.
            && !(event < case.loss && told.get(&(client, &shown.room)).is_some_and(|told| *told > case.loss))
        {
            let shown = Box::new((**shown).clone());
            anomalies.push(Anomaly::ShownIsNotInLog { client: client.clone(), shown, event });
        }
    }
    let invented = by_place.into_values().filter(|entry| !was_sent(case, entry));
    anomalies.extend(invented.map(|entry| Anomaly::NobodySent { entry: Box::new(entry.clone()) }));
    anomalies
}

/// When each client was told last that its position in a room is not of its past.
fn last_told<'a>(case: &Case<'a>) -> HashMap<(&'a Name, &'a Name), usize> {
    let told = case.history.acts().filter_map(|(event, _, client, _, act)| match act {
        Act::Joined { room, recovery: Some(recovery), .. } | Act::Resynced { room, recovery, .. }
            if recovery.status == Status::Reset =>
        {
            Some(((client, room), event))
        }
        _ => None,
    });
    told.collect()
}

fn was_sent(case: &Case<'_>, entry: &Entry) -> bool {
    let Some(key) = &entry.key else { return false };
    let message = case.messages.get(&(&*entry.from, &**key));
    message.is_some_and(|message| *message.room == entry.room && *message.text == entry.text)
}

/// Rule 7. What has no ack may be stored or not, but not twice.
pub(super) fn unacked_is_not_doubled(case: &Case<'_>) -> Vec<Anomaly> {
    let unacked = case.in_order().into_iter().filter(|message| message.acks.is_empty());
    unacked
        .filter_map(|message| {
            let places = case.places(message);
            (places.len() > 1).then(|| Anomaly::UnackedIsDoubled {
                client: message.client.clone(),
                room: message.room.clone(),
                key: message.key.clone(),
                seqs: seqs(&places),
            })
        })
        .collect()
}

fn seqs(places: &[&Entry]) -> Vec<u64> {
    places.iter().map(|entry| entry.seq).collect()
}
