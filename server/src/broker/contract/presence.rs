//! Members of rooms, and counts of connections.

use realtime_shared::{LeaveReason, ServerEvent, SystemEvent, UserId, codec};

use super::{EngineFixture, FeedEvent, room, user};
use crate::broker::{FoundMembers, MemberPrefix, Presence, Skip, Unavailable};

const LEFT: LeaveReason = LeaveReason::Left;

/// Members, count and changed: a [`Presence`] without the presence version, which differs between engines.
type PresenceFields = (Vec<UserId>, u64, bool);

fn presence(members: &[&str], count: u64, changed: bool) -> PresenceFields {
    (users(members), count, changed)
}

#[track_caller]
fn fields(presence: Result<Presence, Unavailable>) -> PresenceFields {
    let Presence { members, count, changed, .. } = presence.expect("an answer");
    (members.users(), count, changed)
}

fn users(ids: &[&str]) -> Vec<UserId> {
    ids.iter().map(|id| user(id)).collect()
}

pub(super) async fn a_user_is_a_member_from_enter_to_leave(fixture: &EngineFixture) {
    let (broker, a) = (&fixture.broker, room("a"));
    let (alice, bob) = (user("alice"), user("bob"));
    assert_eq!(fields(broker.members(&a, 10).await), presence(&[], 0, false));
    assert_eq!(fields(broker.enter(&a, &alice, 10).await), presence(&["alice"], 1, true));
    let both = broker.enter(&a, &bob, 10).await.expect("entered");
    assert_eq!((both.count, both.changed), (2, true));
    assert_eq!(sorted(both.members.users()), users(&["alice", "bob"]));

    let again = broker.enter(&a, &alice, 10).await.expect("entered");
    assert_eq!((again.count, again.changed), (2, false), "a member does not join again");

    let left = broker.leave(&a, &alice, LEFT).await.expect("left");
    assert_eq!((left.count, left.changed), (1, true));
    assert_eq!(fields(broker.members(&a, 10).await), presence(&["bob"], 1, false));
    let again = broker.leave(&a, &alice, LEFT).await.expect("left");
    assert_eq!((again.count, again.changed), (1, false), "a user who is no member does not leave");
    let last = broker.leave(&a, &bob, LEFT).await.expect("left");
    assert_eq!((last.count, last.changed), (0, true));
    assert_eq!(fields(broker.members(&a, 10).await), presence(&[], 0, false));
    let nobody = broker.leave(&a, &bob, LEFT).await.expect("left");
    assert_eq!((nobody.count, nobody.changed), (0, false));
    assert_eq!(fields(broker.enter(&a, &bob, 10).await), presence(&["bob"], 1, true));
}

pub(super) async fn members_receive_joins_and_leaves(fixture: &EngineFixture) {
    let (broker, a) = (&fixture.broker, room("a"));
    broker.open(&a).await.expect("opened");
    for id in ["alice", "bob", "bob"] {
        broker.enter(&a, &user(id), 10).await.expect("entered");
    }
    for id in ["alice", "alice", "bob"] {
        broker.leave(&a, &user(id), LeaveReason::Disconnected).await.expect("left");
    }
    let signals: Vec<_> = fixture.recorder.wait_for_count(4).await.iter().map(signal_fields).collect();
    let expected = [
        ("alice", "alice joined".to_owned(), users(&["alice"]), 1),
        ("bob", "bob joined".to_owned(), users(&["alice", "bob"]), 2),
        ("alice", "alice left".to_owned(), Vec::new(), 1),
        ("bob", "bob left".to_owned(), Vec::new(), 0),
    ];
    let expected = expected.map(|(id, text, named, count)| (Skip::User(user(id)), text, named, count));
    assert_eq!(signals, expected, "once each");
}

/// Skipped members, text, named members and member count of a join or leave.
#[track_caller]
fn signal_fields(event: &FeedEvent) -> (Skip, String, Vec<UserId>, u64) {
    let FeedEvent::Signal(_, signal) = event else { panic!("not a signal: {event:?}") };
    match codec::decode_server(&signal.json).expect("a frame").event {
        ServerEvent::System(SystemEvent::Joined(joined)) => {
            (signal.skip.clone(), joined.message, sorted(joined.members), joined.member_count)
        }
        ServerEvent::System(SystemEvent::Left(left)) => {
            assert_eq!(left.reason, LeaveReason::Disconnected);
            (signal.skip.clone(), left.message, Vec::new(), left.member_count)
        }
        other => panic!("neither joined nor left: {other:?}"),
    }
}

pub(super) async fn rooms_do_not_share_their_members(fixture: &EngineFixture) {
    let broker = &fixture.broker;
    for name in ["a", "b"] {
        let entered = broker.enter(&room(name), &user("alice"), 10).await;
        assert_eq!(fields(entered), presence(&["alice"], 1, true));
    }
    broker.leave(&room("a"), &user("alice"), LEFT).await.expect("left");
    assert_eq!(fields(broker.members(&room("b"), 10).await), presence(&["alice"], 1, false));
}

pub(super) async fn at_most_the_requested_members_are_named(fixture: &EngineFixture) {
    let (broker, a) = (&fixture.broker, room("a"));
    for id in ["alice", "bob", "carol"] {
        broker.enter(&a, &user(id), 0).await.expect("entered");
    }
    let some = broker.members(&a, 2).await.expect("members");
    assert_eq!((some.members.users().len(), some.count), (2, 3));
    assert_eq!(broker.members(&a, 2).await, Ok(some), "in a fixed order");
    let entered = broker.enter(&a, &user("dave"), 1).await.expect("entered");
    assert_eq!((entered.members.users().len(), entered.count), (1, 4));
}

/// The names, sorted as an answer is, and true if there may be more.
async fn found(fixture: &EngineFixture, prefix: &str, limit: usize) -> (Vec<String>, bool) {
    let found = fixture.broker.find_members(&room("a"), MemberPrefix::new(prefix), limit).await;
    let FoundMembers { members, count, has_more } = found.expect("an answer");
    let all = fixture.broker.members(&room("a"), 0).await.expect("members");
    assert_eq!(count, all.count, "{prefix:?}");
    (members.users().iter().map(|user| user.as_str().to_owned()).collect(), has_more)
}

fn names(ids: &[&str], has_more: bool) -> (Vec<String>, bool) {
    (ids.iter().copied().map(str::to_owned).collect(), has_more)
}

pub(super) async fn members_are_found_by_a_prefix_in_upper_or_lower_case(fixture: &EngineFixture) {
    assert_eq!(found(fixture, "al", 10).await, names(&[], false), "nobody is in the room");
    let ids = ["alex", "Alice", "ALF", "al", "a", "am", "bob", "Ärzte", "ärger", "日本", "日曜"];
    for id in ids {
        fixture.broker.enter(&room("a"), &user(id), 0).await.expect("entered");
    }
    let of_al = ["ALF", "Alice", "al", "alex"];
    for prefix in ["al", "AL", "aL"] {
        assert_eq!(found(fixture, prefix, 10).await, names(&of_al, false), "{prefix}");
    }
    assert_eq!(found(fixture, "al", 4).await, names(&of_al, false));
    assert_eq!(found(fixture, "al", 3).await, names(&of_al[..3], true));
    assert_eq!(found(fixture, "är", 10).await, names(&["Ärzte", "ärger"], false));
    assert_eq!(found(fixture, "日", 1).await, names(&["日曜"], true));
    assert_eq!(found(fixture, "alexander", 10).await, names(&[], false));
    assert_eq!(found(fixture, "zoe", 10).await, names(&[], false));
    assert_eq!(found(fixture, "0", 10).await, names(&[], false));
    assert_eq!(found(fixture, &"a".repeat(65), 10).await, names(&[], false));
    assert_eq!(found(fixture, "al\nex", 10).await, names(&[], false));
    let mut all = ids.map(str::to_owned).to_vec();
    all.sort();
    assert_eq!(found(fixture, "", 20).await, (all.clone(), false));
    assert_eq!(found(fixture, "", 2).await, (all[..2].to_vec(), true));
    fixture.broker.leave(&room("a"), &user("Alice"), LEFT).await.expect("left");
    assert_eq!(found(fixture, "ali", 10).await, names(&[], false));
}

/// Each prefix is compared with all members, in rooms of a size that engines keep in different structures.
pub(super) async fn a_search_finds_exactly_the_members_with_the_prefix(fixture: &EngineFixture) {
    let letters = ["a", "A", "b", "Z", "ä", "Ä", "σ", "Σ"];
    let mut ids = Vec::new();
    for (one, two) in letters.iter().flat_map(|one| letters.iter().map(move |two| (one, two))) {
        ids.extend(letters.iter().map(|three| format!("{one}{two}{three}")));
    }
    let mut sorted_ids = ids.clone();
    sorted_ids.sort();
    let mut entered = Vec::new();
    for ids in [&ids[..20], &ids[20..]] {
        for id in ids {
            fixture.broker.enter(&room("a"), &user(id), 0).await.expect("entered");
            entered.push(id.clone());
        }
        for prefix in ["", "a", "B", "ba", "äz", "ΣσΣ", "aaa", "aab", "zb", "ZZZ", "c", "aaaa"] {
            let begins = |id: &&String| {
                id.to_lowercase().replace('ς', "σ").starts_with(&prefix.to_lowercase().replace('ς', "σ"))
            };
            let matching = sorted_ids.iter().filter(|id| entered.contains(*id)).filter(begins);
            let expected: Vec<String> = matching.cloned().collect();
            assert_eq!(found(fixture, prefix, 600).await, (expected.clone(), false), "{prefix:?}");
            let some = expected.iter().take(3).cloned().collect();
            assert_eq!(found(fixture, prefix, 3).await, (some, expected.len() > 3), "{prefix:?}");
        }
    }
}

pub(super) async fn a_search_for_members_ends_after_many_places_without_a_match(fixture: &EngineFixture) {
    // Each name agrees with the prefix in another case, but for the last character.
    for number in 0..512_u32 {
        let case = |nth: u32| if number >> nth & 1 == 0 { 'a' } else { 'A' };
        let id: String = (0..9).map(case).chain(['b']).collect();
        fixture.broker.enter(&room("a"), &user(&id), 0).await.expect("entered");
    }
    assert_eq!(found(fixture, "aaaaaaaaac", 10).await, names(&[], true));
    let (matches, has_more) = found(fixture, "aaaaaaaaab", 500).await;
    assert_eq!((matches.len(), has_more), (500, true), "matches are no such places");
    assert_eq!(found(fixture, "aaaac", 10).await, names(&[], false), "few places");
}

pub(super) async fn connections_are_counted(fixture: &EngineFixture) {
    let (broker, alice, bob) = (&fixture.broker, user("alice"), user("bob"));
    assert_eq!(broker.connect(&alice, 0).await, Ok(Some(1)));
    assert_eq!(broker.connect(&alice, 0).await, Ok(Some(2)));
    assert_eq!(broker.connect(&bob, 0).await, Ok(Some(3)));
    broker.disconnect(&alice);
    assert_eq!(broker.connect(&bob, 0).await, Ok(Some(3)));
    for (id, times) in [(&alice, 1), (&bob, 2)] {
        (0..times).for_each(|_| broker.disconnect(id));
    }
    // A surplus call does not change the count.
    broker.disconnect(&alice);
    assert_eq!(broker.connect(&alice, 0).await, Ok(Some(1)));
}

pub(super) async fn connections_of_a_user_are_limited(fixture: &EngineFixture) {
    let (broker, alice, bob) = (&fixture.broker, user("alice"), user("bob"));
    assert_eq!(broker.connect(&alice, 2).await, Ok(Some(1)));
    assert_eq!(broker.connect(&alice, 2).await, Ok(Some(2)));
    assert_eq!(broker.connect(&alice, 2).await, Ok(None));
    assert_eq!(broker.connect(&bob, 2).await, Ok(Some(3)), "a refused connection is not counted");
    broker.disconnect(&alice);
    assert_eq!(broker.connect(&alice, 2).await, Ok(Some(3)));
    assert_eq!(broker.connect(&alice, 2).await, Ok(None));
}

fn sorted(mut members: Vec<UserId>) -> Vec<UserId> {
    members.sort();
    members
}
