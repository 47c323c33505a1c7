//! Limits on new rooms: two a day for a user, and five in all.

use realtime_shared::{ErrorCode, Position, RoomName, Seq};
use tokio::sync::oneshot;

use super::{EngineFixture, NotStored, Receipt, Submission, room, submission, user};
use crate::broker::RoomFilter;

async fn try_post(fixture: &EngineFixture, submission: Submission) -> Result<Receipt, NotStored> {
    let (done, outcome) = oneshot::channel();
    fixture.submit(submission, |result| drop(done.send(result)));
    outcome.await.expect("completed")
}

#[track_caller]
fn assert_refused(outcome: Result<Receipt, NotStored>, text: &str) {
    match outcome {
        Err(NotStored::Refused { code: ErrorCode::TooManyRooms, message, .. }) => {
            assert!(message.contains(text), "{message}");
        }
        other => panic!("not refused: {other:?}"),
    }
}

async fn listed(fixture: &EngineFixture) -> Vec<RoomName> {
    let all = RoomFilter::with_prefix(String::new());
    let (rooms, _) = fixture.broker.list(all, 100).await.expect("a list");
    let mut names: Vec<_> = rooms.into_iter().map(|summary| summary.room).collect();
    names.sort_unstable();
    names
}

pub(super) async fn a_user_founds_a_limited_number_of_rooms(fixture: &EngineFixture) {
    for name in ["a", "b"] {
        fixture.post(submission("alice", name, "hello").with_id("1")).await;
    }
    for id in ["2", "3"] {
        assert_refused(try_post(fixture, submission("alice", "c", "hello").with_id(id)).await, "2 rooms");
    }
    assert_eq!(listed(fixture).await, ["a", "b"].map(room), "a refused message leaves nothing behind");
    assert_eq!(fixture.head("c").await, Position::Start);
    // Rooms that exist are open to all, and a repeated message is acknowledged.
    assert_eq!(fixture.post(submission("alice", "a", "again")).await.seq, Seq::new(2));
    assert!(fixture.post(submission("alice", "b", "hello").with_id("1")).await.duplicate);
    // Others are not concerned.
    assert_eq!(fixture.post(submission("bob", "c", "hello").with_id("2")).await.seq, Seq::new(1));
    let stored = fixture.post(submission("alice", "c", "hello").with_id("2")).await;
    assert_eq!((stored.seq, stored.duplicate), (Seq::new(2), false), "a refused message is not known");
}

pub(super) async fn a_join_founds_no_room(fixture: &EngineFixture) {
    for number in 0..9 {
        let name = room(&number.to_string());
        fixture.broker.open(&name).await.expect("opened");
        fixture.broker.enter(&name, &user("alice"), 0).await.expect("entered");
    }
    for number in 0..9 {
        let name = room(&number.to_string());
        fixture.broker.leave(&name, &user("alice"), realtime_shared::LeaveReason::Left).await.expect("left");
        fixture.broker.release(&name);
    }
    fixture.post(submission("alice", "7", "hello")).await;
}

pub(super) async fn the_number_of_rooms_is_limited(fixture: &EngineFixture) {
    for (user, name) in [("alice", "a"), ("alice", "b"), ("bob", "c"), ("bob", "d"), ("carol", "e")] {
        fixture.post(submission(user, name, "hello")).await;
    }
    assert_refused(try_post(fixture, submission("carol", "f", "hello")).await, "5 rooms");
    assert_eq!(listed(fixture).await, ["a", "b", "c", "d", "e"].map(room));
    fixture.post(submission("carol", "e", "again")).await;
    let exempt = |name| Submission { is_exempt: true, ..submission("root", name, "hello") };
    for name in ["f", "g", "h"] {
        assert_eq!(fixture.post(exempt(name)).await.seq, Seq::new(1), "{name}");
    }
    assert_eq!(listed(fixture).await.len(), 8);
}
