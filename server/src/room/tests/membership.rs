//! Who is in a room, and what the others are told.

use std::sync::Barrier;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use super::*;
use crate::room::members::Members;

async fn members(house: &Registry, name: &str) -> Vec<String> {
    let presence = house.members(&room(name)).await.expect("members");
    assert_eq!(presence.members.len() as u64, presence.count);
    presence.members.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn others_are_told_who_comes_and_goes() {
    let house = house(config());
    let mut alice = Client::connect(&house, "alice").await;
    let joined = alice.join("a", None).await;
    assert_eq!((joined.members, joined.member_count), (vec![user("alice")], 1));
    assert_eq!((joined.position, joined.recovery), (Some(Position::Start), None));

    let mut bob = Client::connect(&house, "bob").await;
    let joined = bob.join("a", None).await;
    assert_eq!((joined.members, joined.member_count), (vec![user("alice"), user("bob")], 2));
    assert_eq!(alice.read().await, ["bob joined (2)"], "and not what was told to the joiner itself");

    let receipt = bob.say("a", "hello").await;
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.read().await, ["bob: hello #1"]);
    }
    let mut carol = Client::connect(&house, "carol").await;
    assert_eq!(carol.join("a", None).await.position, Some(after(&receipt)));
    assert!(carol.read().await.is_empty(), "without `since` nothing is replayed");

    let (_, left) = bob.leave().await;
    assert_eq!((left.member_count, left.reason), (2, LeaveReason::Left));
    assert_eq!(alice.read().await, ["carol joined (3)", "bob left (2, Left)"]);
    assert_eq!(members(&house, "a").await, ["alice", "carol"]);
}

#[tokio::test]
async fn who_leaves_sees_all_that_came_before_and_nothing_after() {
    let house = house(config());
    let _alice = Client::joined(&house, "alice", "a").await;
    let mut bob = Client::joined(&house, "bob", "a").await;
    bob.say("a", "one").await;
    let (room, seat, mut cursor) = bob.seat.take().expect("in a room");
    let (until, _) = house.leave(&bob.mailbox, &room, seat, LeaveReason::Left).await.expect("left");
    say(&house, "alice", "a", "two").await;
    let mut out = Vec::new();
    let pulled = room.pull(&mut cursor, &bob.mailbox, Some(until), &mut out, 10_000);
    assert_eq!((pulled, texts(&out)), (Ok(Pulled::All), vec!["bob: one #1".to_owned()]));
}

#[tokio::test]
async fn a_user_is_a_member_while_one_connection_is() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let mut phone = Client::joined(&house, "bob", "a").await;
    let mut laptop = Client::joined(&house, "bob", "a").await;
    assert_eq!(alice.read().await, ["bob joined (2)"]);
    assert!(phone.read().await.is_empty());
    let (_, left) = phone.leave().await;
    assert_eq!(left.member_count, 2, "its user is still there");
    assert!(alice.read().await.is_empty());
    laptop.leave().await;
    assert_eq!(alice.read().await, ["bob left (1, Left)"]);
}

#[tokio::test]
async fn who_comes_back_in_time_was_never_away() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    Client::joined(&house, "bob", "a").await.lose();
    assert_eq!(members(&house, "a").await, ["alice", "bob"]);
    let mut bob = Client::connect(&house, "bob").await;
    assert_eq!(bob.join("a", None).await.member_count, 2);
    assert_eq!(alice.read().await, ["bob joined (2)"]);
    bob.leave().await;
    assert_eq!(alice.read().await, ["bob left (1, Left)"]);
}

#[tokio::test]
async fn who_does_not_come_back_is_said_to_have_left() {
    let mut config = config();
    config.timing.leave_grace = Duration::from_millis(1);
    let house = house(config);
    let mut alice = Client::joined(&house, "alice", "a").await;
    let bob = Client::joined(&house, "bob", "a").await;
    assert_eq!(alice.read().await, ["bob joined (2)"]);
    bob.lose();
    assert_eq!(alice.next().await, ["bob left (1, Disconnected)"]);
    assert_eq!(members(&house, "a").await, ["alice"]);
}

#[tokio::test]
async fn who_closes_in_order_has_left_without_a_grace() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let bob = Client::joined(&house, "bob", "a").await;
    alice.read().await;
    bob.part();
    assert_eq!(alice.next().await, ["bob left (1, Left)"]);
}

#[test]
fn a_grace_ends_only_the_stay_that_it_was_for() {
    let mut members = Members::new(1);
    let mailbox = Arc::new(Mailbox::new(1, user("bob"), 0, Arc::default(), metrics()));
    let when = Instant::now();
    let (one, two) = ((when, 1), (when, 2));
    let (seat, first, grace) = members.seat(&mailbox);
    assert!(first && grace.is_none());
    assert!(members.unseat(&mailbox, seat));
    members.lose(&mailbox.user, one);
    let (seat, first, grace) = members.seat(&mailbox);
    assert!(!first, "within its grace");
    assert_eq!(grace, Some(one), "which is over");
    assert!(!members.expire(&mailbox.user, one), "it came back");
    assert!(members.unseat(&mailbox, seat));
    members.lose(&mailbox.user, two);
    assert!(!members.expire(&mailbox.user, one), "another loss");
    assert!(members.expire(&mailbox.user, two));
    assert!(members.is_empty());
    assert!(!members.expire(&mailbox.user, two));
}

#[tokio::test]
async fn nobody_sees_its_own_typing() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    let mut phone = Client::joined(&house, "bob", "a").await;
    let mut laptop = Client::joined(&house, "bob", "a").await;
    alice.read().await;
    phone.types("a");
    assert_eq!(alice.read().await, ["bob types"]);
    assert!(phone.read().await.is_empty() && laptop.read().await.is_empty());
}

#[tokio::test]
async fn a_room_that_nobody_is_in_is_forgotten() {
    let mut config = config();
    config.timing.leave_grace = Duration::from_millis(1);
    let house = house(config);
    let mut alice = Client::joined(&house, "alice", "a").await;
    let bob = Client::joined(&house, "bob", "a").await;
    fill(&house, "a", 50).await;
    assert!(house.ring_bytes.load(Ordering::SeqCst) > 0);
    assert!(house.has_room("a"));
    alice.leave().await;
    bob.lose();
    // Its room is forgotten when its grace is over: before the next turn of the room.
    let mut carol = Client::joined(&house, "carol", "b").await;
    while house.has_room("a") {
        tokio::task::yield_now().await;
    }
    carol.leave().await;
    assert_eq!(house.ring_bytes.load(Ordering::SeqCst), 0);
    assert!(!house.has_room("b"));
    // What was said is in the store, and the room goes on.
    let mut dave = Client::connect(&house, "dave").await;
    let joined = dave.join("a", Some(&Position::Start)).await;
    assert_eq!((joined.member_count, joined.recovery.expect("asked for").replayed()), (1, 50));
    assert_eq!(dave.read().await.len(), 50);
}

#[tokio::test]
async fn ring_bytes_are_those_of_all_rooms() {
    let mut config = config();
    config.ring.bytes_per_room = 1 << 20;
    config.ring.keep = Duration::ZERO;
    let house = house(config);
    let alice = Client::joined(&house, "alice", "a").await;
    let bob = Client::joined(&house, "bob", "b").await;
    for client in [&alice, &bob] {
        fill(&house, client.seat.as_ref().expect("in a room").0.name.as_str(), 200).await;
    }
    let all: usize = [&alice, &bob]
        .iter()
        .map(|client| client.seat.as_ref().expect("in a room").0.look(RoomLog::bytes))
        .sum();
    assert_eq!(house.ring_bytes.load(Ordering::SeqCst), all);
}

#[tokio::test]
async fn members_are_woken_once_for_a_burst() {
    let house = house(config());
    let mut alice = Client::joined(&house, "alice", "a").await;
    for _ in 0..3 {
        say(&house, "bob", "a", "hello").await;
    }
    assert_eq!(alice.next().await, ["bob: hello #1", "bob: hello #2", "bob: hello #3"]);
    say(&house, "bob", "a", "again").await;
    assert_eq!(alice.next().await, ["bob: again #4"]);
}

#[tokio::test]
async fn an_entry_that_cannot_follow_closes_the_members() {
    use crate::broker::{Entry, Feed};
    use realtime_shared::{CloseCode, Epoch};
    let house = house(config());
    let alice = Client::joined(&house, "alice", "a").await;
    let strange = Entry { seq: Seq::new(5), id: strange_id(), json: "{}".into() };
    house.entry(&room("a"), &Epoch::new("strange").expect("an epoch"), &strange);
    assert_eq!(alice.mailbox.take().expect("a close").close, Some(CloseCode::Internal));
}

/// Users come and go on all their connections, from several threads, in ways that race: in the end exactly those are
/// there who did not leave, and the one who watched saw each come and go in turn.
#[test]
fn presence_is_exact_whatever_races() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 150;
    let mut config = config();
    config.timing.leave_grace = Duration::ZERO;
    config.ring.bytes_per_room = 8 << 20;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let _entered = runtime.enter();
    let house = house(config);
    let mut watcher = runtime.block_on(Client::joined(&house, "watcher", "a"));
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (house, start) = (&house, &start);
            scope.spawn(move || {
                start.wait();
                let here = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                here.block_on(async {
                    for round in 0..ROUNDS {
                        let id = ["bob", "carol"][(thread + round) % 2];
                        let mut client = Client::joined(house, id, "a").await;
                        match (thread + round) % 3 {
                            0 => client.part(),
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
        while members(&house, "a").await != ["watcher"] {
            seen.extend(watcher.next().await);
        }
        seen.extend(watcher.read().await);
        seen
    });
    for id in ["bob", "carol"] {
        let own: Vec<_> = seen.iter().filter(|text| text.starts_with(id)).collect();
        assert!(!own.is_empty());
        for (index, text) in own.iter().enumerate() {
            let expected = if index % 2 == 0 { "joined" } else { "left" };
            assert!(text.starts_with(&format!("{id} {expected}")), "{index}: {text}");
        }
        assert_eq!(own.len() % 2, 0, "the last one left");
    }
    assert_eq!(watcher.seat.as_ref().expect("in a room").0.connections(), 1);
}
