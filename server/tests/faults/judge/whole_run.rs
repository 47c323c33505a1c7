//! Rules about a run as a whole (11, 12, 13).

use super::{Anomaly, Case};
use crate::history::{Act, Resources};

/// Rule 11. After the last client has left, a process holds what it held before the first one.
pub(super) fn resources_are_released(case: &Case<'_>) -> Vec<Anomaly> {
    case.history.resources.iter().flat_map(resource_leaks).collect()
}

fn resource_leaks(resources: &Resources) -> Vec<Anomaly> {
    let Resources { instance, began, ended, slack } = *resources;
    let held = [
        ("connections", began.connections, ended.connections, slack.connections),
        ("descriptors", began.descriptors, ended.descriptors, slack.descriptors),
        ("threads", began.threads, ended.threads, slack.threads),
        ("memory (KiB)", began.memory_kib, ended.memory_kib, slack.memory_kib),
    ];
    let kept = held.into_iter().filter(|(_, began, ended, slack)| *ended > began + slack);
    kept.map(|(what, began, ended, _)| Anomaly::ResourceLeak { instance, what, began, ended }).collect()
}

/// Rule 12. Each phase has acks and moved its counters.
pub(super) fn faults_were_provoked(case: &Case<'_>) -> Vec<Anomaly> {
    let history = case.history;
    if history.phases.is_empty() || history.served.is_empty() {
        return vec![Anomaly::Empty];
    }
    let mut anomalies = Vec::new();
    for phase in &history.phases {
        let events = &history.events[phase.events.clone()];
        let is_ack = |act: &Act| matches!(act, Act::Acked { .. });
        if !events.iter().any(|event| event.act().is_some_and(|(_, _, act)| is_ack(act))) {
            anomalies.push(Anomaly::NoAcks { phase: phase.name.clone() });
        }
        let still = phase.provoked.iter().filter(|(_, moved)| **moved == 0);
        anomalies.extend(still.map(|(counter, _)| Anomaly::NotProvoked {
            phase: phase.name.clone(),
            counter: counter.clone(),
        }));
    }
    anomalies
}

/// Rule 13. Servers follow the protocol and do not panic.
pub(super) fn servers_follow_the_protocol(case: &Case<'_>) -> Vec<Anomaly> {
    let nonsense = case.history.acts().filter_map(|(event, _, client, connection, act)| {
        let Act::Violation { what } = act else { return None };
        Some(Anomaly::Violation { client: client.clone(), connection, what: what.clone(), event })
    });
    let panics = case.history.panics.iter().cloned();
    nonsense.chain(panics.map(|(instance, line)| Anomaly::Panicked { instance, line })).collect()
}
