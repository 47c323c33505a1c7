//! Rules about the time after a fault (9, 10).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Anomaly, Case, Late, Message};
use crate::history::{Act, EventKind, History, Name};

/// Limit for recovery after the end of the faults.
const HEALED_WITHIN: Duration = Duration::from_secs(10);

/// End of all faults.
#[derive(Clone, Copy)]
struct Lifted {
    event: usize,
    at: Duration,
}

impl Lifted {
    /// Delay of an event that happened at `came`, or never. `None`: it was in time.
    fn late(self, came: Option<Duration>) -> Option<Late> {
        match came.map(|at| at.saturating_sub(self.at)) {
            Some(took) if took <= HEALED_WITHIN => None,
            Some(took) => Some(Late::After(took)),
            None => Some(Late::Never),
        }
    }
}

/// Connections and progress of a client, in the order of events.
#[derive(Default)]
struct Track<'a> {
    /// Connection states with their events and times.
    states: Vec<(usize, Duration, ConnectionState)>,
    /// Highest seq received in each room; it never falls.
    seen: BTreeMap<&'a Name, Vec<(usize, Duration, u64)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ConnectionState {
    Connected,
    Lost,
    Away,
}

impl Track<'_> {
    fn state_at(&self, event: usize) -> ConnectionState {
        let before = self.states.partition_point(|(index, ..)| *index < event);
        before.checked_sub(1).map_or(ConnectionState::Away, |last| self.states[last].2)
    }

    /// True if the client left on purpose within the limit. Nothing is expected of it then.
    fn goes(&self, lifted: Lifted) -> bool {
        self.state_at(lifted.event) == ConnectionState::Away
            || self.states.iter().any(|(index, at, state)| {
                *state == ConnectionState::Away && *index > lifted.event && *at <= lifted.at + HEALED_WITHIN
            })
    }
}

/// Rule 9. Within the limit all clients are connected, all earlier messages are acked or
/// refused for good, and all earlier acked entries
/// are delivered.
pub(super) fn healed_in_time(case: &Case<'_>) -> Vec<Anomaly> {
    let tracks = tracks(case.history);
    let lifted = case.history.events.iter().enumerate().filter(|(_, event)| event.what == EventKind::Lifted);
    let lifted = lifted.map(|(event, what)| Lifted { event, at: what.at });
    let messages = case.in_order();
    lifted
        .flat_map(|lifted| {
            let staying: BTreeMap<_, _> = tracks.iter().filter(|(_, track)| !track.goes(lifted)).collect();
            let mut anomalies = not_reconnected(lifted, &staying);
            anomalies.extend(not_acked(case, lifted, &messages, &staying));
            anomalies.extend(not_delivered(case, lifted, &messages, &staying));
            anomalies
        })
        .collect()
}

type Staying<'t, 'a> = BTreeMap<&'t &'a Name, &'t Track<'a>>;

fn tracks(history: &History) -> BTreeMap<&Name, Track<'_>> {
    let mut tracks: BTreeMap<&Name, Track<'_>> = BTreeMap::new();
    for (index, event, client, _, act) in history.acts() {
        let track = tracks.entry(client).or_default();
        let (room, seen) = match act {
            Act::Connected => {
                track.states.push((index, event.at, ConnectionState::Connected));
                continue;
            }
            Act::Lost { .. } => {
                track.states.push((index, event.at, ConnectionState::Lost));
                continue;
            }
            Act::Away => {
                track.states.push((index, event.at, ConnectionState::Away));
                continue;
            }
            Act::Joined { room, since: None, head, .. } => (room, head.seq),
            Act::Joined { room, .. } => (room, 0),
            Act::Delivered(entry) => (&entry.room, entry.seq),
            _ => continue,
        };
        let seen_before = track.seen.entry(room).or_default();
        let most = seen_before.last().map_or(0, |(.., seq)| *seq);
        seen_before.push((index, event.at, most.max(seen)));
    }
    tracks
}

fn not_reconnected(lifted: Lifted, staying: &Staying<'_, '_>) -> Vec<Anomaly> {
    let lost = staying.iter().filter(|(_, track)| track.state_at(lifted.event) == ConnectionState::Lost);
    lost.filter_map(|(client, track)| {
        let back = track
            .states
            .iter()
            .find(|(index, _, state)| *index > lifted.event && *state == ConnectionState::Connected)
            .map(|(_, at, _)| *at);
        let late = lifted.late(back)?;
        Some(Anomaly::NotReconnectedInTime { client: (**client).clone(), lifted: lifted.event, late })
    })
    .collect()
}

fn not_acked(
    case: &Case<'_>,
    lifted: Lifted,
    messages: &[&Message<'_>],
    staying: &Staying<'_, '_>,
) -> Vec<Anomaly> {
    let open = messages.iter().filter(|message| {
        message.sent < lifted.event
            && message.answered().is_none_or(|event| event > lifted.event)
            && staying.contains_key(&message.client)
    });
    open.filter_map(|message| {
        let acked = message.answered().map(|event| case.history.events[event].at);
        let late = lifted.late(acked)?;
        Some(Anomaly::NotAckedInTime {
            client: message.client.clone(),
            room: message.room.clone(),
            key: message.key.clone(),
            lifted: lifted.event,
            late,
        })
    })
    .collect()
}

fn not_delivered(
    case: &Case<'_>,
    lifted: Lifted,
    messages: &[&Message<'_>],
    staying: &Staying<'_, '_>,
) -> Vec<Anomaly> {
    let mut heads: HashMap<&Name, u64> = HashMap::new();
    for message in messages {
        let before = message.acks.iter().filter(|(event, _)| (case.loss..lifted.event).contains(event));
        for (_, position) in before {
            let head = heads.entry(message.room).or_default();
            *head = position.seq.max(*head);
        }
    }
    let mut anomalies = Vec::new();
    for (client, track) in staying {
        for (room, seen) in &track.seen {
            let came_before = seen.first().is_some_and(|(event, ..)| *event < lifted.event);
            let head = heads.get(room).copied().unwrap_or(0);
            let reached = seen.partition_point(|(.., seq)| *seq < head);
            if let Some(late) = lifted.late(seen.get(reached).map(|(_, at, _)| *at))
                && came_before
            {
                anomalies.push(Anomaly::NotDeliveredInTime {
                    client: (**client).clone(),
                    room: (*room).clone(),
                    seq: head,
                    lifted: lifted.event,
                    late,
                });
            }
        }
    }
    anomalies
}

/// Rule 10. The reported members of a room are exactly those that are in it.
pub(super) fn presence_is_exact(case: &Case<'_>) -> Vec<Anomaly> {
    let wrong = case.history.presence.iter().filter(|presence| {
        presence.expected != presence.members || presence.member_count != presence.expected.len() as u64
    });
    wrong
        .map(|presence| Anomaly::WrongMembers {
            instance: presence.instance,
            room: presence.room.clone(),
            missing: presence.expected.difference(&presence.members).cloned().collect(),
            extra: presence.members.difference(&presence.expected).cloned().collect(),
            count: presence.member_count,
        })
        .collect()
}
