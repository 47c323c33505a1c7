//! Rooms that the engine removes, and users who join meanwhile or return later.

use std::sync::atomic::{AtomicU64, Ordering};

use realtime_shared::Timestamp;

use super::*;

const DAY: Duration = Duration::from_hours(24);

/// A registry whose rooms have a retention of an hour, its engine, and the milliseconds of its clock.
fn registry_with_clock() -> (Arc<Registry>, Arc<MemoryBroker>, Arc<Steering>, Arc<AtomicU64>) {
    let (millis, steering) = (Arc::new(AtomicU64::new(1_000)), Arc::<Steering>::default());
    let now = millis.clone();
    let mut config = config();
    config.clock = Clock::from_fn(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
    config.retain.age = Some(Duration::from_hours(1));
    let (config, mut engine) = (Arc::new(config), None);
    let registry = Registry::new(config.clone(), metrics(), |feed| {
        let broker = SteeredBroker::new(feed, &config, steering.clone());
        engine = Some(broker.inner());
        Arc::new(broker)
    });
    tokio::spawn(registry.flush(0));
    tokio::spawn(registry.clone().run_maintenance());
    (registry, engine.expect("an engine"), steering, millis)
}

fn advance(millis: &AtomicU64, time: Duration) {
    millis.fetch_add(u64::try_from(time.as_millis()).expect("short"), Ordering::SeqCst);
}

#[tokio::test]
async fn a_position_in_a_removed_room_gets_reset() {
    let (registry, engine, _, millis) = registry_with_clock();
    let mut client = RoomClient::joined(&registry, "alice", "a").await;
    let old = position_of(&client.post("a", "old").await);
    client.leave().await;
    advance(&millis, DAY + Duration::from_millis(1));
    engine.sweep();

    // Before the room is founded anew, and after it.
    let joined = client.join("a", Some(&old)).await;
    assert_eq!(
        (joined.position, joined.recovery),
        (Some(Position::Start), Some(Recovery::Reset { replayed: 0 }))
    );
    let first = post(&registry, "bob", "a", "new").await;
    assert_ne!(Some(&first.epoch), old.epoch());
    assert_eq!(client.read().await, ["bob: new #1"]);
    client.leave().await;
    let joined = client.join("a", Some(&old)).await;
    assert_eq!(joined.position, Some(position_of(&first)));
    assert_eq!(joined.recovery, Some(Recovery::Reset { replayed: 1 }));
    assert_eq!(client.read().await, ["bob: new #1"]);
}

#[tokio::test]
async fn a_room_stays_if_a_user_joins_during_a_sweep() {
    let (registry, engine, steering, millis) = registry_with_clock();
    let old = position_of(&post(&registry, "bob", "a", "old").await);
    advance(&millis, DAY + Duration::from_millis(1));
    let mut client = RoomClient::connect(&registry, "alice").await;
    let sweeping = engine.clone();
    steering.on_open(move || sweeping.sweep());
    let joined = client.join("a", Some(&old)).await;
    assert_eq!(joined.position, Some(old.clone()));
    assert_eq!(joined.recovery, Some(Recovery::Complete { replayed: 0 }));
    let next = post(&registry, "bob", "a", "next").await;
    assert_eq!((Some(&next.epoch), next.seq), (old.epoch(), Seq::new(2)));
    assert_eq!(client.read().await, ["bob: next #2"]);
}

#[tokio::test]
async fn a_room_stays_during_a_leave_grace() {
    let (registry, engine, _, millis) = registry_with_clock();
    let client = RoomClient::joined(&registry, "alice", "a").await;
    let old = position_of(&client.post("a", "old").await);
    client.lose();
    advance(&millis, DAY + Duration::from_millis(1));
    engine.sweep();
    let next = post(&registry, "bob", "a", "next").await;
    assert_eq!((Some(&next.epoch), next.seq), (old.epoch(), Seq::new(2)));
}
