//! Members of a room, and the signals about their joins and leaves.

use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use super::*;
use crate::broker::steered::Method;
use crate::broker::{Feed, Recipients};
use crate::room::grace::Grace;
use crate::room::members::Members;

async fn members(registry: &Registry, name: &str) -> Vec<String> {
    let presence = registry.members(&room(name), &user("reader")).await.expect("members");
    assert_eq!(presence.members.users().len() as u64, presence.count);
    presence.members.users().iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn members_receive_the_joins_and_leaves_of_others() {
    let registry = registry(config());
    let mut alice = RoomClient::connect(&registry, "alice").await;
    let joined = alice.join("a", None).await;
    assert_eq!((joined.members, joined.member_count), (vec![user("alice")], 1));
    assert_eq!((joined.position, joined.recovery), (Some(Position::Start), None));

    let mut bob = RoomClient::connect(&registry, "bob").await;
    let joined = bob.join("a", None).await;
    assert_eq!((joined.members, joined.member_count), (vec![user("alice"), user("bob")], 2));
    assert_eq!(alice.read().await, ["bob joined (2)"], "the joiner's own `joined` is not a signal");

    let receipt = bob.post("a", "hello").await;
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.read().await, ["bob: hello #1"]);
    }
    let mut carol = RoomClient::connect(&registry, "carol").await;
    assert_eq!(carol.join("a", None).await.position, Some(position_of(&receipt)));
    assert!(carol.read().await.is_empty(), "without `since` nothing is replayed");

    let (_, left) = bob.leave().await;
    assert_eq!((left.member_count, left.reason), (2, LeaveReason::Left));
    assert_eq!(alice.read().await, ["carol joined (3)", "bob left (2, Left)"]);
    assert_eq!(members(&registry, "a").await, ["alice", "carol"]);
    assert_eq!(Feed::users(&*registry, &room("a")), [user("alice"), user("carol")]);
}

#[tokio::test]
async fn a_leaving_connection_receives_frames_up_to_its_leave() {
    let registry = registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    bob.post("a", "one").await;
    let (room, seat, mut cursor) = bob.seat.take().expect("in a room");
    let (until, _) = registry.leave(&bob.mailbox, &room, seat, LeaveReason::Left).await.expect("left");
    post(&registry, "alice", "a", "two").await;
    let mut out = Vec::new();
    let pulled = room.pull(&mut cursor, &bob.mailbox, Some(until), &mut out, 10_000);
    assert_eq!((pulled, summaries(&out)), (Ok(Pulled::All), vec!["bob: one #1".to_owned()]));
}

#[tokio::test]
async fn a_user_is_a_member_while_one_of_its_connections_is() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut phone = RoomClient::joined(&registry, "bob", "a").await;
    let mut laptop = RoomClient::joined(&registry, "bob", "a").await;
    assert_eq!(alice.read().await, ["bob joined (2)"]);
    assert!(phone.read().await.is_empty());
    let (_, left) = phone.leave().await;
    assert_eq!(left.member_count, 2, "the user has another connection");
    assert!(alice.read().await.is_empty());
    laptop.leave().await;
    assert_eq!(alice.read().await, ["bob left (1, Left)"]);
}

#[tokio::test]
async fn a_return_within_the_leave_grace_is_not_announced() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    RoomClient::joined(&registry, "bob", "a").await.lose();
    assert_eq!(members(&registry, "a").await, ["alice", "bob"]);
    let mut bob = RoomClient::connect(&registry, "bob").await;
    assert_eq!(bob.join("a", None).await.member_count, 2);
    assert!(registry.grace.lock().next().is_none(), "the join ends the leave grace");
    assert_eq!(alice.read().await, ["bob joined (2)"]);
    bob.leave().await;
    assert_eq!(alice.read().await, ["bob left (1, Left)"]);
}

#[tokio::test]
async fn a_lost_user_leaves_after_the_grace() {
    let mut config = config();
    config.timing.leave_grace = Duration::from_millis(1);
    let registry = registry(config);
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let bob = RoomClient::joined(&registry, "bob", "a").await;
    assert_eq!(alice.read().await, ["bob joined (2)"]);
    bob.lose();
    assert_eq!(alice.next().await, ["bob left (1, Disconnected)"]);
    assert_eq!(members(&registry, "a").await, ["alice"]);
}

#[tokio::test]
async fn a_normal_close_leaves_without_a_grace() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let bob = RoomClient::joined(&registry, "bob", "a").await;
    alice.read().await;
    bob.close();
    assert_eq!(alice.next().await, ["bob left (1, Left)"]);
}

#[test]
fn an_outdated_leave_grace_removes_nobody() {
    let mut members = Members::new(1);
    let mailbox = Arc::new(Mailbox::new(1, user("bob"), 0, Arc::default(), metrics()));
    let when = Instant::now();
    let (one, two) = ((when, 1), (when, 2));
    let (seat, enters, grace) = members.seat(&mailbox);
    assert!(enters && grace.is_none());
    members.set_entered(&mailbox.user);
    assert!(members.unseat(&mailbox, seat));
    members.lose(&mailbox.user, one);
    let (seat, enters, grace) = members.seat(&mailbox);
    assert!(!enters, "the user is still in its leave grace");
    assert_eq!(grace, Some(one), "the join cancels the grace");
    assert!(!members.expire(&mailbox.user, one), "the user has joined again");
    assert!(members.unseat(&mailbox, seat));
    members.lose(&mailbox.user, two);
    assert!(!members.expire(&mailbox.user, one), "the loss was an earlier one");
    assert!(members.expire(&mailbox.user, two));
    assert!(members.is_empty());
    assert!(!members.expire(&mailbox.user, two));
}

#[tokio::test]
async fn a_broadcast_reaches_the_connections_that_are_left() {
    let registry = registry(config());
    let connect = async || RoomClient::connect(&registry, "alice").await.mailbox;
    let (phone, laptop) = (connect().await, connect().await);
    registry.disconnect(&phone);
    let to = Recipients::User(user("alice"));
    Feed::broadcast(&*registry, &to, &"{}".into());
    assert!(phone.take().is_none());
    assert!(laptop.take().is_some_and(|backlog| backlog.has_frames));
}

/// Two graces may end at one instant. With one number each would replace the other, and a user would never leave.
#[test]
fn each_leave_grace_ends_in_the_future_and_has_its_own_number() {
    let budget = registry(config()).budgets.open_room(&room("a"));
    let (mut grace, lost_in) = (Grace::default(), Arc::new(Room::new(room("a"), budget, 1)));
    let before = Instant::now();
    let mut begin =
        |id| grace.begin(lost_in.clone(), user(id), LeaveReason::Disconnected, Duration::from_secs(30));
    let (bob, carol) = (begin("bob"), begin("carol"));
    assert!(bob.0 >= before + Duration::from_secs(30), "the end of the grace");
    assert_ne!(bob.1, carol.1);
    assert_eq!(grace.next(), Some(bob.0));
    assert!(grace.take_ended(before).is_none());
    let (loss, (_, id, _)) = grace.take_ended(bob.0).expect("ended");
    assert_eq!((loss, id), (bob, user("bob")));
}

#[test]
fn a_worker_is_listed_while_it_has_a_connection() {
    let mut members = Members::new(3);
    let [alice, bob] = [("alice", 2), ("bob", 1)]
        .map(|(id, worker)| Arc::new(Mailbox::new(1, user(id), worker, Arc::default(), metrics())));
    let (seat, ..) = members.seat(&alice);
    members.seat(&bob);
    assert_eq!(members.workers().collect::<Vec<_>>(), [1, 2]);
    members.unseat(&alice, seat);
    assert_eq!(members.workers().collect::<Vec<_>>(), [1]);
}

#[tokio::test]
async fn typing_skips_all_connections_of_its_user() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut phone = RoomClient::joined(&registry, "bob", "a").await;
    let mut laptop = RoomClient::joined(&registry, "bob", "a").await;
    alice.read().await;
    phone.send_typing("a");
    assert_eq!(alice.read().await, ["bob types"]);
    assert!(phone.read().await.is_empty() && laptop.read().await.is_empty());
}

#[tokio::test]
async fn a_room_without_members_is_removed() {
    let mut config = config();
    config.timing.leave_grace = Duration::from_millis(1);
    let registry = registry(config);
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let bob = RoomClient::joined(&registry, "bob", "a").await;
    fill(&registry, "a", 50).await;
    assert!(registry.ring_bytes.load(Ordering::SeqCst) > 0);
    assert!(registry.has_room("a"));
    alice.leave().await;
    bob.lose();
    // The end of the grace removes the room.
    let mut carol = RoomClient::joined(&registry, "carol", "b").await;
    while registry.has_room("a") {
        tokio::task::yield_now().await;
    }
    carol.leave().await;
    assert_eq!(registry.ring_bytes.load(Ordering::SeqCst), 0);
    assert!(!registry.has_room("b"));
    // The entries are in the store, and the room opens again.
    let mut dave = RoomClient::connect(&registry, "dave").await;
    let joined = dave.join("a", Some(&Position::Start)).await;
    assert_eq!((joined.member_count, joined.recovery.expect("asked for").replayed()), (1, 50));
    assert_eq!(dave.read().await.len(), 50);
}

#[tokio::test]
async fn ring_bytes_are_the_sum_of_all_rings() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    config.ring.keep = Duration::ZERO;
    let registry = registry(config);
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let bob = RoomClient::joined(&registry, "bob", "b").await;
    for client in [&alice, &bob] {
        fill(&registry, client.seat.as_ref().expect("in a room").0.name.as_str(), 200).await;
    }
    let all: usize = [&alice, &bob]
        .iter()
        .map(|client| client.seat.as_ref().expect("in a room").0.with_ring(RoomRing::bytes))
        .sum();
    assert_eq!(registry.ring_bytes.load(Ordering::SeqCst), all);
}

#[tokio::test]
async fn above_the_common_limit_a_ring_keeps_its_newest_segment() {
    const KIB: usize = 1024;
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    // The first segment of one ring.
    config.ring.bytes_total = 4 * KIB;
    let registry = registry(config);
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let (alices_room, _, _) = alice.seat.as_ref().expect("in a room");
    let bytes = || alices_room.with_ring(RoomRing::bytes);
    let mut first = 0;
    while bytes() <= 4 * KIB {
        first = bytes();
        fill(&registry, "a", 1).await;
    }
    let second = bytes() - first;
    assert!(
        first > 3 * KIB && second == 4 * KIB,
        "a ring that was at the limit is not trimmed: {first}, {second}"
    );
    fill(&registry, "a", 1).await;
    assert_eq!(bytes(), second, "the second segment");
    assert_eq!(registry.ring_bytes.load(Ordering::SeqCst), second);
}

#[tokio::test]
async fn old_frames_of_a_quiet_room_are_trimmed() {
    let mut config = config();
    config.ring.keep = Duration::ZERO;
    let registry = registry(config);
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    fill(&registry, "a", 3).await;
    let (alices_room, _, _) = alice.seat.as_ref().expect("in a room");
    assert!(alices_room.with_ring(RoomRing::bytes) > 0);
    // The clock may not have moved since the last frame.
    let appended = Instant::now();
    while Instant::now() <= appended {}
    registry.trim();
    assert_eq!(alices_room.with_ring(RoomRing::bytes), 0);
    assert_eq!(registry.ring_bytes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_burst_wakes_a_member_once() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    for _ in 0..3 {
        post(&registry, "bob", "a", "hello").await;
    }
    assert_eq!(alice.next().await, ["bob: hello #1", "bob: hello #2", "bob: hello #3"]);
    post(&registry, "bob", "a", "again").await;
    assert_eq!(alice.next().await, ["bob: again #4"]);
}

#[tokio::test]
async fn an_entry_that_does_not_follow_closes_the_members() {
    use crate::broker::Entry;
    use realtime_shared::{CloseCode, Epoch};
    let registry = registry(config());
    let alice = RoomClient::joined(&registry, "alice", "a").await;
    let unrelated = Entry { seq: Seq::new(5), id: other_id(), json: "{}".into() };
    registry.entry(&room("a"), &Epoch::new("unrelated").expect("an epoch"), &unrelated);
    assert_eq!(alice.mailbox.take().expect("a close").close, Some(CloseCode::Internal));
}

/// Users join, leave, close and are lost on several threads at once. In the end the right users are members, and the
/// newest frame about each user that a watcher has received is a leave. Frames are fewer than the changes.
#[test]
fn presence_is_exact_after_concurrent_joins_and_leaves() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 150;
    let mut config = config();
    config.timing.leave_grace = Duration::ZERO;
    config.ring.bytes_per_room = 8 << 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let registry = registry(config);
    let mut watcher = runtime.block_on(RoomClient::joined(&registry, "watcher", "a"));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (registry, start) = (&registry, &start);
            scope.spawn(move || {
                start.wait();
                let here = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                here.block_on(async {
                    for round in 0..ROUNDS {
                        let id = ["bob", "carol"][(thread + round) % 2];
                        let mut client = RoomClient::joined(registry, id, "a").await;
                        match (thread + round) % 3 {
                            0 => client.close(),
                            1 => client.lose(),
                            _ => drop(client.leave().await),
                        }
                    }
                });
            });
        }
    });
    let seen = runtime.block_on(async {
        let mut seen = watcher.read_by(1 << 20).await;
        let is_away = |seen: &[String], id: &str| {
            let newest = seen.iter().rev().find(|text| text.starts_with(id));
            newest.is_some_and(|text| text.starts_with(&format!("{id} left (1,")))
        };
        while !["bob", "carol"].iter().all(|id| is_away(&seen, id)) {
            seen.extend(watcher.next().await);
        }
        assert_eq!(members(&registry, "a").await, ["watcher"]);
        seen
    });
    assert!(seen.len() < 2 * THREADS * ROUNDS, "{seen:?}");
    assert_eq!(watcher.seat.as_ref().expect("in a room").0.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn repeated_joins_and_leaves_are_told_once_a_second() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    for _ in 0..24 {
        bob.leave().await;
        bob.join("a", None).await;
    }
    assert_eq!(alice.read().await, ["bob joined (2)", "bob left (1, Left)"], "the first of each");
    assert_eq!(alice.next().await, ["bob joined (2)"], "the net change");
    for _ in 0..24 {
        bob.leave().await;
        bob.join("a", None).await;
    }
    let mut carol = RoomClient::joined(&registry, "carol", "a").await;
    assert_eq!(alice.read().await, ["carol joined (3)"]);
    carol.leave().await;
    assert_eq!(alice.next().await, ["carol left (2, Left)"]);
    bob.leave().await;
    assert_eq!(alice.next().await, ["bob left (1, Left)"]);
}

#[tokio::test(start_paused = true)]
async fn a_large_room_is_told_of_many_joins_in_one_frame() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let registry = registry(config);
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut crowd = Vec::new();
    for number in 0..100 {
        crowd.push(RoomClient::joined(&registry, &format!("u{number}"), "a").await);
    }
    let seen = alice.read().await;
    assert_eq!((seen.len(), seen[98].as_str()), (99, "u98 joined (100)"), "up to 100 members");
    for number in 100..200 {
        crowd.push(RoomClient::joined(&registry, &format!("u{number}"), "a").await);
    }
    crowd[0].leave().await;
    assert_eq!(alice.next().await, ["u199 and 100 others joined (200)", "u0 left (200, Left)"]);
    for mut client in crowd.drain(150..) {
        client.leave().await;
    }
    assert_eq!(alice.next().await, ["u199 and 49 others left (150, Left)"]);
}

/// A member that requests the members while a change is held learns about the change back.
#[tokio::test(start_paused = true)]
async fn a_change_after_a_request_for_the_members_is_announced() {
    let registry = registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut carol = RoomClient::joined(&registry, "carol", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    for client in [&mut carol, &mut bob] {
        client.leave().await;
    }
    for client in [&mut carol, &mut bob] {
        client.join("a", None).await;
    }
    assert_eq!(alice.read().await.len(), 4, "two joins and two leaves");
    let presence = registry.members(&room("a"), &user("alice")).await.expect("members");
    assert_eq!(presence.count, 3, "with bob, whose join is held");
    bob.leave().await;
    assert_eq!(alice.next().await, ["carol joined (2)", "bob left (2, Left)"]);
}

/// The joiner's answer lacks a user that returns within the same hold.
#[tokio::test(start_paused = true)]
async fn a_joiner_of_a_large_room_learns_about_a_user_that_returns() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    let registry = registry(config);
    let mut crowd = Vec::new();
    for number in 0..105 {
        crowd.push(RoomClient::joined(&registry, &format!("u{number}"), "a").await);
    }
    let (mut alice, mut bob) = (crowd.swap_remove(0), RoomClient::connect(&registry, "bob").await);
    alice.leave().await;
    let joined = bob.join("a", None).await;
    assert!(!joined.members.contains(&user("u0")));
    alice.join("a", None).await;
    crowd[0].read().await;
    crowd[0].next().await;
    let frames = bob.read().await;
    assert!(frames.iter().any(|frame| frame.starts_with("u0 and ")), "{frames:?}");
}

/// An engine that does not answer has no newest members.
#[tokio::test(start_paused = true)]
async fn held_changes_wait_for_the_engine() {
    let (registry, steering) = steered_registry(config());
    let mut alice = RoomClient::joined(&registry, "alice", "a").await;
    let mut bob = RoomClient::joined(&registry, "bob", "a").await;
    bob.leave().await;
    bob.join("a", None).await;
    assert_eq!(alice.read().await, ["bob joined (2)", "bob left (1, Left)"]);
    steering.refuse(Method::Members);
    steering.calls(&[]);
    assert_eq!(alice.next().await, ["bob joined (2)"]);
    assert_eq!(steering.calls(&[Method::Members]), [Method::Members; 2], "read again after the refusal");
}
