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

#[tokio::test]
async fn entries_beyond_the_limit_are_dropped_while_a_room_is_opened() {
    let (registry, broker) = steered_registry(config());
    let feed = registry.clone();
    broker.on_open(move || {
        for number in 1..=EARLY_ENTRIES as u64 + 2 {
            let entry = Entry { seq: Seq::new(number), id: other_id(), json: "{}".into() };
            feed.entry(&room("a"), &Epoch::new("epoch").expect("an epoch"), &entry);
        }
    });
    let mut alice = RoomClient::connect(&registry, "alice").await;
    let joined = alice.join("a", None).await;
    assert_eq!(joined.position.map(|head| head.seq()), Some(Seq::new(EARLY_ENTRIES as u64)));
    assert_dropped(&registry.metrics, "early_entry_limit", 2);
}
