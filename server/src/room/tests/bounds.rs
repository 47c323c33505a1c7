//! What is dropped at a bound is counted.

use realtime_shared::Epoch;

use super::*;
use crate::broker::{Entry, Feed};
use crate::room::EARLY_ENTRIES;

#[track_caller]
fn dropped(metrics: &Metrics, reason: &str, count: u64) {
    counted(metrics, &format!("realtime_drops_total{{reason=\"{reason}\"}}"), count);
}

#[test]
fn a_full_direct_backlog_closes_the_connection_as_too_slow() {
    let metrics = metrics();
    let mailbox = Mailbox::new(1, user("alice"), 0, Arc::default(), metrics.clone());
    let text = "x".repeat(60 * 1024);
    mailbox.send(&text);
    mailbox.send(&text);
    dropped(&metrics, "direct_backlog_full", 0);
    mailbox.send(&text);
    dropped(&metrics, "direct_backlog_full", 1);
    let backlog = mailbox.take().expect("the end");
    assert_eq!((backlog.frames.len(), backlog.close), (0, Some(CloseCode::TooSlow)));
}

#[test]
fn entries_before_the_room_is_open() {
    let house = house(config());
    house.rooms.lock().insert(room("a"), Arc::new(Room::new(room("a"), 1)));
    let announce = |count: usize| {
        for _ in 0..count {
            let entry = Entry { seq: Seq::new(1), id: strange_id(), json: "{}".into() };
            house.entry(&room("a"), &Epoch::new("epoch").expect("an epoch"), &entry);
        }
    };
    announce(EARLY_ENTRIES);
    dropped(&house.metrics, "early_entry_limit", 0);
    announce(2);
    dropped(&house.metrics, "early_entry_limit", 2);
}
