//! Removal of rooms, over restarts and beside joins.

use std::future::poll_fn;
use std::task::Poll;

use super::*;

fn data_dir() -> DataDir {
    DataDir::with(Retain { age: Some(Duration::from_hours(1)), messages: None, confirmed: true })
}

/// An engine that can remove rooms, and has no sweep due.
async fn opened(data_dir: &DataDir) -> SqliteFixture {
    let fixture = data_dir.open();
    listed(&fixture).await;
    fixture.broker.sweep().await;
    fixture
}

/// Names of all rooms, once the list is loaded.
async fn listed(fixture: &SqliteFixture) -> Vec<RoomName> {
    let all = RoomFilter::with_prefix(String::new());
    let (rooms, _) = fixture.broker.list(all, 9).await.expect("a list");
    rooms.into_iter().map(|summary| summary.room).collect()
}

#[tokio::test]
async fn a_removed_room_stays_away_after_a_restart() {
    let data_dir = data_dir();
    let fixture = opened(&data_dir).await;
    let first = fixture.post(submission("alice", "a", "hello")).await;
    assert_eq!(listed(&fixture).await, [room("a")]);
    data_dir.advance(DAY + 1);
    fixture.post(submission("alice", "b", "hello")).await;
    fixture.broker.sweep().await;
    assert_eq!(data_dir.rows(), (0, 0), "the file has no entry of it");
    drop(fixture);

    let fixture = data_dir.open();
    assert_eq!(listed(&fixture).await, [room("b")]);
    assert_eq!(fixture.head("a").await, Position::Start);
    let anew = fixture.post(submission("alice", "a", "hello")).await;
    assert_eq!(anew.seq, Seq::new(1));
    assert_ne!(anew.epoch, first.epoch);
    drop(fixture);
    assert_eq!(data_dir.open().head("a").await, position(&anew));
}

#[tokio::test]
async fn a_room_trimmed_before_a_restart_is_removed_after_it() {
    let data_dir = data_dir();
    let fixture = opened(&data_dir).await;
    fixture.fill("a", 3).await;
    data_dir.advance(DAY);
    fixture.broker.sweep().await;
    assert_eq!(data_dir.rows(), (3, 3), "all trimmed, all known");
    drop(fixture);
    let fixture = opened(&data_dir).await;
    data_dir.advance(1);
    fixture.broker.sweep().await;
    assert_eq!(data_dir.rows(), (0, 0));
}

#[tokio::test]
async fn a_join_waits_for_the_end_of_a_removal() {
    let data_dir = data_dir();
    let fixture = opened(&data_dir).await;
    let last = fixture.post(submission("alice", "a", "hello")).await;
    data_dir.advance(DAY + 1);
    // As the writer does until its commit has returned.
    let claim = fixture.broker.open_rooms.claim(room("a"), |_| false).expect("a claim");
    let mut opened = fixture.broker.open(&room("a"));
    poll_fn(|context| {
        assert!(opened.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    drop(claim);
    assert_eq!(opened.await, Ok(position(&last)));
    fixture.broker.sweep().await;
    assert_eq!(fixture.head("a").await, position(&last), "the joiner keeps the room");
}

#[tokio::test]
async fn a_join_that_is_given_up_keeps_no_room() {
    let data_dir = data_dir();
    let fixture = opened(&data_dir).await;
    fixture.post(submission("alice", "a", "hello")).await;
    data_dir.advance(DAY + 1);
    drop(fixture.broker.open(&room("a")));
    fixture.broker.sweep().await;
    assert_eq!(fixture.head("a").await, Position::Start);
}

/// The order of the three is that of the threads.
#[tokio::test]
async fn a_post_and_a_join_beside_a_removal_agree_about_the_log() {
    let data_dir = data_dir();
    let fixture = opened(&data_dir).await;
    for round in 0..100 {
        fixture.post(submission("alice", "a", "old")).await;
        data_dir.advance(DAY + 1);
        let swept = fixture.broker.queue.sweep();
        let joining = async {
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            fixture.broker.open(&room("a")).await.expect("opened")
        };
        let (head, posted) = tokio::join!(joining, fixture.post(submission("bob", "a", "new")));
        // Ends without a value.
        let _ = swept.await;
        assert!(head.epoch().is_none_or(|epoch| *epoch == posted.epoch), "{head:?}, {posted:?}");
        assert_eq!(head.epoch().is_none(), head.seq() == Seq::ZERO);
        let next = fixture.post(submission("bob", "a", "next")).await;
        assert_eq!((&next.epoch, next.seq), (&posted.epoch, posted.seq.next()), "the room is open");
        let page = fixture.broker.history(&room("a"), Range::Newest, 2, PLENTY).await.expect("a page");
        let stored: Vec<_> = page.entries.iter().map(|entry| entry.id).collect();
        assert_eq!((page.epoch, stored), (Some(next.epoch), vec![posted.id, next.id]));
        fixture.broker.release(&room("a"));
    }
}
