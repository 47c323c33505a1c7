//! Rules about the entries that members received (3, 8).

use std::collections::HashMap;

use super::{Anomaly, Case};
use crate::history::{Act, Entry, Name, Position, Recovery, Status};

/// Progress of one client in one room.
#[derive(Default)]
struct Reader {
    /// Seq of the last delivered entry, or of the head at the join.
    last: u64,
    member: bool,
}

/// Rule 3. Over all its connections a client receives the log entry by entry, except where the server announced a gap.
pub(super) fn members_receive_the_log(case: &Case<'_>) -> Vec<Anomaly> {
    let mut readers: HashMap<(&Name, &Name), Reader> = HashMap::new();
    let mut anomalies = Vec::new();
    for (event, _, client, connection, act) in case.history.acts() {
        match act {
            Act::Connected | Act::Lost { .. } | Act::Away => {
                let own = readers.iter_mut().filter(|((name, _), _)| *name == client);
                own.for_each(|(_, reader)| reader.member = false);
            }
            Act::Joined { room, since, head, recovery } => {
                let reader = readers.entry((client, room)).or_default();
                reader.member = true;
                let missed = head.seq.saturating_sub(reader.last);
                if let Some(announced) = reader.joined(since.as_ref(), head, *recovery) {
                    let (client, room) = (client.clone(), room.clone());
                    anomalies.push(Anomaly::Miscounted {
                        client,
                        connection,
                        room,
                        missed,
                        announced,
                        event,
                    });
                }
            }
            Act::Resynced { room, head, recovery } => {
                let reader = readers.entry((client, room)).or_default();
                reader.continues(head, *recovery);
            }
            Act::Delivered(entry) => {
                let reader = readers.entry((client, &entry.room)).or_default();
                anomalies.extend(reader.delivered(entry, client, connection, event));
            }
            _ => {}
        }
    }
    anomalies.extend(end_missing(case, &readers));
    anomalies
}

impl Reader {
    /// Applies a join. Returns `replayed` if it is not the number of missed entries.
    fn joined(
        &mut self,
        since: Option<&Position>,
        head: &Position,
        recovery: Option<Recovery>,
    ) -> Option<u64> {
        let (Some(_), Some(recovery)) = (since, recovery) else {
            self.last = head.seq;
            return None;
        };
        let missed = head.seq.saturating_sub(self.last);
        let miscounted = recovery.status == Status::Complete && recovery.replayed != missed;
        self.continues(head, recovery);
        miscounted.then_some(recovery.replayed)
    }

    /// Applies a recovery: the next entries continue the old position, or are the newest of the log.
    fn continues(&mut self, head: &Position, recovery: Recovery) {
        if recovery.status != Status::Complete {
            self.last = head.seq.saturating_sub(recovery.replayed);
        }
    }

    fn delivered(&mut self, entry: &Entry, client: &Name, connection: u32, event: usize) -> Option<Anomaly> {
        let (client, room, delivered) = (client.clone(), entry.room.clone(), entry.seq);
        if !self.member {
            return Some(Anomaly::DeliveredToNonMember { client, connection, room, delivered, event });
        }
        let expected = self.last.saturating_add(1);
        // Later entries are compared with this one, so that a hole is reported once.
        self.last = delivered;
        match delivered.cmp(&expected) {
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Less => {
                Some(Anomaly::Repeated { client, connection, room, expected, delivered, event })
            }
            std::cmp::Ordering::Greater => {
                Some(Anomaly::Missed { client, connection, room, expected, delivered, event })
            }
        }
    }
}

/// A member at the end of the run has received the whole log.
fn end_missing(case: &Case<'_>, readers: &HashMap<(&Name, &Name), Reader>) -> Vec<Anomaly> {
    let members = readers.iter().filter(|(_, reader)| reader.member);
    members
        .filter_map(|((client, room), reader)| {
            let expected = case.logs.get(&***room)?.entries.last().map_or(0, |entry| entry.seq);
            let (client, room, last) = ((*client).clone(), (*room).clone(), reader.last);
            (last != expected).then_some(Anomaly::EndMissing { client, room, expected, last })
        })
        .collect()
}

/// Rule 8. `reset`, `truncated` and `resync` occur only in phases that allow them.
pub(super) fn recoveries_are_allowed(case: &Case<'_>) -> Vec<Anomaly> {
    let mut anomalies = Vec::new();
    for (event, _, client, _, act) in case.history.acts() {
        let (room, recovery, live) = match act {
            Act::Joined { room, recovery: Some(recovery), .. } => (room, recovery, false),
            Act::Resynced { room, recovery, .. } => (room, recovery, true),
            _ => continue,
        };
        let status = recovery.status;
        let phase = case.history.phases.iter().find(|phase| phase.events.contains(&event));
        if (status == Status::Complete && !live) || phase.is_some_and(|phase| phase.allows.contains(&status))
        {
            continue;
        }
        let phase = phase.map(|phase| phase.name.clone());
        let (client, room) = (client.clone(), room.clone());
        anomalies.push(if live {
            Anomaly::Resynced { client, room, status, phase, event }
        } else {
            Anomaly::PositionLost { client, room, status, phase, event }
        });
    }
    anomalies
}
