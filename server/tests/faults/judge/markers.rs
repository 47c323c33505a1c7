//! The rule about read markers (17).

use std::collections::HashMap;

use super::{Anomaly, Case};
use crate::history::{Act, Name};

/// The marker of a client in one log, as its frames showed it.
#[derive(Default)]
struct Marker {
    /// The newest marker that the client was shown.
    shown: u64,
    /// The newest entry that the client has read.
    read: u64,
}

/// Rule 17. Each marker that a client is shown in a log is at least as new as the one before, and not newer than what the
/// client has read. The first join of a client has read all before it.
pub(super) fn markers_never_go_back(case: &Case<'_>) -> Vec<Anomaly> {
    let mut markers: HashMap<(&Name, &Name), Marker> = HashMap::new();
    let mut anomalies = Vec::new();
    for (event, _, client, _, act) in case.history.acts().filter(|(event, ..)| *event >= case.loss) {
        match act {
            Act::Joined { room, since: None, head, .. } => {
                let marker = markers.entry((client, room)).or_default();
                marker.read = marker.read.max(head.seq);
            }
            Act::Read { room, seq } => {
                let marker = markers.entry((client, room)).or_default();
                marker.read = marker.read.max(*seq);
            }
            Act::Marked { room, epoch, seq }
                if case.logs.get(&**room).is_some_and(|log| log.epoch == *epoch) =>
            {
                let marker = markers.entry((client, room)).or_default();
                // What was read before a loss is not known here.
                let most = if case.loss > 0 { u64::MAX } else { marker.read };
                let allowed = marker.shown..=most;
                if !allowed.contains(seq) {
                    let (client, room) = (client.clone(), room.clone());
                    anomalies.push(Anomaly::WrongMarker { client, room, seq: *seq, allowed, event });
                }
                // Later markers are compared with this one, so that a step back is reported once.
                marker.shown = *seq;
            }
            _ => {}
        }
    }
    anomalies
}
