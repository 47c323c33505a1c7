//! One order for all, whatever instance a message comes by.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use realtime_shared::{Joined, ServerEvent, SystemEvent};

use super::*;
use crate::broker::contract::said;
use crate::broker::{Receipt, Skip};

const MESSAGES: u64 = 100;

/// The entries that an instance heard, each with its number and identity.
fn entries(instance: &Instance) -> Vec<(Seq, EntryId)> {
    instance.heard.entries().iter().map(|entry| (entry.seq, entry.id)).collect()
}

#[tokio::test]
async fn messages_of_two_instances_are_in_one_order_on_both() {
    let redis = Redis::start();
    let instances = instances_in_a::<2>(&redis).await;
    let posting = instances.iter().flat_map(|instance| {
        (0..MESSAGES).map(move |number| instance.post(said("alice", "a", &number.to_string())))
    });
    let receipts = join_all(posting).await;
    let mut stored: Vec<_> = receipts.iter().map(|receipt| (receipt.seq, receipt.id)).collect();
    stored.sort();
    assert!(stored.iter().map(|(seq, _)| seq.get()).eq(1..=2 * MESSAGES), "no hole, and no number twice");
    for instance in &instances {
        instance.heard.at_least(stored.len()).await;
        assert_eq!(entries(instance), stored, "what was stored is what is announced");
        let page = instance.broker.history(&room("a"), Range::Newest, 1_000, usize::MAX).await;
        let page = page.expect("a page");
        assert!(receipts.iter().all(|receipt| Some(&receipt.epoch) == page.epoch.as_ref()));
        assert!(page.entries.iter().map(|entry| (entry.seq, entry.id)).eq(stored.iter().copied()));
    }
}

#[tokio::test]
async fn the_same_message_on_another_instance_is_the_duplicate() {
    let redis = Redis::start();
    let [one, other] = instances_in_a::<2>(&redis).await;
    let first = one.post(said("alice", "a", "hello").known_as("1")).await;
    let again = other.post(said("alice", "a", "hello").known_as("1")).await;
    assert_eq!(again, Receipt { duplicate: true, ..first });
    one.post(said("alice", "a", "after")).await;
    for instance in [&one, &other] {
        assert_eq!(texts(&instance.hears("after").await), ["hello", "after"]);
    }
}

/// Names that mean something to Redis or to who builds keys of them.
#[tokio::test]
async fn any_name_of_a_room_is_one() {
    let redis = Redis::start();
    let (one, other) = (instance(&redis), instance(&redis));
    let names = ["{a}", "a} {b", "%live", "a %7bb", "a {b", "with  spaces", "🦀 {🦀}", "*", "[a]?", "a:log"];
    let names: BTreeMap<_, _> = names.into_iter().map(|name| (name, room(name))).collect();
    for (name, room) in &names {
        for instance in [&one, &other] {
            assert_eq!(instance.broker.open(room).await, Ok(Position::Start), "{name}");
        }
        assert_eq!(one.post(said("alice", name, name)).await.seq, Seq::new(1), "{name}");
        other.hears(name).await;
        let presence = one.broker.enter(room, &user("alice"), 10).await.expect("entered");
        assert_eq!((presence.count, presence.changed), (1, true), "{name}");
    }
    let (rooms, _) = other.broker.list(Box::new(|_| true), 100).await.expect("a list");
    assert_eq!(rooms.len(), names.len());
    assert!(rooms.iter().all(|of| of.member_count == 1 && of.position.seq() == Seq::new(1)), "{rooms:?}");
    let told = other.heard.until(|heard| joined(heard).len() == names.len()).await;
    let rooms: Vec<_> = joined(&told).into_iter().map(|joined| joined.room).collect();
    assert!(names.values().all(|room| rooms.contains(room)), "{rooms:?}");
}

/// Who came, among what was heard.
fn joined(heard: &[Heard]) -> Vec<Joined> {
    let signals = heard.iter().filter_map(|heard| match heard {
        Heard::Signal(_, signal) if signal.skip != Skip::Nobody => codec::decode_server(&signal.json).ok(),
        _ => None,
    });
    let came = signals.filter_map(|frame| match frame.event {
        ServerEvent::System(SystemEvent::Joined(joined)) => Some(joined),
        _ => None,
    });
    came.collect()
}
