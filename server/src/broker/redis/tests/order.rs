//! One order of entries on all instances.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use realtime_shared::{Joined, ServerEvent, SystemEvent};

use super::*;
use crate::broker::contract::submission;
use crate::broker::{Receipt, RoomFilter, Skip};

const MESSAGES: u64 = 100;

/// Seqs and ids of the entries that were announced to an instance.
fn entries(instance: &Instance) -> Vec<(Seq, EntryId)> {
    instance.recorder.entries().iter().map(|entry| (entry.seq, entry.id)).collect()
}

#[tokio::test]
async fn messages_of_two_instances_are_in_one_order_on_both() {
    let redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    let posting = instances.iter().flat_map(|instance| {
        (0..MESSAGES).map(move |number| instance.post(submission("alice", "a", &number.to_string())))
    });
    let receipts = join_all(posting).await;
    let mut stored: Vec<_> = receipts.iter().map(|receipt| (receipt.seq, receipt.id)).collect();
    stored.sort();
    assert!(stored.iter().map(|(seq, _)| seq.get()).eq(1..=2 * MESSAGES), "contiguous and unique");
    for instance in &instances {
        instance.recorder.wait_for_count(stored.len()).await;
        assert_eq!(entries(instance), stored, "announcements have the stored entries");
        let page = instance.broker.history(&room("a"), Range::Newest, 1_000, usize::MAX).await;
        let page = page.expect("a page");
        assert!(receipts.iter().all(|receipt| Some(&receipt.epoch) == page.epoch.as_ref()));
        assert!(page.entries.iter().map(|entry| (entry.seq, entry.id)).eq(stored.iter().copied()));
    }
}

#[tokio::test]
async fn a_message_resent_through_another_instance_is_a_duplicate() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    let first = one.post(submission("alice", "a", "hello").with_id("1")).await;
    let again = other.post(submission("alice", "a", "hello").with_id("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first });
    one.post(submission("alice", "a", "after")).await;
    for instance in [&one, &other] {
        assert_eq!(texts(&instance.wait_for_text("after").await), ["hello", "after"]);
    }
}

/// The names contain characters with a meaning in Redis patterns or in the engine's keys.
#[tokio::test]
async fn room_names_with_special_characters_work() {
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    let names = ["{a}", "a} {b", "%live", "a %7bb", "a {b", "with  spaces", "🦀 {🦀}", "*", "[a]?", "a:log"];
    let names: BTreeMap<_, _> = names.into_iter().map(|name| (name, room(name))).collect();
    for (name, room) in &names {
        for instance in [&one, &other] {
            assert_eq!(instance.broker.open(room).await, Ok(Position::Start), "{name}");
        }
        assert_eq!(one.post(submission("alice", name, name)).await.seq, Seq::new(1), "{name}");
        other.wait_for_text(name).await;
        let presence = one.broker.enter(room, &user("alice"), 10).await.expect("entered");
        assert_eq!((presence.count, presence.changed), (1, true), "{name}");
    }
    let (rooms, _) = other.broker.list(RoomFilter::with_prefix(String::new()), 100).await.expect("a list");
    assert_eq!(rooms.len(), names.len());
    assert!(rooms.iter().all(|of| of.member_count == 1 && of.position.seq() == Seq::new(1)), "{rooms:?}");
    let events = other.recorder.wait_until(|events| joined(events).len() == names.len()).await;
    let rooms: Vec<_> = joined(&events).into_iter().map(|joined| joined.room).collect();
    assert!(names.values().all(|room| rooms.contains(room)), "{rooms:?}");
}

/// The joins among events.
fn joined(events: &[FeedEvent]) -> Vec<Joined> {
    let signals = events.iter().filter_map(|event| match event {
        FeedEvent::Signal(_, signal) if signal.skip != Skip::Nobody => {
            codec::decode_server(&signal.json).ok()
        }
        _ => None,
    });
    let joins = signals.filter_map(|frame| match frame.event {
        ServerEvent::System(SystemEvent::Joined(joined)) => Some(joined),
        _ => None,
    });
    joins.collect()
}
