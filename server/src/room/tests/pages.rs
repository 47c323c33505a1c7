//! Pages of the store that several readers share, and the order in which readers wait for them.

use std::ops::RangeInclusive;
use std::pin::{Pin, pin};
use std::time::Instant;

use super::replay::messages;
use super::*;
use crate::broker::steered::Method;
use crate::broker::{Entry, Feed, Page};
use crate::room::page_queue::{KEPT_FOR, KEPT_PAGES, PageQueue, ReadTurn, Turn};

/// A page with the entries of a range.
fn page_of(seqs: RangeInclusive<u64>) -> Page {
    let entry =
        |seq| Entry { seq: Seq::new(seq), id: EntryId::from_u128(u128::from(seq)), json: "{}".into() };
    Page { epoch: None, entries: seqs.map(entry).collect(), has_more: true }
}

/// Two open rooms.
async fn rooms(registry: &Arc<Registry>) -> [Arc<Room>; 2] {
    let mut rooms = Vec::new();
    for name in ["a", "b"] {
        let client = RoomClient::joined(registry, "member", name).await;
        rooms.push(client.seat.as_ref().expect("in a room").0.clone());
    }
    rooms.try_into().ok().expect("two rooms")
}

/// The outcome of one poll.
async fn poll_once<F: Future>(future: Pin<&mut F>) -> Option<F::Output> {
    let mut future = future;
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// Takes a turn that must be free.
async fn free_turn(queue: &Arc<PageQueue>, room: &Arc<Room>, after: u64) -> ReadTurn {
    match poll_once(pin!(queue.turn(room, Seq::new(after)))).await {
        Some(Turn::Read(turn)) => turn,
        Some(Turn::Shared(_)) => panic!("a page is shared"),
        None => panic!("no turn is free"),
    }
}

/// Messages of the room from the store, and then its members.
fn then_members(numbers: RangeInclusive<u64>) -> Vec<String> {
    let mut expected = messages(numbers);
    expected.push("members 12".to_owned());
    expected
}

#[tokio::test]
async fn readers_at_the_same_place_share_a_read_of_the_store() {
    let (registry, steering) = steered_registry(config());
    let _alice = RoomClient::joined(&registry, "alice", "a").await;
    fill(&registry, "a", 5).await;
    let mut readers = Vec::new();
    for number in 0..10 {
        readers.push(RoomClient::joined(&registry, &format!("reader-{number}"), "a").await);
    }
    let mut later = RoomClient::joined(&registry, "later", "a").await;
    fill(&registry, "a", 10).await;
    assert_eq!(later.read().await, then_members(6..=15));
    fill(&registry, "a", 60).await;
    steering.calls(&[]);
    for reader in &mut readers {
        assert_eq!(reader.read().await, then_members(6..=75));
    }
    assert_eq!(later.read().await, then_members(16..=75), "a part of the page");
    assert_eq!(steering.calls(&[Method::History]), [Method::History]);
}

#[tokio::test]
async fn a_page_goes_to_the_readers_that_wait_for_an_entry_of_it() {
    let registry = registry(config());
    let [a, b] = rooms(&registry).await;
    let queue = PageQueue::new(1);
    let turn = free_turn(&queue, &a, 0).await;
    let mut within = pin!(queue.turn(&a, Seq::new(19)));
    let mut elsewhere = pin!(queue.turn(&b, Seq::new(5)));
    let mut beyond = pin!(queue.turn(&a, Seq::new(20)));
    assert!(poll_once(within.as_mut()).await.is_none());
    assert!(poll_once(elsewhere.as_mut()).await.is_none());
    assert!(poll_once(beyond.as_mut()).await.is_none());
    let page = turn.finish(page_of(1..=20));
    let Some(Turn::Shared(shared)) = poll_once(within).await else { panic!("no page") };
    assert!(Arc::ptr_eq(&shared, &page));
    let Some(Turn::Read(turn)) = poll_once(elsewhere).await else { panic!("the next turn") };
    assert!(poll_once(beyond.as_mut()).await.is_none(), "one page is read at a time");
    drop(turn);
    assert!(matches!(poll_once(beyond).await, Some(Turn::Read(_))));
}

#[tokio::test]
async fn a_page_is_kept_for_the_readers_that_follow() {
    let registry = registry(config());
    let [a, b] = rooms(&registry).await;
    let queue = PageQueue::new(1);
    let began = Instant::now();
    let page = free_turn(&queue, &a, 0).await.finish(page_of(1..=20));
    let reading = free_turn(&queue, &b, 0).await;
    queue.trim(began + KEPT_FOR / 2);
    let Some(Turn::Shared(shared)) = poll_once(pin!(queue.turn(&a, Seq::new(7)))).await else {
        panic!("no page")
    };
    assert!(Arc::ptr_eq(&shared, &page));
    drop(reading);
    queue.trim(Instant::now() + KEPT_FOR * 2);
    free_turn(&queue, &a, 7).await;
}

#[tokio::test]
async fn the_number_of_kept_pages_is_limited() {
    let registry = registry(config());
    let [a, _] = rooms(&registry).await;
    let queue = PageQueue::new(1);
    for number in 0..=KEPT_PAGES as u64 {
        free_turn(&queue, &a, number).await.finish(page_of(number + 1..=number + 1));
    }
    assert!(matches!(poll_once(pin!(queue.turn(&a, Seq::new(1)))).await, Some(Turn::Shared(_))));
    free_turn(&queue, &a, 0).await;
}

#[tokio::test]
async fn a_page_of_a_replaced_log_is_not_shared() {
    let registry = registry(config());
    let receipts = fill(&registry, "a", 1).await;
    let [a, _] = rooms(&registry).await;
    let queue = PageQueue::new(1);
    let replace = |seq| {
        let epoch = receipts[0].epoch.clone();
        let start = Position::At { epoch, seq: Seq::new(seq), id: other_id() };
        registry.reset(&room("a"), &Position::Start, &start, 0);
    };
    // The log is replaced while the page is read.
    let turn = free_turn(&queue, &a, 0).await;
    let mut before = pin!(queue.turn(&a, Seq::new(5)));
    assert!(poll_once(before.as_mut()).await.is_none());
    replace(3);
    let mut after = pin!(queue.turn(&a, Seq::new(5)));
    assert!(poll_once(after.as_mut()).await.is_none());
    turn.finish(page_of(1..=20));
    assert!(matches!(poll_once(before).await, Some(Turn::Shared(_))), "it waits for the former log");
    let Some(Turn::Read(turn)) = poll_once(after).await else { panic!("a page of the former log") };
    // The log is replaced after the page was read.
    turn.finish(page_of(6..=20));
    replace(4);
    free_turn(&queue, &a, 5).await;
}

#[tokio::test]
async fn readers_that_have_ended_pass_their_turns_on() {
    let registry = registry(config());
    let [a, _] = rooms(&registry).await;
    let queue = PageQueue::new(1);
    let turn = free_turn(&queue, &a, 0).await;
    let mut gone = Box::pin(queue.turn(&a, Seq::new(100)));
    let mut granted = Box::pin(queue.turn(&a, Seq::new(200)));
    let mut last = pin!(queue.turn(&a, Seq::new(300)));
    assert!(poll_once(gone.as_mut()).await.is_none());
    assert!(poll_once(granted.as_mut()).await.is_none());
    assert!(poll_once(last.as_mut()).await.is_none());
    drop(gone);
    drop(turn);
    assert!(poll_once(last.as_mut()).await.is_none(), "the turn is of another reader");
    // This reader ends after it got the turn, and before it knows.
    drop(granted);
    let Some(Turn::Read(turn)) = poll_once(last).await else { panic!("no turn") };
    drop(turn);
    free_turn(&queue, &a, 0).await;
}
