//! What a joiner gets of what it missed, and what comes after.

use std::sync::Barrier;
use std::thread;

use realtime_shared::{Epoch, Recovery};

use super::*;
use crate::broker::Page;
use crate::broker::steered::Method;

/// How a joiner is received, and what it then sees.
async fn come_back(house: &Arc<Registry>, since: &Position) -> (Recovery, Vec<String>) {
    let mut client = Client::connect(house, "late").await;
    let joined = client.join("a", Some(since)).await;
    let seen = client.read().await;
    client.leave().await;
    (joined.recovery.expect("asked for"), seen)
}

fn said(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("writer: hello #{number}")).collect()
}

#[tokio::test]
async fn a_cold_join_reads_the_store_once() {
    let mut config = config();
    config.retain.messages = Some(60);
    let (house, steering) = steered(config);
    let receipts = fill(&house, "a", 100).await;
    // Position 70 is in the store. Position 20 is not, because retention has dropped it.
    for (seq, recovery) in
        [(70, Recovery::Complete { replayed: 30 }), (20, Recovery::Truncated { replayed: 60 })]
    {
        let mut client = Client::connect(&house, "late").await;
        steering.calls(&[]);
        let joined = client.join("a", Some(&after(&receipts[seq - 1]))).await;
        assert_eq!(joined.recovery, Some(recovery));
        let calls = steering.calls(&[Method::Open, Method::Enter, Method::Members, Method::History]);
        assert_eq!(calls, [Method::Open, Method::Enter, Method::History], "position {seq}");
        client.leave().await;
    }
}

#[tokio::test]
async fn every_position_is_recovered_as_it_stands() {
    let mut config = config();
    config.replay_limit = 50;
    config.retain.messages = Some(60);
    let house = house(config);
    // Somebody is there, so that the ring has the newest ones.
    let watcher = Client::joined(&house, "watcher", "a").await;
    let receipts = fill(&house, "a", 100).await;
    let at = |seq: usize| after(&receipts[seq - 1]);
    let forged =
        |seq: u64| Position::At { epoch: receipts[0].epoch.clone(), seq: Seq::new(seq), id: strange_id() };
    let elsewhere = |seq: usize| {
        let receipt = receipts[seq - 1].clone();
        after(&Receipt { epoch: Epoch::new("elsewhere").expect("an epoch"), ..receipt })
    };
    let ring = watcher.seat.as_ref().expect("in a room").0.oldest();
    assert!((55..99).contains(&ring.get()), "{ring}: some of these cases are in the ring, and some are not");
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
        let expected = said(101 - recovery.replayed()..=100);
        assert_eq!(come_back(&house, &since).await, (recovery, expected), "{since:?}");
    }
}

#[tokio::test]
async fn what_the_store_has_lost_is_not_said_to_be_complete() {
    let mut config = config();
    config.retain.messages = Some(20);
    let house = house(config);
    let receipts = fill(&house, "a", 40).await;
    for (since, recovery) in [
        (after(&receipts[20]), Recovery::Complete { replayed: 19 }),
        (after(&receipts[18]), Recovery::Truncated { replayed: 20 }),
        (Position::Start, Recovery::Truncated { replayed: 20 }),
    ] {
        let expected = said(41 - recovery.replayed()..=40);
        assert_eq!(come_back(&house, &since).await, (recovery, expected), "{since:?}");
    }
}

#[tokio::test]
async fn a_room_without_entries_has_nothing_to_replay() {
    let house = house(config());
    let (recovery, seen) = come_back(&house, &Position::Start).await;
    assert_eq!((recovery, seen.len()), (Recovery::Complete { replayed: 0 }, 0));
    let elsewhere = Epoch::new("elsewhere").expect("an epoch");
    let since = Position::At { epoch: elsewhere, seq: Seq::new(3), id: strange_id() };
    let (recovery, seen) = come_back(&house, &since).await;
    assert_eq!((recovery, seen.len()), (Recovery::Reset { replayed: 0 }, 0));
}

#[tokio::test]
async fn the_past_then_everything_that_came_meanwhile() {
    for replayed in [1, 3, 40] {
        let house = house(config());
        let alice = Client::joined(&house, "alice", "a").await;
        let receipts = fill(&house, "a", 40).await;
        let since = if replayed == 40 { Position::Start } else { after(&receipts[39 - replayed]) };
        let mut bob = Client::connect(&house, "bob").await;
        bob.join("a", Some(&since)).await;
        let _carol = Client::joined(&house, "carol", "a").await;
        alice.say("a", "live").await;
        alice.types("a");
        let mut expected = said(41 - replayed as u64..=40);
        expected.extend(["carol joined (3)", "alice: live #41", "alice types"].map(str::to_owned));
        assert_eq!(bob.read().await, expected, "{replayed} replayed");
    }
}

#[tokio::test]
async fn what_was_only_shown_before_is_not_replayed() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let house = house(config);
    let alice = Client::joined(&house, "alice", "a").await;
    fill(&house, "a", 2).await;
    alice.types("a");
    let mut bob = Client::connect(&house, "bob").await;
    bob.join("a", Some(&Position::Start)).await;
    assert_eq!(bob.read().await, said(1..=2));
    alice.types("a");
    assert_eq!(bob.read().await, ["alice types"]);
    let joined = bob.rejoin(Some(&Position::Start)).await;
    assert_eq!(joined.recovery, Some(Recovery::Complete { replayed: 2 }));
    assert_eq!(bob.read().await, said(1..=2));
}

#[tokio::test]
async fn what_was_missed_is_counted_apart_from_what_is_live() {
    let house = house(config());
    let _alice = Client::joined(&house, "alice", "a").await;
    let receipts = fill(&house, "a", 3).await;
    let mut bob = Client::connect(&house, "bob").await;
    bob.join("a", Some(&after(&receipts[0]))).await;
    fill(&house, "a", 2).await;
    // All of it comes in one go.
    assert_eq!(bob.read_by(10_000).await, said(2..=5));
    counted(&house.metrics, "realtime_replayed_entries_total", 2);
    counted(&house.metrics, "realtime_deliveries_total", 4);
}

#[tokio::test]
async fn a_reader_that_the_ring_leaves_behind_is_overtaken() {
    let house = house(config());
    let _alice = Client::joined(&house, "alice", "a").await;
    let receipts = fill(&house, "a", 40).await;
    let mut bob = Client::connect(&house, "bob").await;
    bob.join("a", Some(&after(&receipts[9]))).await;
    assert_eq!(bob.read().await, said(11..=40));
    fill(&house, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    assert!(room.pull(cursor, &bob.mailbox, None, &mut Vec::new(), 100).is_err());
}

/// What was shown since it came, and is not stored, is nowhere else.
#[tokio::test]
async fn a_reader_in_the_store_whose_ring_moves_on_is_overtaken() {
    let house = house(config());
    let _alice = Client::joined(&house, "alice", "a").await;
    let receipts = fill(&house, "a", 40).await;
    let mut bob = Client::connect(&house, "bob").await;
    bob.join("a", Some(&after(&receipts[9]))).await;
    fill(&house, "a", 60).await;
    let (room, _, cursor) = bob.seat.as_mut().expect("in a room");
    let mut seen = Vec::new();
    let pulled = room.pull(cursor, &bob.mailbox, None, &mut seen, 100);
    assert_eq!(pulled, Ok(Pulled::FromStore(Seq::new(10))), "what is stored is still read");
    let page = house.page_after(&room.name, Seq::new(10)).await.expect("a page");
    cursor.take_page(&page, &bob.mailbox, &mut seen).expect("a run");
    assert_eq!(texts(&seen), said(11..=40));
    assert!(room.pull(cursor, &bob.mailbox, None, &mut Vec::new(), 100).is_err());
}

#[tokio::test]
async fn a_reader_that_the_store_leaves_behind_is_overtaken() {
    let mut config = config();
    config.retain.messages = Some(20);
    let house = house(config);
    let _alice = Client::joined(&house, "alice", "a").await;
    let receipts = fill(&house, "a", 200).await;
    let mut bob = Client::connect(&house, "bob").await;
    bob.join("a", Some(&after(&receipts[189]))).await;
    let (room, _, mut cursor) = bob.seat.take().expect("in a room");
    fill(&house, "a", 300).await;
    let pulled = room.pull(&mut cursor, &bob.mailbox, None, &mut Vec::new(), 100);
    assert_eq!(pulled, Ok(Pulled::FromStore(Seq::new(190))));
    let page = house.page_after(&room.name, Seq::new(190)).await.expect("a page");
    assert_eq!(page.entries[0].seq, Seq::new(481));
    assert!(cursor.take_page(&page, &bob.mailbox, &mut Vec::new()).is_err(), "a hole is never passed over");
    let nothing = Page { entries: Vec::new(), ..page };
    assert!(cursor.take_page(&nothing, &bob.mailbox, &mut Vec::new()).is_err());
}

/// Joins at every distance while others write: each view is a run of the log from where it began, without a hole.
#[test]
fn joiners_see_a_run_of_the_log_whoever_writes() {
    const WRITERS: usize = 4;
    const MESSAGES: u64 = 400;
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    // All of it: a joiner that is slower than the writers would rightly be told that what is next was dropped.
    config.retain.messages = Some(10_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let house = house(config);
    let receipts = runtime.block_on(fill(&house, "a", 300));
    let _watcher = runtime.block_on(Client::joined(&house, "watcher", "a"));
    let start = Barrier::new(WRITERS + 1);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            let (house, start) = (&house, &start);
            scope.spawn(move || {
                start.wait();
                let here = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                here.block_on(fill(house, "a", MESSAGES));
            });
        }
        start.wait();
        runtime.block_on(async {
            for distance in (0..300).step_by(5) {
                let since = after(&receipts[distance]);
                let mut client = Client::connect(&house, "late").await;
                let joined = client.join("a", Some(&since)).await;
                let recovery = joined.recovery.expect("asked for");
                let head = joined.position.expect("the joiner is told").seq().get();
                let seen = client.read_by(4_096).await;
                let first = head - recovery.replayed() + 1;
                assert!(seen.len() as u64 >= recovery.replayed());
                assert_eq!(seen, said(first..first + seen.len() as u64));
                if let Recovery::Complete { .. } = recovery {
                    assert_eq!(first, distance as u64 + 2);
                }
                client.leave().await;
            }
        });
    });
}
