//! Rules about the order of messages (5, 6).

use std::collections::HashMap;

use super::{Anomaly, Case, Message};
use crate::history::Name;

/// Rule 5. Messages of one sender in one room are in the order of their first sending. A message that was refused once
/// may have a later position and is skipped.
pub(super) fn senders_keep_their_order(case: &Case<'_>) -> Vec<Anomaly> {
    let mut last: HashMap<(&Name, &Name), (&Message<'_>, u64)> = HashMap::new();
    let mut anomalies = Vec::new();
    for message in case.in_order().into_iter().filter(|message| !message.refused) {
        let Some(seq) = case.copies(message).first().map(|entry| entry.seq) else { continue };
        if let Some((before, seq_before)) = last.insert((message.client, message.room), (message, seq))
            && seq < seq_before
        {
            anomalies.push(Anomaly::OutOfOrder {
                client: message.client.clone(),
                room: message.room.clone(),
                first: (before.key.clone(), seq_before),
                second: (message.key.clone(), seq),
            });
        }
    }
    anomalies
}

/// Rule 6. A message sent after an ack has arrived at any client is after the acked message.
pub(super) fn later_messages_follow_acks(case: &Case<'_>) -> Vec<Anomaly> {
    let mut acks: Vec<(usize, &Name, u64)> = Vec::new();
    for message in case.messages.values() {
        let kept = message.acks.iter().filter(|(event, _)| *event >= case.loss);
        acks.extend(kept.map(|(event, position)| (*event, message.room, position.seq)));
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
        for entry in case.copies(message).into_iter().filter(|entry| entry.seq <= acked_before) {
            anomalies.push(Anomaly::BeforeEarlierAck {
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
