//! Rules about the run as a whole (11, 12, 13).

use super::{Anomaly, Case};
use crate::history::{Act, Resources};

/// Rule 11. Once everybody has gone, a process holds what it held before anybody came.
pub(super) fn resources_are_given_back(case: &Case<'_>) -> Vec<Anomaly> {
    case.history.resources.iter().flat_map(not_given_back).collect()
}

fn not_given_back(resources: &Resources) -> Vec<Anomaly> {
    let Resources { instance, began, ended, slack } = *resources;
    let held = [
        ("connections", began.connections, ended.connections, slack.connections),
        ("descriptors", began.descriptors, ended.descriptors, slack.descriptors),
        ("threads", began.threads, ended.threads, slack.threads),
        ("memory (KiB)", began.memory_kib, ended.memory_kib, slack.memory_kib),
    ];
    let kept = held.into_iter().filter(|(_, began, ended, slack)| *ended > began + slack);
    kept.map(|(what, began, ended, _)| Anomaly::NotGivenBack { instance, what, began, ended }).collect()
}

/// Rule 12. In each phase messages were acked, and what it is there to provoke happened.
pub(super) fn something_happened(case: &Case<'_>) -> Vec<Anomaly> {
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
        anomalies.extend(still.map(|(counter, _)| Anomaly::DidNotHappen {
            phase: phase.name.clone(),
            counter: counter.clone(),
        }));
    }
    anomalies
}

/// Rule 13. No server sends what none may send, and none panics.
pub(super) fn nobody_errs(case: &Case<'_>) -> Vec<Anomaly> {
    let nonsense = case.history.acts().filter_map(|(event, _, client, connection, act)| {
        let Act::Nonsense { what } = act else { return None };
        Some(Anomaly::Nonsense { client: client.clone(), connection, what: what.clone(), event })
    });
    let panics = case.history.panics.iter().cloned();
    nonsense.chain(panics.map(|(instance, line)| Anomaly::Panicked { instance, line })).collect()
}
