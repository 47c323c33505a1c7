//! Who is where, and how many are there at all.

use realtime_shared::{LeaveReason, ServerEvent, SystemEvent, UserId, codec};

use super::{Heard, Subject, room, user};
use crate::broker::{Presence, Skip, Unavailable};

const LEFT: LeaveReason = LeaveReason::Left;

/// The members that are named, how many there are, and whether that changed.
type There = (Vec<UserId>, u64, bool);

fn presence(members: &[&str], count: u64, changed: bool) -> There {
    (users(members), count, changed)
}

/// What is said of who is there, but for how the engine counts changes.
#[track_caller]
fn there(said: Result<Presence, Unavailable>) -> There {
    let Presence { members, count, changed, .. } = said.expect("an answer");
    (members, count, changed)
}

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| user(id)).collect()
}

pub(super) async fn a_user_is_there_from_enter_to_leave(subject: &Subject) {
    let (broker, a) = (&subject.broker, room("a"));
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(there(broker.members(&a, 10).await), presence(&[], 0, false));
    assert_eq!(there(broker.enter(&a, &alice, 10).await), presence(&["alice"], 1, true));
    let both = broker.enter(&a, &bob, 10).await.expect("entered");
    assert_eq!((both.count, both.changed), (2, true));
    assert_eq!(sorted(both.members), users(&["alice", "bob"]));

    let again = broker.enter(&a, &alice, 10).await.expect("entered");
    assert_eq!((again.count, again.changed), (2, false), "who is there does not come in");

    let left = broker.leave(&a, &alice, LEFT).await.expect("left");
    assert_eq!((left.count, left.changed), (1, true));
    assert_eq!(there(broker.members(&a, 10).await), presence(&["bob"], 1, false));
    let again = broker.leave(&a, &alice, LEFT).await.expect("left");
    assert_eq!((again.count, again.changed), (1, false), "who is not there does not leave");
    let last = broker.leave(&a, &bob, LEFT).await.expect("left");
    assert_eq!((last.count, last.changed), (0, true));
    assert_eq!(there(broker.members(&a, 10).await), presence(&[], 0, false));
    let nobody = broker.leave(&a, &bob, LEFT).await.expect("left");
    assert_eq!((nobody.count, nobody.changed), (0, false));
    assert_eq!(there(broker.enter(&a, &bob, 10).await), presence(&["bob"], 1, true));
}

pub(super) async fn who_is_there_is_told_who_comes_and_goes(subject: &Subject) {
    let (broker, a) = (&subject.broker, room("a"));
    broker.open(&a).await.expect("opened");
    for id in ["alice", "bob", "bob"] {
        broker.enter(&a, &user(id), 10).await.expect("entered");
    }
    for id in ["alice", "alice", "bob"] {
        broker.leave(&a, &user(id), LeaveReason::Disconnected).await.expect("left");
    }
    let told: Vec<_> = subject.heard.at_least(4).await.iter().map(told).collect();
    let expected = [
        ("alice", "alice joined".to_owned(), users(&["alice"]), 1),
        ("bob", "bob joined".to_owned(), users(&["alice", "bob"]), 2),
        ("alice", "alice left".to_owned(), Vec::new(), 1),
        ("bob", "bob left".to_owned(), Vec::new(), 0),
    ];
    let expected = expected.map(|(id, said, named, count)| (Skip::User(user(id)), said, named, count));
    assert_eq!(told, expected, "once each");
}

/// Who does not get it, what it says, who is named, and how many there are.
#[track_caller]
fn told(heard: &Heard) -> (Skip, String, Vec<UserId>, u64) {
    let Heard::Signal(_, signal) = heard else { panic!("a signal, and not {heard:?}") };
    match codec::decode_server(&signal.json).expect("a frame").event {
        ServerEvent::System(SystemEvent::Joined(joined)) => {
            (signal.skip.clone(), joined.message, sorted(joined.members), joined.member_count)
        }
        ServerEvent::System(SystemEvent::Left(left)) => {
            assert_eq!(left.reason, LeaveReason::Disconnected);
            (signal.skip.clone(), left.message, Vec::new(), left.member_count)
        }
        other => panic!("joined or left, and not {other:?}"),
    }
}

pub(super) async fn rooms_do_not_share_their_members(subject: &Subject) {
    let broker = &subject.broker;
    for name in ["a", "b"] {
        let entered = broker.enter(&room(name), &user("alice"), 10).await;
        assert_eq!(there(entered), presence(&["alice"], 1, true));
    }
    broker.leave(&room("a"), &user("alice"), LEFT).await.expect("left");
    assert_eq!(there(broker.members(&room("b"), 10).await), presence(&["alice"], 1, false));
}

pub(super) async fn only_as_many_members_are_named_as_asked_for(subject: &Subject) {
    let (broker, a) = (&subject.broker, room("a"));
    for id in ["alice", "bob", "carol"] {
        broker.enter(&a, &user(id), 0).await.expect("entered");
    }
    let some = broker.members(&a, 2).await.expect("members");
    assert_eq!((some.members.len(), some.count), (2, 3));
    assert_eq!(broker.members(&a, 2).await, Ok(some), "in a fixed order");
    let entered = broker.enter(&a, &user("dave"), 1).await.expect("entered");
    assert_eq!((entered.members.len(), entered.count), (1, 4));
}

pub(super) async fn connections_are_counted(subject: &Subject) {
    let (broker, alice, bob) = (&subject.broker, user("alice"), user("bob"));
    assert_eq!(broker.connect(&alice, 0).await, Ok(Some(1)));
    assert_eq!(broker.connect(&alice, 0).await, Ok(Some(2)));
    assert_eq!(broker.connect(&bob, 0).await, Ok(Some(3)));
    broker.disconnect(&alice);
    assert_eq!(broker.connect(&bob, 0).await, Ok(Some(3)));
    for (id, times) in [(&alice, 1), (&bob, 2)] {
        (0..times).for_each(|_| broker.disconnect(id));
    }
    // One too many is not counted below nothing.
    broker.disconnect(&alice);
    assert_eq!(broker.connect(&alice, 0).await, Ok(Some(1)));
}

pub(super) async fn a_user_has_a_bounded_number_of_connections(subject: &Subject) {
    let (broker, alice, bob) = (&subject.broker, user("alice"), user("bob"));
    assert_eq!(broker.connect(&alice, 2).await, Ok(Some(1)));
    assert_eq!(broker.connect(&alice, 2).await, Ok(Some(2)));
    assert_eq!(broker.connect(&alice, 2).await, Ok(None));
    assert_eq!(broker.connect(&bob, 2).await, Ok(Some(3)), "what was refused was not counted");
    broker.disconnect(&alice);
    assert_eq!(broker.connect(&alice, 2).await, Ok(Some(3)));
    assert_eq!(broker.connect(&alice, 2).await, Ok(None));
}

fn sorted(mut members: Vec<UserId>) -> Vec<UserId> {
    members.sort();
    members
}
