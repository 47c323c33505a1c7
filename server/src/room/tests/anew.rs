//! A log that begins anew, and positions that are beyond the head.

use realtime_shared::{Epoch, Recovery};

use super::*;
use crate::broker::steered::Method;
use crate::broker::{Entry, Feed, Unavailable};
use crate::room::Overtaken;
use crate::room::recovery::{Standing, Start};

/// An entry that cannot follow any log here.
fn strange() -> (Epoch, Entry) {
    let entry = Entry { seq: Seq::new(9), id: strange_id(), json: "{}".into() };
    (Epoch::new("strange").expect("an epoch"), entry)
}

#[tokio::test]
async fn a_joiner_whose_log_begins_anew_while_it_is_opened_joins_the_one_that_is_opened_next() {
    for since in [None, Some(2)] {
        let (house, broker) = steered(config());
        let receipts = fill(&house, "a", 3).await;
        let registry = house.clone();
        broker.on_open(move || {
            let (epoch, entry) = strange();
            registry.entry(&room("a"), &epoch, &entry);
        });
        let mut alice = Client::connect(&house, "alice").await;
        let since = since.map(|seq: usize| after(&receipts[seq - 1]));
        let joined = alice.join("a", since.as_ref()).await;
        assert_eq!(joined.position, Some(after(&receipts[2])));
        assert_eq!(joined.recovery, since.is_some().then_some(Recovery::Complete { replayed: 1 }));
        assert_eq!(broker.calls(&[Method::Open, Method::Enter]), [Method::Open, Method::Open, Method::Enter]);
        alice.say("a", "live").await;
        assert_eq!(alice.read().await.last().map(String::as_str), Some("alice: live #4"));
        assert!(alice.mailbox.take().is_none(), "it is not closed");
    }
}

#[tokio::test]
async fn a_member_whose_log_began_anew_cannot_join_again_before_it_is_closed() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let receipts = fill(&house, "a", 3).await;
    let (epoch, entry) = strange();
    house.entry(&room("a"), &epoch, &entry);
    let (of_alice, _, _) = alice.seat.as_ref().expect("in a room");
    for since in [None, Some(after(&receipts[1]))] {
        let joined = house.rejoin(&alice.mailbox, of_alice, since.as_ref()).await.map(|(_, joined)| joined);
        assert_eq!(joined, Err(Unavailable), "{since:?}");
    }
    assert_eq!(alice.mailbox.take().expect("a close").close, Some(CloseCode::Internal));
    // The next who joins opens it.
    let mut bob = Client::connect(&house, "bob").await;
    let joined = bob.join("a", Some(&after(&receipts[1]))).await;
    assert_eq!(joined.recovery, Some(Recovery::Complete { replayed: 1 }));
    alice.seat = None;
}

#[tokio::test]
async fn a_position_beyond_the_head_is_reset_whatever_the_store_has() {
    let house = house(config());
    let alice = Client::joined(&house, "alice", "a").await;
    let receipts = fill(&house, "a", 5).await;
    let (of_alice, _, _) = alice.seat.as_ref().expect("in a room");
    for known in [Standing::Past, Standing::Old, Standing::Foreign] {
        let start = Start { end: 0, head: after(&receipts[2]), known };
        let recovered = house.recovery(of_alice, &start, &after(&receipts[3])).await;
        assert_eq!(recovered, Ok((Seq::ZERO, Recovery::Reset { replayed: 3 })), "{known:?}");
    }
}

#[tokio::test]
async fn a_cursor_into_a_log_that_began_anew_reads_nothing_of_the_next_one() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let house = house(config);
    let mut alice = Client::joined(&house, "alice", "a").await;
    fill(&house, "a", 3).await;
    alice.read().await;
    let (epoch, entry) = strange();
    house.entry(&room("a"), &epoch, &entry);
    let _bob = Client::joined(&house, "bob", "a").await;
    fill(&house, "a", 10).await;
    let (room, _, cursor) = alice.seat.as_mut().expect("in a room");
    let mut seen = Vec::new();
    let pulled = room.pull(cursor, &alice.mailbox, None, &mut seen, 10_000);
    assert_eq!((pulled, seen.len()), (Err(Overtaken), 0));
}
