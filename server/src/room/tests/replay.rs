//! Replay: the entries that a joiner with a position receives, and the live frames after them.

use std::sync::Barrier;
use std::thread;

use realtime_shared::{Epoch, Recovery};

use super::*;
use crate::broker::steered::Method;
use crate::broker::{Entry, Page};

/// Joins with a position. Returns the recovery, and the frames received.
async fn rejoin_late(registry: &Arc<Registry>, since: &Position) -> (Recovery, Vec<String>) {
    let mut client = RoomClient::connect(registry, "late").await;
    let joined = client.join("a", Some(since)).await;
    let seen = client.read().await;
    client.leave().await;
    (joined.recovery.expect("asked for"), seen)
}

pub(super) fn messages(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
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

/// Appends short frames to a list of expected ones.
fn then(mut before: Vec<String>, after: &[&str]) -> Vec<String> {
    before.extend(after.iter().map(|&frame| frame.to_owned()));
    before
}

#[tokio::test]
async fn a_reader_behind_the_ring_continues_from_the_store_and_receives_the_members() {
    let registry = registry(config());
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 3).await;
    assert_eq!(bob.read().await, messages(1..=3));
    alice.send_typing("a");
    alice.send_typing("a");
    let _carol = RoomClient::joined(&registry, "carol", "a").await;
    fill(&registry, "a", 60).await;
    assert_eq!(bob.read().await, then(messages(4..=63), &["members 3"]), "signals are lost, entries are not");
    assert_metric(&registry.metrics, "realtime_readers_behind_total", 1);
    assert_metric(&registry.metrics, "realtime_drops_total{reason=\"slow_reader\"}", 3);
    assert_metric(&registry.metrics, "realtime_deliveries_total", 63);
    // Bob is live again.
    alice.send_typing("a");
    alice.post("a", "live").await;
    assert_eq!(bob.read().await, ["alice types", "alice: live #64"]);
    assert_metric(&registry.metrics, "realtime_readers_behind_total", 1);
}

#[tokio::test]
async fn a_reader_that_only_lost_signals_receives_the_members() {
    let registry = registry(config());
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 1).await;
    assert_eq!(bob.read().await, messages([1]));
    for _ in 0..100 {
        alice.send_typing("a");
    }
    assert_eq!(bob.read().await, ["members 2"]);
    assert_metric(&registry.metrics, "realtime_drops_total{reason=\"slow_reader\"}", 100);
}

#[tokio::test]
async fn a_reader_behind_the_ring_reads_the_members_again_if_later_signals_were_trimmed() {
    let registry = registry(config());
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    let type_often = || (0..100).for_each(|_| alice.send_typing("a"));
    type_often();
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    let pulled = room.pull(cursor, &bob.mailbox, None, &mut Vec::new(), 100);
    assert_eq!(pulled, Ok(Pulled::InRing));
    let read = registry.store_reads.members(room, &bob.mailbox.user).await.expect("available");
    let StoreRead::Members(_, arrival) = read else { panic!("no members") };
    // Carol's join is announced after the members were read, and leaves the ring.
    let _carol = RoomClient::joined(&registry, "carol", "a").await;
    type_often();
    assert!(!room.return_to_ring(cursor, arrival, &bob.mailbox), "a join is lost");
    assert_eq!(bob.read().await, ["members 3"]);
}

#[tokio::test]
async fn a_joiner_in_the_store_continues_there_if_the_ring_loses_its_join_offset() {
    let registry = registry(config());
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 40).await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    bob.join("a", Some(&position_of(&receipts[9]))).await;
    alice.send_typing("a");
    fill(&registry, "a", 60).await;
    assert_eq!(bob.read().await, then(messages(11..=100), &["members 2"]));
    // Bob's own join is among the signals that he passed over.
    assert_metric(&registry.metrics, "realtime_drops_total{reason=\"slow_reader\"}", 2);
}

#[tokio::test]
async fn a_reader_whose_entries_were_dropped_by_the_store_is_told_so() {
    let mut config = config();
    config.retain.messages = Some(20);
    let registry = registry(config);
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 200).await;
    // A joiner in the store, and a member in the ring.
    let mut joiner = RoomClient::connect(&registry, "joiner").await;
    joiner.join("a", Some(&position_of(&receipts[189]))).await;
    let mut member = RoomClient::joined(&registry, "member", "a").await;
    fill(&registry, "a", 300).await;
    // The ring holds what is left.
    let mut expected = vec!["resync truncated to #500, 20 replayed".to_owned(), "members 3".to_owned()];
    expected.extend(messages(481..=500));
    assert_eq!(joiner.read().await, expected);
    assert_eq!(member.read().await, expected);
    let truncated = "realtime_replays_total{status=\"truncated\"}";
    assert_metric(&registry.metrics, truncated, 2);
    fill(&registry, "a", 1).await;
    assert_eq!(member.read().await, messages([501]));
}

#[tokio::test]
async fn an_empty_page_moves_a_reader_to_the_head() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    let mut out = Vec::new();
    let pulled = room.pull(cursor, &bob.mailbox, None, &mut out, 100);
    assert_eq!(pulled, Ok(Pulled::FromStore(Seq::ZERO)));
    let nothing = Page { epoch: None, entries: Vec::new(), has_more: false };
    room.take_page(cursor, &nothing, None, &bob.mailbox, &mut out).expect("the log is the same");
    assert_eq!(summaries(&out), ["resync truncated to #60, 0 replayed"]);
    assert_eq!(bob.read().await, ["members 2"]);
}

/// An engine can have stored entries, of another instance perhaps, that it has not announced.
#[tokio::test]
async fn a_reader_behind_the_ring_takes_no_entry_beyond_the_head_of_the_ring() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    let receipts = fill(&registry, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    let Ok(StoreRead::Page(page, ..)) = registry.store_reads.page(room, &bob.mailbox.user, Seq::ZERO).await
    else {
        panic!("a page")
    };
    let mut page = Page::clone(&page);
    let next = Entry { seq: Seq::new(61), ..page.entries[59].clone() };
    page.entries.push(next);
    let mut out = Vec::new();
    assert_eq!(room.pull(cursor, &bob.mailbox, None, &mut out, 100), Ok(Pulled::FromStore(Seq::ZERO)));
    room.take_page(cursor, &page, None, &bob.mailbox, &mut out).expect("the log is the same");
    assert_eq!(summaries(&out), messages(1..=60));
    assert_eq!(receipts.len(), 60);
    assert_eq!(bob.read().await, ["members 2"], "nothing is lost");
}

#[tokio::test]
async fn a_reader_behind_the_ring_stops_at_the_end_that_it_is_given() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 60).await;
    let (room, seat, mut cursor) = bob.seat.take().expect("in a room");
    let (until, _) = registry.leave(&bob.mailbox, &room, seat, LeaveReason::Left).await.expect("left");
    assert_eq!(until.head, Seq::new(60));
    fill(&registry, "a", 60).await;
    let mut out = Vec::new();
    while let Pulled::FromStore(after) =
        room.pull(&mut cursor, &bob.mailbox, Some(until), &mut out, 100).expect("not overtaken")
    {
        let Ok(StoreRead::Page(page, ..)) = registry.store_reads.page(&room, &bob.mailbox.user, after).await
        else {
            panic!("a page")
        };
        room.take_page(&mut cursor, &page, Some(until), &bob.mailbox, &mut out).expect("the log is the same");
    }
    assert_eq!(summaries(&out), messages(1..=60));
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

#[tokio::test]
async fn a_user_holds_a_limited_number_of_pages() {
    let registry = registry(config());
    fill(&registry, "a", 3).await;
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let (room, ..) = alice.seat.as_ref().expect("in a room");
    let (alice, bob) = (user("alice"), user("bob"));
    let mut pages = Vec::new();
    for _ in 0..8 {
        pages.push(registry.store_reads.page(room, &alice, Seq::ZERO).await.expect("a page"));
    }
    let ninth = registry.store_reads.page(room, &alice, Seq::ZERO);
    let mut ninth = std::pin::pin!(ninth);
    let waits = poll_fn(|cx| Poll::Ready(ninth.as_mut().poll(cx).is_pending())).await;
    assert!(waits, "the user has eight pages");
    registry.store_reads.page(room, &bob, Seq::ZERO).await.expect("a page of another user");
    pages.pop();
    assert!(matches!(ninth.await, Ok(StoreRead::Page(..))), "one was written");
}
