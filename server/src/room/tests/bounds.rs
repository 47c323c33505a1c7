//! Bounds of queues: frames beyond them are dropped and counted.

use realtime_shared::Epoch;

use super::*;
use crate::broker::{Entry, Feed};
use crate::room::EARLY_ENTRIES;

#[track_caller]
fn assert_dropped(metrics: &Metrics, reason: &str, count: u64) {
    assert_metric(metrics, &format!("realtime_drops_total{{reason=\"{reason}\"}}"), count);
}

#[test]
fn a_full_direct_backlog_closes_the_connection_as_too_slow() {
    let metrics = metrics();
    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics.clone());
    let text = "x".repeat(60 * 1024);
    mailbox.send(&text);
    mailbox.send(&text);
    assert_dropped(&metrics, "direct_backlog_full", 0);
    mailbox.send(&text);
    assert_dropped(&metrics, "direct_backlog_full", 1);
    let backlog = mailbox.take().expect("a close");
    assert_eq!((backlog.frames.len(), backlog.close), (0, Some(CloseCode::TooSlow)));
}

#[test]
fn entries_beyond_the_limit_are_dropped_while_a_room_is_opened() {
    let registry = registry(config());
    registry.rooms.lock().insert(room("a"), Arc::new(Room::new(room("a"), 1)));
    let announce = |count: usize| {
        for _ in 0..count {
            let entry = Entry { seq: Seq::new(1), id: other_id(), json: "{}".into() };
            registry.entry(&room("a"), &Epoch::new("epoch").expect("an epoch"), &entry);
        }
    };
    announce(EARLY_ENTRIES);
    assert_dropped(&registry.metrics, "early_entry_limit", 0);
    announce(2);
    assert_dropped(&registry.metrics, "early_entry_limit", 2);
}
