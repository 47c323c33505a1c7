//! Changes of a room's membership: one after the other, and undone where the broker refuses them.

use std::pin::pin;

use super::*;
use crate::broker::Unavailable;
use crate::broker::steered::Method;

/// Whether a future is not ready, once it has gone as far as it can.
async fn waits(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_join_that_the_broker_refuses_gives_its_seat_back() {
    let (house, broker) = steered(config());
    let receipts = fill(&house, "a", 40).await;
    let mut alice = Client::joined(&house, "alice", "a").await;
    let (of_alice, _, _) = alice.seat.clone().expect("in a room");
    let old = after(&receipts[0]);
    for (user, since, method) in
        [("bob", None, Method::Enter), ("alice", None, Method::Members), ("bob", Some(&old), Method::History)]
    {
        let client = Client::connect(&house, user).await;
        broker.refuse(method);
        let joined = house.join(&client.mailbox, &room("a"), since).await;
        assert_eq!(joined.map(drop), Err(Unavailable), "{method:?}");
        assert_eq!(of_alice.connections(), 1, "{method:?}: the connection has no seat");
        // Its user leaves, where it was no member before.
        while of_alice.users().len() > 1 {
            tokio::task::yield_now().await;
        }
    }
    let presence = house.members(&room("a")).await.expect("members");
    assert_eq!(presence.members, [user("alice")]);
    alice.leave().await;
    assert!(!house.has_room("a"), "nobody is in it");
}

#[tokio::test]
async fn a_room_whose_first_join_is_refused_is_forgotten() {
    for method in [Method::Open, Method::Enter] {
        let (house, broker) = steered(config());
        let alice = Client::connect(&house, "alice").await;
        broker.refuse(method);
        assert_eq!(house.join(&alice.mailbox, &room("a"), None).await.map(drop), Err(Unavailable));
        let of_alice = house.rooms.lock().get(&room("a")).cloned();
        assert_eq!(of_alice.map_or(0, |room| room.connections()), 0, "{method:?}: it has no seat");
        while house.has_room("a") {
            tokio::task::yield_now().await;
        }
        let mut bob = Client::connect(&house, "bob").await;
        assert_eq!(bob.join("a", None).await.members, [user("bob")], "{method:?}");
    }
}

/// What changes who is in a room, as far as the broker is asked.
const CHANGES: [Method; 2] = [Method::Enter, Method::Leave];

#[tokio::test]
async fn a_join_asks_the_broker_after_the_leave_before_it_was_answered() {
    let (house, broker) = steered(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let mut bob = Client::connect(&house, "bob").await;
    broker.calls(&CHANGES);
    broker.set_open(false);
    let mut leaving = pin!(alice.leave());
    assert!(waits(leaving.as_mut()).await);
    let mut joining = pin!(bob.join("a", None));
    assert!(waits(joining.as_mut()).await);
    assert_eq!(broker.calls(&CHANGES), [Method::Leave]);
    broker.set_open(true);
    leaving.await;
    assert_eq!(joining.await.members, [user("bob")]);
}

#[tokio::test]
async fn a_leave_asks_the_broker_after_the_join_before_it_was_answered() {
    let (house, broker) = steered(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let mut bob = Client::connect(&house, "bob").await;
    broker.calls(&CHANGES);
    broker.set_open(false);
    let mut joining = pin!(bob.join("a", None));
    assert!(waits(joining.as_mut()).await);
    let mut leaving = pin!(alice.leave());
    assert!(waits(leaving.as_mut()).await);
    assert_eq!(broker.calls(&CHANGES), [Method::Enter]);
    broker.set_open(true);
    assert_eq!(joining.await.members, [user("alice"), user("bob")]);
    assert_eq!(leaving.await.1.member_count, 1);
}
