//! Direct rooms, read markers, mentions, inboxes and notifications. An engine without one of the features is skipped.

use std::sync::Arc;

use realtime_shared::{
    Change, Content, Delete, DirectPair, Edit, ErrorCode, Feature, Inbox, InboxRoom, LastMessage, Mentions,
    MessageContent, Notify, NotifyReason, Position, Post, Reaction, RoomName, Seq, ServerEvent, Text, UserId,
    codec,
};
use tokio::sync::oneshot;

use super::{EngineFixture, FeedEvent, NotStored, Receipt, Submission, room, submission, user};
use crate::broker::{Concerned, InboxQuery, Origin, ReadMark, Recipients, SkipConnections};

const NEEDED: [Feature; 4] = [Feature::Direct, Feature::Read, Feature::Inbox, Feature::Notify];
/// The connection that moves markers.
const ORIGIN: Origin = Origin { instance: 1, connection: 2 };

fn is_supported(fixture: &EngineFixture) -> bool {
    let features = fixture.broker.features();
    NEEDED.iter().all(|needed| features.contains(needed))
}

fn pair(one: &str, other: &str) -> DirectPair {
    DirectPair::new(&user(one), &user(other)).expect("short ids")
}

async fn open_direct(fixture: &EngineFixture, asker: &str, other: &str) -> Result<RoomName, NotStored> {
    let pair = pair(asker, other);
    let opened = fixture.broker.open_direct(&pair, &user(asker), false).await.expect("available");
    opened.map(|()| pair.room())
}

async fn outcome(fixture: &EngineFixture, submission: Submission) -> Result<Receipt, NotStored> {
    let (done, outcome) = oneshot::channel();
    fixture.submit(submission, |result| drop(done.send(result)));
    outcome.await.expect("completed")
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, NotStored>, expected: ErrorCode) {
    match outcome {
        Err(NotStored::Refused { code, .. }) if code == expected => {}
        other => panic!("not refused with {expected:?}: {other:?}"),
    }
}

/// A change of an entry in room `a`.
fn change(from: &str, change: Change) -> Submission {
    let post = Post { room: room("a"), content: change.into(), client_msg_id: None };
    Submission::new(user(from), post)
}

fn delete(from: &str, target: Seq) -> Submission {
    change(from, Change::Delete(Delete { target, target_id: None, reason: None }))
}

fn react(from: &str, target: Seq) -> Submission {
    let emoji = "👍".parse().expect("an emoji");
    change(from, Change::Reaction(Reaction { target, target_id: None, emoji, removed: false }))
}

fn mentions(users: &[&str]) -> Mentions {
    Mentions::new(users.iter().map(|id| user(id)).collect()).expect("few users")
}

fn edit(from: &str, target: Seq, text: &str, mentioned: Option<&[&str]>) -> Submission {
    let (text, mentions) = (Text::new(text).expect("a text"), mentioned.map(mentions));
    change(from, Change::Edit(Edit { target, target_id: None, text, mentions, deleted: false }))
}

fn mentioning(from: &str, to: &str, text: &str, mentioned: &[&str]) -> Submission {
    let text = Text::new(text).expect("a text");
    let content = MessageContent { mentions: Some(mentions(mentioned)), ..text.into() };
    Submission::new(
        user(from),
        Post { room: room(to), content: Content::Message(content), client_msg_id: None },
    )
}

/// Joins a room as the registry does. Returns the marker.
async fn join(fixture: &EngineFixture, who: &str, name: &RoomName) -> Option<u64> {
    let head = fixture.head(name.as_str()).await.seq();
    fixture.broker.mark_joined(name, &user(who), head).await.expect("available").map(Seq::get)
}

async fn mark(fixture: &EngineFixture, who: &str, name: &RoomName, seq: u64, is_member: bool) -> u64 {
    let (done, marked) = oneshot::channel();
    let mark =
        ReadMark { user: user(who), room: name.clone(), seq: Seq::new(seq), is_member, origin: ORIGIN };
    fixture.broker.mark_read(
        mark,
        Box::new(|result| {
            let _ = done.send(result);
        }),
    );
    fixture.broker.flush();
    marked.await.expect("completed").expect("available").get()
}

async fn read(fixture: &EngineFixture, who: &str, name: &RoomName, seq: u64) -> u64 {
    mark(fixture, who, name, seq, true).await
}

async fn inbox_with(fixture: &EngineFixture, who: &str, query: InboxQuery) -> Inbox {
    fixture.broker.inbox(&user(who), query).await.expect("available")
}

async fn inbox(fixture: &EngineFixture, who: &str) -> Vec<InboxRoom> {
    let query = InboxQuery { limit: 100, bytes: 1 << 20, may_use: Box::new(|_| true) };
    let Inbox { rooms, has_more } = inbox_with(fixture, who, query).await;
    assert!(!has_more);
    rooms
}

async fn room_in_inbox(fixture: &EngineFixture, who: &str, name: &RoomName) -> InboxRoom {
    let rooms = inbox(fixture, who).await;
    let found = rooms.iter().find(|listed| listed.room == *name);
    found.unwrap_or_else(|| panic!("{name} is not in {rooms:?}")).clone()
}

/// The unread messages, the mentions, the first of them, and the marker.
async fn standing(fixture: &EngineFixture, who: &str, name: &RoomName) -> (u64, u64, Option<u64>, u64) {
    let InboxRoom { unread, mentions, first_mention_seq, read_seq, .. } =
        room_in_inbox(fixture, who, name).await;
    (unread, mentions, first_mention_seq.map(Seq::get), read_seq.get())
}

/// The notifications recorded so far: receiver, text and reason.
fn notifications(events: &[FeedEvent]) -> Vec<(UserId, String, NotifyReason)> {
    let notified = |event: &FeedEvent| match event {
        FeedEvent::Broadcast(Recipients::Concerned(concerned), json) => {
            let Concerned { user, room, skip } = concerned;
            match codec::decode_server(json).expect("a frame").event {
                ServerEvent::Notify(Notify { room: about, text, reason, .. }) => {
                    assert_eq!((room, *skip), (&about, SkipConnections::InRoom));
                    Some((user.clone(), text.to_string(), reason))
                }
                _ => None,
            }
        }
        _ => None,
    };
    events.iter().filter_map(notified).collect()
}

/// Waits for a notification of `who`, and returns all until then, sorted.
async fn notified(fixture: &EngineFixture, who: &str, text: &str) -> Vec<(UserId, String, NotifyReason)> {
    let has_it = |events: &[FeedEvent]| {
        notifications(events).iter().any(|(user, of, _)| user.as_str() == who && of == text)
    };
    let mut all = notifications(&fixture.recorder.wait_until(has_it).await);
    all.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    fixture.recorder.take();
    all
}

pub(super) async fn a_direct_room_is_known_to_its_two_users(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let direct = pair("bob", "alice").room();
    assert_eq!(fixture.broker.direct_pair(&direct).await, Ok(None));
    for (asker, other) in [("alice", "bob"), ("bob", "alice"), ("alice", "bob")] {
        assert_eq!(open_direct(fixture, asker, other).await, Ok(direct.clone()));
        assert_eq!(fixture.broker.direct_pair(&direct).await, Ok(Some(pair("alice", "bob"))));
    }
    assert_eq!(fixture.broker.direct_rooms(&user("alice")).await, Ok(Vec::new()), "nobody is there");

    let posted = fixture.post(submission("alice", direct.as_str(), "psst")).await;
    for (who, other) in [("alice", "bob"), ("bob", "alice")] {
        let listed = fixture.broker.direct_rooms(&user(who)).await.expect("a list");
        let [listed] = &listed[..] else { panic!("{listed:?}") };
        assert_eq!((&listed.room, &listed.user_id), (&direct, &Some(user(other))));
        assert_eq!((listed.position.seq(), listed.last_ts), (posted.seq, Some(posted.ts)));
        assert_eq!(room_in_inbox(fixture, who, &direct).await.user_id, Some(user(other)));
    }
    assert_eq!(fixture.broker.direct_rooms(&user("carol")).await, Ok(Vec::new()));
    assert_eq!(inbox(fixture, "carol").await, []);
    let all = crate::broker::RoomFilter::with_prefix(String::new());
    assert_eq!(fixture.broker.list(all, 10).await, Ok((Vec::new(), false)), "the list of all rooms");
}

pub(super) async fn a_direct_message_waits_for_a_user_who_was_never_there(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let direct = open_direct(fixture, "alice", "bob").await.expect("opened");
    for text in ["one", "two"] {
        fixture.post(submission("alice", direct.as_str(), text)).await;
    }
    assert_eq!(standing(fixture, "bob", &direct).await, (2, 0, None, 0));
    assert_eq!(join(fixture, "bob", &direct).await, Some(0), "the marker stays before the messages");
    assert_eq!(read(fixture, "bob", &direct, 2).await, 2);
    assert_eq!(standing(fixture, "bob", &direct).await, (0, 0, None, 2));
    // A direct room stays in the inbox after it was left.
    fixture.broker.mark_left(&direct, &user("bob"));
    assert_eq!(standing(fixture, "bob", &direct).await, (0, 0, None, 2));
}

/// The limit is two new rooms for a user.
pub(super) async fn a_direct_room_counts_as_a_new_room_of_the_user_who_asks(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let notes = open_direct(fixture, "alice", "alice").await.expect("opened");
    let with_bob = open_direct(fixture, "alice", "bob").await.expect("opened");
    assert_refused(open_direct(fixture, "alice", "carol").await, ErrorCode::TooManyRooms);
    assert_eq!(fixture.broker.direct_pair(&pair("alice", "carol").room()).await, Ok(None));
    assert_refused(outcome(fixture, submission("alice", "a", "hello")).await, ErrorCode::TooManyRooms);
    // A room that is stored already does not count, nor does its first message.
    assert_eq!(open_direct(fixture, "alice", "bob").await, Ok(with_bob.clone()));
    for name in [&notes, &with_bob] {
        fixture.post(submission("alice", name.as_str(), "hello")).await;
    }
    // Bob has founded nothing so far.
    for name in ["a", "b"] {
        fixture.post(submission("bob", name, "hello")).await;
    }
    assert_refused(outcome(fixture, submission("bob", "c", "hello")).await, ErrorCode::TooManyRooms);
}

pub(super) async fn a_reserved_room_is_founded_by_nothing_else(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    for name in [pair("alice", "bob").room().as_str(), "dm:alice", "sys:hooks"] {
        let mut admin = submission("alice", name, "hello").with_id("1");
        admin.is_exempt = true;
        assert_refused(outcome(fixture, admin).await, ErrorCode::Forbidden);
        assert_eq!(fixture.head(name).await, Position::Start);
    }
}

pub(super) async fn a_read_marker_moves_forward_only(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let name = room("a");
    assert_eq!(read(fixture, "bob", &name, 5).await, 0, "the room has no entry");
    fixture.fill("a", 5).await;
    assert_eq!(join(fixture, "bob", &name).await, Some(5), "the first join makes a marker at the head");
    fixture.fill("a", 5).await;
    fixture.recorder.take();
    for (seq, stored) in [(7, 7), (6, 7), (7, 7), (99, 10), (8, 10)] {
        assert_eq!(read(fixture, "bob", &name, seq).await, stored, "read up to {seq}");
        assert_eq!(standing(fixture, "bob", &name).await, (10 - stored, 0, None, stored));
    }
    assert_eq!(join(fixture, "bob", &name).await, Some(10));
    // Other connections of the user get each marker that has moved.
    let concerned = Recipients::Concerned(Concerned {
        user: user("bob"),
        room: name.clone(),
        skip: SkipConnections::One(ORIGIN),
    });
    let frame = |seq: u64| -> Arc<str> { format!(r#"{{"type":"read","room":"a","seq":{seq}}}"#).into() };
    let expected = [7, 10].map(|seq| FeedEvent::Broadcast(concerned.clone(), frame(seq)));
    let is_broadcast = |event: &&FeedEvent| matches!(event, FeedEvent::Broadcast(..));
    let events = fixture.recorder.wait_until(|events| events.iter().filter(is_broadcast).count() >= 2).await;
    assert_eq!(events.into_iter().filter(|event| is_broadcast(&event)).collect::<Vec<_>>(), expected);
}

pub(super) async fn users_in_a_new_room_have_read_nothing_of_it(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let name = room("a");
    fixture.broker.open(&name).await.expect("opened");
    assert_eq!(fixture.broker.mark_joined(&name, &user("bob"), Seq::ZERO).await, Ok(None));
    fixture.recorder.members.lock().insert((name.clone(), user("bob")));
    fixture.fill("a", 2).await;
    assert_eq!(standing(fixture, "bob", &name).await, (2, 0, None, 0));
    assert_eq!(inbox(fixture, "alice").await, [], "who posts and is not in the room");
}

pub(super) async fn unread_messages_are_counted_up_to_a_thousand(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let name = room("a");
    let target = fixture.post(submission("alice", "a", "hello")).await.seq;
    assert_eq!(join(fixture, "bob", &name).await, Some(1));
    fixture.post(react("carol", target)).await;
    let second = fixture.post(submission("alice", "a", "again")).await.seq;
    fixture.post(edit("alice", target, "hello!", None)).await;
    fixture.post(edit("alice", second, "edited", None)).await;
    assert_eq!(standing(fixture, "bob", &name).await, (1, 0, None, 1), "changes do not count");
    let listed = room_in_inbox(fixture, "bob", &name).await;
    let LastMessage { from, text, .. } = listed.last.expect("a message");
    assert_eq!((from.as_str(), text.as_str()), ("alice", "edited"), "as it is now");
    assert_eq!(listed.position.seq(), Seq::new(5));
    assert_eq!(read(fixture, "bob", &name, 3).await, 3);
    assert_eq!(standing(fixture, "bob", &name).await, (0, 0, None, 3));
    fixture.post(delete("alice", second)).await;
    assert!(room_in_inbox(fixture, "bob", &name).await.last.expect("a message").text.is_empty());

    for number in 0..1_001 {
        fixture.submit(submission("alice", "a", &number.to_string()), |_| {});
    }
    fixture.post(submission("alice", "a", "last")).await;
    assert_eq!(standing(fixture, "bob", &name).await.0, 1_000);
}

pub(super) async fn mentions_are_those_of_the_list_or_of_words(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let name = room("a");
    fixture.post(submission("alice", "a", "hello @bob")).await;
    assert_eq!(join(fixture, "bob", &name).await, Some(1));
    assert_eq!(join(fixture, "alice", &name).await, Some(1));
    // Carol has never been in the room.
    fixture.post(submission("alice", "a", "@bob, @carol @alice @nobody")).await;
    fixture.post(mentioning("alice", "a", "you two", &["bob", "carol", "alice"])).await;
    fixture.post(mentioning("alice", "a", "not @bob", &[])).await;
    fixture.post(submission("bob", "a", "nothing")).await;
    assert_eq!(standing(fixture, "bob", &name).await, (4, 2, Some(2), 1));
    assert_eq!(standing(fixture, "carol", &name).await, (5, 1, Some(3), 0));
    assert_eq!(standing(fixture, "alice", &name).await, (4, 0, None, 1), "nobody mentions oneself");
    assert_eq!(inbox(fixture, "nobody").await, []);
    assert_eq!(read(fixture, "bob", &name, 2).await, 2);
    assert_eq!(standing(fixture, "bob", &name).await, (3, 1, Some(3), 2));
    // A direct room has no mentions of others.
    let direct = open_direct(fixture, "alice", "bob").await.expect("opened");
    fixture.post(mentioning("alice", direct.as_str(), "psst", &["bob", "carol"])).await;
    assert_eq!(standing(fixture, "bob", &direct).await, (1, 1, Some(1), 0));
    assert_eq!(inbox(fixture, "carol").await.len(), 1);
}

pub(super) async fn an_edit_replaces_mentions_and_a_deletion_ends_them(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let name = room("a");
    let first = fixture.post(mentioning("alice", "a", "hello", &["bob"])).await.seq;
    let second = fixture.post(mentioning("alice", "a", "hello", &["bob"])).await.seq;
    fixture.post(edit("alice", first, "hello", Some(&["carol", "bob"]))).await;
    assert_eq!(standing(fixture, "bob", &name).await, (2, 2, Some(1), 0));
    assert_eq!(standing(fixture, "carol", &name).await, (2, 1, Some(1), 0));
    fixture.post(edit("alice", first, "hello", Some(&["carol"]))).await;
    assert_eq!(standing(fixture, "bob", &name).await, (2, 1, Some(2), 0));
    fixture.post(delete("alice", second)).await;
    assert_eq!(inbox(fixture, "bob").await, [], "bob was never in the room");
    fixture.post(delete("alice", first)).await;
    assert_eq!(inbox(fixture, "carol").await, []);
}

pub(super) async fn an_inbox_is_ordered_limited_and_within_the_rights(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    for name in ["read", "old", "new", "mentioned", "left"] {
        fixture.post(submission("alice", name, "hello")).await;
        join(fixture, "bob", &room(name)).await;
    }
    let direct = open_direct(fixture, "alice", "bob").await.expect("opened");
    fixture.post(submission("alice", "old", "unread")).await;
    fixture.post(submission("alice", "new", "unread")).await;
    fixture.post(mentioning("alice", "mentioned", "unread", &["bob"])).await;
    fixture.post(submission("alice", direct.as_str(), "unread")).await;
    fixture.broker.mark_left(&room("left"), &user("bob"));
    fixture.post(submission("alice", "left", "unread")).await;
    let names =
        |rooms: &[InboxRoom]| -> Vec<String> { rooms.iter().map(|listed| listed.room.to_string()).collect() };
    let in_order = [direct.as_str(), "mentioned", "old", "new", "read"];
    // Times have milliseconds: two rooms may have the same one, and are in the order of their names then.
    let mut listed = names(&inbox(fixture, "bob").await);
    listed[2..4].sort_by_key(|name| name == "new");
    assert_eq!(listed, in_order);
    fixture.post(mentioning("alice", "left", "come back", &["bob"])).await;
    assert_eq!(names(&inbox(fixture, "bob").await).len(), 6, "a mention in a room that was left");
    join(fixture, "bob", &room("left")).await;
    read(fixture, "bob", &room("left"), 3).await;
    assert_eq!(names(&inbox(fixture, "bob").await).len(), 6, "joined again");

    let limited = |limit, may_use: fn(&RoomName) -> bool| InboxQuery {
        limit,
        bytes: 1 << 20,
        may_use: Box::new(may_use),
    };
    let Inbox { rooms, has_more } = inbox_with(fixture, "bob", limited(2, |_| true)).await;
    assert_eq!((names(&rooms), has_more), (in_order[..2].iter().map(ToString::to_string).collect(), true));
    let allowed = |room: &RoomName| matches!(room.as_str(), "mentioned" | "read");
    let Inbox { rooms, has_more } = inbox_with(fixture, "bob", limited(2, allowed)).await;
    assert_eq!((names(&rooms), has_more), (vec!["mentioned".to_owned(), "read".to_owned()], false));
}

pub(super) async fn users_are_notified_of_direct_messages_and_mentions(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    fixture.post(submission("alice", "a", "hello")).await;
    join(fixture, "bob", &room("a")).await;
    fixture.recorder.take();
    let is = |who: &str, text: &str, reason| (user(who), text.to_owned(), reason);
    let words = fixture.post(submission("alice", "a", "@bob @carol")).await.seq;
    let expected = [is("bob", "@bob @carol", NotifyReason::Mention)];
    assert_eq!(notified(fixture, "bob", "@bob @carol").await, expected);
    // Those whom the message has mentioned are not notified again.
    fixture.post(edit("alice", words, "both", Some(&["bob", "carol"]))).await;
    assert_eq!(notified(fixture, "carol", "both").await, [is("carol", "both", NotifyReason::Mention)]);

    let direct = open_direct(fixture, "alice", "bob").await.expect("opened");
    let notes = open_direct(fixture, "alice", "alice").await.expect("opened");
    fixture.post(mentioning("alice", notes.as_str(), "a note", &["alice", "bob"])).await;
    fixture.post(mentioning("alice", direct.as_str(), "psst", &["bob", "carol"])).await;
    assert_eq!(notified(fixture, "bob", "psst").await, [is("bob", "psst", NotifyReason::Direct)]);
    fixture.post(submission("bob", direct.as_str(), "yes?")).await;
    assert_eq!(notified(fixture, "alice", "yes?").await, [is("alice", "yes?", NotifyReason::Direct)]);
}

/// The newest three messages are kept.
pub(super) async fn a_mention_is_dropped_with_its_message(fixture: &EngineFixture) {
    if !is_supported(fixture) {
        return;
    }
    let name = room("a");
    fixture.post(mentioning("alice", "a", "hello", &["bob"])).await;
    fixture.fill("a", 2).await;
    assert_eq!(standing(fixture, "bob", &name).await, (3, 1, Some(1), 0));
    join(fixture, "carol", &name).await;
    fixture.fill("a", 4).await;
    assert_eq!(inbox(fixture, "bob").await, []);
    assert_eq!(
        standing(fixture, "carol", &name).await,
        (3, 0, None, 3),
        "four messages, of which one is dropped"
    );
}
