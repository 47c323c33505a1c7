//! Replay: the entries that a joiner with a position receives, and the live frames after them.

use std::sync::Barrier;
use std::thread;

use realtime_shared::{Epoch, Recovery};

use super::*;
use crate::broker::Page;
use crate::broker::steered::Method;

/// Joins with a position. Returns the recovery, and the frames received.
async fn rejoin_late(registry: &Arc<Registry>, since: &Position) -> (Recovery, Vec<String>) {
    let mut client = RoomClient::connect(registry, "late").await;
    let joined = client.join("a", Some(since)).await;
    let seen = client.read().await;
    client.leave().await;
    (joined.recovery.expect("asked for"), seen)
}

fn messages(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("writer: hello #{number}")).collect()
}

#[tokio::test]
async fn a_cold_join_reads_the_store_once() {
    let mut config = config();
    config.retain.messages = Some(60);
    let (registry, steering) = steered_registry(config);
    let receipts = fill(&registry, "a", 100).await;
    // Position 70 is in the store. Position 20 is not, because retention has dropped it.
    for (seq, recovery) in
        [(70, Recovery::Complete { replayed: 30 }), (20, Recovery::Truncated { replayed: 60 })]
    {
        let mut client = RoomClient::connect(&registry, "late").await;
        steering.calls(&[]);
        let joined = client.join("a", Some(&position_of(&receipts[seq - 1]))).await;
        assert_eq!(joined.recovery, Some(recovery));
        let calls = steering.calls(&[Method::Open, Method::Enter, Method::Members, Method::History]);
        assert_eq!(calls, [Method::Open, Method::Enter, Method::History], "position {seq}");
        client.leave().await;
    }
}

#[tokio::test]
async fn a_join_to_an_open_ring_asks_the_engine_only_about_an_unknown_position() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let (registry, steering) = steered_registry(config);
    let _watcher = RoomClient::joined(&registry, "watcher", "a").await;
    let receipts = fill(&registry, "a", 5).await;
    let beyond = Position::At { epoch: receipts[0].epoch.clone(), seq: Seq::new(6), id: other_id() };
    for (since, calls) in [
        (position_of(&receipts[1]), vec![Method::Enter]),
        (position_of(&receipts[4]), vec![Method::Enter]),
        (beyond, vec![Method::CatchUp, Method::Enter]),
    ] {
        let mut client = RoomClient::connect(&registry, "late").await;
        steering.calls(&[]);
        client.join("a", Some(&since)).await;
        let made = steering.calls(&[Method::CatchUp, Method::Enter, Method::Members, Method::History]);
        assert_eq!(made, calls, "{since:?}");
        client.leave().await;
    }
}

#[tokio::test]
async fn each_position_gets_its_recovery() {
    let mut config = config();
    config.replay_limit = 50;
    config.retain.messages = Some(60);
    let registry = registry(config);
    // A member keeps the room open, so that the ring has the newest entries.
    let watcher = RoomClient::joined(&registry, "watcher", "a").await;
    let receipts = fill(&registry, "a", 100).await;
    let at = |seq: usize| position_of(&receipts[seq - 1]);
    let forged =
        |seq: u64| Position::At { epoch: receipts[0].epoch.clone(), seq: Seq::new(seq), id: other_id() };
    let elsewhere = |seq: usize| {
        let receipt = receipts[seq - 1].clone();
        position_of(&Receipt { epoch: Epoch::new("elsewhere").expect("an epoch"), ..receipt })
    };
    let ring = watcher.seat.as_ref().expect("in a room").0.oldest();
    assert!((55..99).contains(&ring.get()), "{ring}: the cases cover the ring and the store");
    let (complete, truncated, reset) = (
        |replayed| Recovery::Complete { replayed },
        |replayed| Recovery::Truncated { replayed },
        |replayed| Recovery::Reset { replayed },
    );
    for (since, recovery) in [
        (at(100), complete(0)),
        (at(99), complete(1)),
        (at(52), complete(48)),
        (at(50), complete(50)),
        (at(49), truncated(50)),
        (at(5), truncated(50)),
        (Position::Start, truncated(50)),
        (forged(100), reset(50)),
        (forged(99), reset(50)),
        (forged(53), reset(50)),
        (forged(101), reset(50)),
        (forged(u64::MAX), reset(50)),
        (elsewhere(100), reset(50)),
        (elsewhere(53), reset(50)),
    ] {
        let expected = messages(101 - recovery.replayed()..=100);
        assert_eq!(rejoin_late(&registry, &since).await, (recovery, expected), "{since:?}");
    }
}

#[tokio::test]
async fn a_replay_that_retention_shortened_is_truncated() {
    let mut config = config();
    config.retain.messages = Some(20);
    let registry = registry(config);
    let receipts = fill(&registry, "a", 40).await;
    for (since, recovery) in [
        (position_of(&receipts[20]), Recovery::Complete { replayed: 19 }),
        (position_of(&receipts[18]), Recovery::Truncated { replayed: 20 }),
        (Position::Start, Recovery::Truncated { replayed: 20 }),
    ] {
        let expected = messages(41 - recovery.replayed()..=40);
        assert_eq!(rejoin_late(&registry, &since).await, (recovery, expected), "{since:?}");
    }
}

#[tokio::test]
async fn a_room_without_entries_has_nothing_to_replay() {
    let registry = registry(config());
    let (recovery, seen) = rejoin_late(&registry, &Position::Start).await;
    assert_eq!((recovery, seen.len()), (Recovery::Complete { replayed: 0 }, 0));
    let elsewhere = Epoch::new("elsewhere").expect("an epoch");
    let since = Position::At { epoch: elsewhere, seq: Seq::new(3), id: other_id() };
    let (recovery, seen) = rejoin_late(&registry, &since).await;
    assert_eq!((recovery, seen.len()), (Recovery::Reset { replayed: 0 }, 0));
}

#[tokio::test]
async fn a_replay_is_followed_by_the_frames_since_the_join() {
    for replayed in [1, 3, 40] {
        let registry = registry(config());
        let alice = RoomClient::joined(&registry, "alice", "a").await;
        let receipts = fill(&registry, "a", 40).await;
        let since = if replayed == 40 { Position::Start } else { position_of(&receipts[39 - replayed]) };
        let mut bob = RoomClient::connect(&registry, "bob").await;
        bob.join("a", Some(&since)).await;
        let _carol = RoomClient::joined(&registry, "carol", "a").await;
        alice.post("a", "live").await;
        alice.send_typing("a");
        let mut expected = messages(41 - replayed as u64..=40);
        expected.extend(["carol joined (3)", "alice: live #41", "alice types"].map(str::to_owned));
        assert_eq!(bob.read().await, expected, "{replayed} replayed");
    }
}

#[tokio::test]
async fn signals_from_before_the_join_are_not_replayed() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let registry = registry(config);
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    fill(&registry, "a", 2).await;
    alice.send_typing("a");
    let mut bob = RoomClient::connect(&registry, "bob").await;
    bob.join("a", Some(&Position::Start)).await;
    assert_eq!(bob.read().await, messages(1..=2));
    alice.send_typing("a");
    assert_eq!(bob.read().await, ["alice types"]);
    let joined = bob.rejoin(Some(&Position::Start)).await;
    assert_eq!(joined.recovery, Some(Recovery::Complete { replayed: 2 }));
    assert_eq!(bob.read().await, messages(1..=2));
}

#[tokio::test]
async fn replayed_entries_are_counted_apart_from_deliveries() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 3).await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    bob.join("a", Some(&position_of(&receipts[0]))).await;
    fill(&registry, "a", 2).await;
    // One read returns replayed and live entries.
    assert_eq!(bob.read_by(10_000).await, messages(2..=5));
    assert_metric(&registry.metrics, "realtime_replayed_entries_total", 2);
    assert_metric(&registry.metrics, "realtime_deliveries_total", 4);
}

#[tokio::test]
async fn entries_replayed_from_the_store_are_counted() {
    let registry = registry(config());
    fill(&registry, "a", 3).await;
    let (_, seen) = rejoin_late(&registry, &Position::Start).await;
    assert_eq!(seen, messages(1..=3));
    assert_metric(&registry.metrics, "realtime_replayed_entries_total", 3);
    assert_metric(&registry.metrics, "realtime_deliveries_total", 3);
}

#[tokio::test]
async fn a_reader_whose_frames_were_trimmed_from_the_ring_is_overtaken() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 40).await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    bob.join("a", Some(&position_of(&receipts[9]))).await;
    assert_eq!(bob.read().await, messages(11..=40));
    fill(&registry, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    assert!(room.pull(cursor, &bob.mailbox, None, &mut Vec::new(), 100).is_err());
}

/// The signals since the join are in the ring only.
#[tokio::test]
async fn a_reader_in_the_store_is_overtaken_when_the_ring_loses_its_join_offset() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 40).await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    bob.join("a", Some(&position_of(&receipts[9]))).await;
    fill(&registry, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    let mut seen = Vec::new();
    let pulled = room.pull(cursor, &bob.mailbox, None, &mut seen, 100);
    assert_eq!(pulled, Ok(Pulled::FromStore(Seq::new(10))), "stored entries are still read");
    let page = registry.page_after(&room.name, Seq::new(10)).await.expect("a page");
    cursor.take_page(&page, &bob.mailbox, &mut seen).expect("contiguous entries");
    assert_eq!(summaries(&seen), messages(11..=40));
    assert!(room.pull(cursor, &bob.mailbox, None, &mut Vec::new(), 100).is_err());
}

#[tokio::test]
async fn a_reader_whose_entries_were_dropped_by_the_store_is_overtaken() {
    let mut config = config();
    config.retain.messages = Some(20);
    let registry = registry(config);
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 200).await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    bob.join("a", Some(&position_of(&receipts[189]))).await;
    let (room, _, mut cursor) = bob.seat.take().expect("in a room");
    fill(&registry, "a", 300).await;
    let pulled = room.pull(&mut cursor, &bob.mailbox, None, &mut Vec::new(), 100);
    assert_eq!(pulled, Ok(Pulled::FromStore(Seq::new(190))));
    let page = registry.page_after(&room.name, Seq::new(190)).await.expect("a page");
    assert_eq!(page.entries[0].seq, Seq::new(481));
    assert!(
        cursor.take_page(&page, &bob.mailbox, &mut Vec::new()).is_err(),
        "the page does not begin with the next entry"
    );
    let nothing = Page { entries: Vec::new(), ..page };
    assert!(cursor.take_page(&nothing, &bob.mailbox, &mut Vec::new()).is_err());
}

/// Joins with positions at many distances from the head, while other threads post. Each client receives a contiguous
/// run of entries.
#[test]
fn joiners_receive_contiguous_entries_during_concurrent_posts() {
    const WRITERS: usize = 4;
    const MESSAGES: u64 = 400;
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    // No entry is dropped, because a joiner that is slower than the writers would be overtaken.
    config.retain.messages = Some(10_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let registry = registry(config);
    let receipts = runtime.block_on(fill(&registry, "a", 300));
    let _watcher = runtime.block_on(RoomClient::joined(&registry, "watcher", "a"));
    let start = Barrier::new(WRITERS + 1);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            let (registry, start) = (&registry, &start);
            scope.spawn(move || {
                start.wait();
                let here = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                here.block_on(fill(registry, "a", MESSAGES));
            });
        }
        start.wait();
        runtime.block_on(async {
            for distance in (0..300).step_by(5) {
                let since = position_of(&receipts[distance]);
                let mut client = RoomClient::connect(&registry, "late").await;
                let joined = client.join("a", Some(&since)).await;
                let recovery = joined.recovery.expect("asked for");
                let head = joined.position.expect("a joined has a position").seq().get();
                let seen = client.read_by(4_096).await;
                let first = head - recovery.replayed() + 1;
                assert!(seen.len() as u64 >= recovery.replayed());
                assert_eq!(seen, messages(first..first + seen.len() as u64));
                if let Recovery::Complete { .. } = recovery {
                    assert_eq!(first, distance as u64 + 2);
                }
                client.leave().await;
            }
        });
    });
}
