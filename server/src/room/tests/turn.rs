//! Turns of a room: membership changes happen one after the other, and are undone if the broker refuses them.

use std::pin::pin;

use super::*;
use crate::broker::steered::Method;

/// Polls a future once. Returns true if it is pending.
async fn is_pending(mut future: std::pin::Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_refused_join_gives_up_its_seat() {
    let (registry, broker) = steered_registry(config());
    let receipts = fill(&registry, "a", 40).await;
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let (alices_room, _, _) = alice.seat.clone().expect("in a room");
    let old = position_of(&receipts[0]);
    for (user, since, method) in
        [("bob", None, Method::Enter), ("alice", None, Method::Members), ("bob", Some(&old), Method::History)]
    {
        let client = RoomClient::connect(&registry, user).await;
        broker.refuse(method);
        let joined = registry.join(&client.mailbox, &room("a"), since).await;
        assert_eq!(joined.map(drop), Err(NotJoined::Unavailable), "{method:?}");
        assert_eq!(alices_room.connections(), 1, "{method:?}: the connection has no seat");
        // The user leaves if it was not a member before.
        while alices_room.users().len() > 1 {
            tokio::task::yield_now().await;
        }
    }
    let presence = registry.members(&room("a"), &user("reader")).await.expect("members");
    assert_eq!(presence.members.users(), [user("alice")]);
    alice.leave().await;
    assert!(!registry.has_room("a"), "a room without members");
}

#[tokio::test]
async fn a_room_is_removed_if_its_first_join_is_refused() {
    for method in [Method::Open, Method::Enter] {
        let (registry, broker) = steered_registry(config());
        let alice = RoomClient::connect(&registry, "alice").await;
        broker.refuse(method);
        assert_eq!(
            registry.join(&alice.mailbox, &room("a"), None).await.map(drop),
            Err(NotJoined::Unavailable)
        );
        let refused_room = registry.rooms.lock().get(&room("a")).cloned();
        assert_eq!(refused_room.map_or(0, |room| room.connections()), 0, "{method:?}: no seat is left");
        while registry.has_room("a") {
            tokio::task::yield_now().await;
        }
        let mut bob = RoomClient::connect(&registry, "bob").await;
        assert_eq!(bob.join("a", None).await.members, [user("bob")], "{method:?}");
    }
}

/// A task publishes the leave of the refused user. Until it runs, the user has a leave grace.
#[tokio::test]
async fn a_join_right_after_a_refused_one_enters_the_user() {
    let (registry, broker) = steered_registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let phone = RoomClient::connect(&registry, "bob").await;
    let mut laptop = RoomClient::connect(&registry, "bob").await;
    broker.refuse(Method::Enter);
    assert_eq!(registry.join(&phone.mailbox, &room("a"), None).await.map(drop), Err(NotJoined::Unavailable));
    let joined = laptop.join("a", None).await;
    assert_eq!(joined.members, [user("alice"), user("bob")]);
    assert_eq!(alice.read().await, ["bob joined (2)"]);
}

#[tokio::test]
async fn a_new_room_whose_name_is_not_in_nfc_is_not_opened() {
    let (registry, _) = steered_registry(config());
    let mut alice = RoomClient::connect(&registry, "alice").await;
    let joined = registry.join(&alice.mailbox, &room("cafe\u{301}"), None).await;
    assert_eq!(joined.map(drop), Err(NotJoined::NewRoomNotNfc));
    assert!(!registry.has_room("cafe\u{301}"));
    assert_eq!(alice.join("caf\u{e9}", None).await.members, [user("alice")]);
}

/// Calls of the broker that change the members of a room.
const CHANGES: [Method; 2] = [Method::Enter, Method::Leave];

#[tokio::test]
async fn a_join_waits_for_the_answer_to_the_leave_before_it() {
    let (registry, broker) = steered_registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    broker.calls(&CHANGES);
    broker.set_open(false);
    let mut leaving = pin!(alice.leave());
    assert!(is_pending(leaving.as_mut()).await);
    let mut joining = pin!(bob.join("a", None));
    assert!(is_pending(joining.as_mut()).await);
    assert_eq!(broker.calls(&CHANGES), [Method::Leave]);
    broker.set_open(true);
    leaving.await;
    assert_eq!(joining.await.members, [user("bob")]);
}

#[tokio::test]
async fn a_leave_waits_for_the_answer_to_the_join_before_it() {
    let (registry, broker) = steered_registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::connect(&registry, "bob").await;
    broker.calls(&CHANGES);
    broker.set_open(false);
    let mut joining = pin!(bob.join("a", None));
    assert!(is_pending(joining.as_mut()).await);
    let mut leaving = pin!(alice.leave());
    assert!(is_pending(leaving.as_mut()).await);
    assert_eq!(broker.calls(&CHANGES), [Method::Enter]);
    broker.set_open(true);
    assert_eq!(joining.await.members, [user("alice"), user("bob")]);
    assert_eq!(leaving.await.1.member_count, 1);
}
