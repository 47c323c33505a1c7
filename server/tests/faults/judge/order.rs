//! Rules about the order of messages (5, 6).

use std::collections::HashMap;

use super::{Anomaly, Case, Message};
use crate::history::Name;

/// Rule 5. What one sender sent to one room is there in the order in which it was sent first. What was refused once may
/// have taken a later place and is left out.
pub(super) fn senders_order_holds(case: &Case<'_>) -> Vec<Anomaly> {
    let mut last: HashMap<(&Name, &Name), (&Message<'_>, u64)> = HashMap::new();
    let mut anomalies = Vec::new();
    for message in case.in_order().into_iter().filter(|message| !message.refused) {
        let Some(seq) = case.places(message).first().map(|entry| entry.seq) else { continue };
        if let Some((before, seq_before)) = last.insert((message.client, message.room), (message, seq))
            && seq < seq_before
        {
            anomalies.push(Anomaly::Swapped {
                client: message.client.clone(),
                room: message.room.clone(),
                first: (before.key.clone(), seq_before),
                second: (message.key.clone(), seq),
            });
        }
    }
    anomalies
}

/// Rule 6. Whoever sends after an ack was seen, by anybody, sends behind it.
pub(super) fn acked_goes_before(case: &Case<'_>) -> Vec<Anomaly> {
    let mut acks: Vec<(usize, &Name, u64)> = Vec::new();
    for message in case.messages.values() {
        let kept = message.acks.iter().filter(|(event, _)| *event >= case.loss);
        acks.extend(kept.map(|(event, place)| (*event, message.room, place.seq)));
    }
    acks.sort_unstable_by_key(|(event, ..)| *event);
    let mut acks = acks.into_iter().peekable();
    let mut heads: HashMap<&Name, u64> = HashMap::new();
    let mut anomalies = Vec::new();
    for message in case.in_order() {
        while let Some((_, room, seq)) = acks.next_if(|(event, ..)| *event < message.sent) {
            let head = heads.entry(room).or_default();
            *head = seq.max(*head);
        }
        let acked_before = heads.get(message.room).copied().unwrap_or(0);
        for entry in case.places(message).into_iter().filter(|entry| entry.seq <= acked_before) {
            anomalies.push(Anomaly::BeforeAnAckedOne {
                client: message.client.clone(),
                room: message.room.clone(),
                key: message.key.clone(),
                seq: entry.seq,
                acked_before,
            });
        }
    }
    anomalies
}
