//! Rules about what comes after a fault (9, 10).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::{Anomaly, Case, Late, Message};
use crate::history::{Act, History, Name, What};

/// How long everything may take to be as it was once nothing is in the way any more.
const HEALED_WITHIN: Duration = Duration::from_secs(10);

/// The moment from which on nothing is in the way.
#[derive(Clone, Copy)]
struct Lifted {
    event: usize,
    at: Duration,
}

impl Lifted {
    /// How late something came; nothing where it came in time.
    fn late(self, came: Option<Duration>) -> Option<Late> {
        match came.map(|at| at.saturating_sub(self.at)) {
            Some(took) if took <= HEALED_WITHIN => None,
            Some(took) => Some(Late::After(took)),
            None => Some(Late::Never),
        }
    }
}

/// What a client's connections were, and how far it was in its rooms, in the order of events.
#[derive(Default)]
struct Track<'a> {
    /// Whether it was connected, lost its connection, or went.
    states: Vec<(usize, Duration, State)>,
    /// For each room the number up to which it had seen its log, never less than before.
    seen: BTreeMap<&'a Name, Vec<(usize, Duration, u64)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connected,
    Lost,
    Away,
}

impl Track<'_> {
    fn state_at(&self, event: usize) -> State {
        let before = self.states.partition_point(|(index, ..)| *index < event);
        before.checked_sub(1).map_or(State::Away, |last| self.states[last].2)
    }

    /// Whether it went of its own accord within the bound: then nothing is expected of it.
    fn goes(&self, lifted: Lifted) -> bool {
        self.state_at(lifted.event) == State::Away
            || self.states.iter().any(|(index, at, state)| {
                *state == State::Away && *index > lifted.event && *at <= lifted.at + HEALED_WITHIN
            })
    }
}

/// Rule 9. Within the bound everyone is back, what was sent before is acked, and what was acked before is shown.
pub(super) fn healed_in_time(case: &Case<'_>) -> Vec<Anomaly> {
    let tracks = tracks(case.history);
    let lifted = case.history.events.iter().enumerate().filter(|(_, event)| event.what == What::Lifted);
    let lifted = lifted.map(|(event, what)| Lifted { event, at: what.at });
    let messages = case.in_order();
    lifted
        .flat_map(|lifted| {
            let staying: BTreeMap<_, _> = tracks.iter().filter(|(_, track)| !track.goes(lifted)).collect();
            let mut anomalies = not_back(lifted, &staying);
            anomalies.extend(not_acked(case, lifted, &messages, &staying));
            anomalies.extend(not_shown(case, lifted, &messages, &staying));
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
                track.states.push((index, event.at, State::Connected));
                continue;
            }
            Act::Lost { .. } => {
                track.states.push((index, event.at, State::Lost));
                continue;
            }
            Act::Away => {
                track.states.push((index, event.at, State::Away));
                continue;
            }
            Act::Joined { room, since: None, head, .. } => (room, head.seq),
            Act::Joined { room, .. } => (room, 0),
            Act::Shown(entry) => (&entry.room, entry.seq),
            _ => continue,
        };
        let seen_before = track.seen.entry(room).or_default();
        let most = seen_before.last().map_or(0, |(.., seq)| *seq);
        seen_before.push((index, event.at, most.max(seen)));
    }
    tracks
}

fn not_back(lifted: Lifted, staying: &Staying<'_, '_>) -> Vec<Anomaly> {
    let lost = staying.iter().filter(|(_, track)| track.state_at(lifted.event) == State::Lost);
    lost.filter_map(|(client, track)| {
        let back = track
            .states
            .iter()
            .find(|(index, _, state)| *index > lifted.event && *state == State::Connected)
            .map(|(_, at, _)| *at);
        let late = lifted.late(back)?;
        Some(Anomaly::NotBackInTime { client: (**client).clone(), lifted: lifted.event, late })
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
            && message.acks.first().is_none_or(|(event, _)| *event > lifted.event)
            && staying.contains_key(&message.client)
    });
    open.filter_map(|message| {
        let acked = message.acks.first().map(|(event, _)| case.history.events[*event].at);
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

fn not_shown(
    case: &Case<'_>,
    lifted: Lifted,
    messages: &[&Message<'_>],
    staying: &Staying<'_, '_>,
) -> Vec<Anomaly> {
    let mut heads: HashMap<&Name, u64> = HashMap::new();
    for message in messages {
        let before = message.acks.iter().filter(|(event, _)| (case.loss..lifted.event).contains(event));
        for (_, place) in before {
            let head = heads.entry(message.room).or_default();
            *head = place.seq.max(*head);
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
                anomalies.push(Anomaly::NotShownInTime {
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

/// Rule 10. Who is there is said to be there, and nobody else.
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
