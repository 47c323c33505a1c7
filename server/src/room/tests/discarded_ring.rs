//! Rings that were discarded because an entry did not follow, and positions beyond the head.

use realtime_shared::{Epoch, Recovery};

use super::*;
use crate::broker::steered::Method;
use crate::broker::{Entry, Feed, Unavailable};
use crate::room::recovery::{JoinPoint, PositionStatus};
use crate::room::{EARLY_ENTRIES, Overtaken};

/// An entry that does not follow any log of these tests.
fn unrelated_entry() -> (Epoch, Entry) {
    let entry = Entry { seq: Seq::new(9), id: other_id(), json: "{}".into() };
    (Epoch::new("unrelated").expect("an epoch"), entry)
}

#[tokio::test]
async fn a_join_opens_the_room_again_if_the_ring_is_discarded_meanwhile() {
    for since in [None, Some(2)] {
        let (registry, broker) = steered_registry(config());
        let receipts = fill(&registry, "a", 3).await;
        let feed = registry.clone();
        broker.on_open(move || {
            let (epoch, entry) = unrelated_entry();
            feed.entry(&room("a"), &epoch, &entry);
        });
        let mut alice = RoomClient::connect(&registry, "alice").await;
        let since = since.map(|seq: usize| position_of(&receipts[seq - 1]));
        let joined = alice.join("a", since.as_ref()).await;
        assert_eq!(joined.position, Some(position_of(&receipts[2])));
        assert_eq!(joined.recovery, since.is_some().then_some(Recovery::Complete { replayed: 1 }));
        assert_eq!(broker.calls(&[Method::Open, Method::Enter]), [Method::Open, Method::Open, Method::Enter]);
        alice.post("a", "live").await;
        assert_eq!(alice.read().await.last().map(String::as_str), Some("alice: live #4"));
        assert!(alice.mailbox.take().is_none(), "the joiner is not closed");
    }
}

#[tokio::test]
async fn a_rejoin_fails_after_the_ring_was_discarded() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 3).await;
    let (epoch, entry) = unrelated_entry();
    registry.entry(&room("a"), &epoch, &entry);
    let (alices_room, _, _) = alice.seat.as_ref().expect("in a room");
    for since in [None, Some(position_of(&receipts[1]))] {
        let joined =
            registry.rejoin(&alice.mailbox, alices_room, since.as_ref()).await.map(|(_, joined)| joined);
        assert_eq!(joined, Err(Unavailable), "{since:?}");
    }
    assert_eq!(alice.mailbox.take().expect("a close").close, Some(CloseCode::Internal));
    // The next join opens the room again.
    let mut bob = RoomClient::connect(&registry, "bob").await;
    let joined = bob.join("a", Some(&position_of(&receipts[1]))).await;
    assert_eq!(joined.recovery, Some(Recovery::Complete { replayed: 1 }));
    alice.seat = None;
}

#[tokio::test]
async fn a_position_beyond_the_head_is_reset() {
    let registry = registry(config());
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let receipts = fill(&registry, "a", 5).await;
    let (alices_room, _, _) = alice.seat.as_ref().expect("in a room");
    for status in [PositionStatus::Past, PositionStatus::Old, PositionStatus::Foreign] {
        let join_point = JoinPoint { end: 0, signals: 0, head: position_of(&receipts[2]), status };
        let recovered = registry.recovery(alices_room, &join_point, &position_of(&receipts[3])).await;
        assert_eq!(recovered, Ok((Seq::ZERO, Recovery::Reset { replayed: 3 })), "{status:?}");
    }
}

#[tokio::test]
async fn a_cursor_into_a_discarded_ring_is_overtaken_in_the_next_one() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let registry = registry(config);
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    fill(&registry, "a", 3).await;
    alice.read().await;
    let (epoch, entry) = unrelated_entry();
    registry.entry(&room("a"), &epoch, &entry);
    let _bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 10).await;
    let (room, _, cursor) = alice.seat.as_mut().expect("in a room");
    let mut seen = Vec::new();
    let pulled = room.pull(cursor, &alice.mailbox, None, &mut seen, 10_000);
    assert_eq!((pulled, seen.len()), (Err(Overtaken), 0));
}

/// The members whose connections were closed keep the room in the table for their leave grace.
#[tokio::test]
async fn entries_without_a_ring_take_no_space_from_those_of_the_next_opening() {
    let (registry, broker) = steered_registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let (epoch, entry) = unrelated_entry();
    registry.entry(&room("a"), &epoch, &entry);
    let stored = fill(&registry, "a", EARLY_ENTRIES as u64 + 1).await;
    assert_metric(&registry.metrics, r#"realtime_drops_total{reason="early_entry_limit"}"#, 0);

    let (writer, text) = (registry.clone(), Text::new("early").expect("a text"));
    broker.on_open(move || {
        let post = Post::message(room("a"), text, None);
        writer.submit(0, Submission::new(user("writer"), post), Box::new(|_| ()));
    });
    let mut bob = RoomClient::connect(&registry, "bob").await;
    let joined = bob.join("a", stored.last().map(position_of).as_ref()).await;
    assert_eq!(joined.recovery, Some(Recovery::Complete { replayed: 1 }));
    bob.post("a", "live").await;
    assert_eq!(bob.read().await, ["writer: early #1026", "bob: live #1027"]);
    assert!(bob.mailbox.take().is_none(), "the joiner is not closed");
}
