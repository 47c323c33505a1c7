//! Search of messages in the file: the index follows the store through restarts, changes of the setting, and removals.

use std::path::Path;

use realtime_shared::{Feature, RoomName};
use tokio::time::timeout;

use super::*;
use crate::broker::contract::changes::{delete, edit};
use crate::broker::contract::{TEST_TIMEOUT, user};
use crate::broker::{FoundPage, RoomFilter, SearchQuery};
use crate::search::Query;

async fn search(fixture: &SqliteFixture, words: &str) -> FoundPage {
    let query = SearchQuery {
        query: Query::parse(words),
        room: None,
        from: None,
        before: None,
        limit: 1_000,
        bytes: PLENTY,
    };
    let rooms = RoomFilter::with_prefix(String::new());
    fixture.broker.search(query, rooms, &user("bob")).await.expect("an answer")
}

/// The number of results, once all messages are indexed.
async fn found(fixture: &SqliteFixture, words: &str) -> usize {
    let complete = async {
        loop {
            let page = search(fixture, words).await;
            if page.is_complete {
                return page.messages.len();
            }
        }
    };
    timeout(TEST_TIMEOUT, complete).await.expect("indexed")
}

/// True if a file of the index has the text.
fn index_has(directory: &Path, text: &str) -> bool {
    // The WAL comes before the database: what a checkpoint moves meanwhile is in one of them.
    ["search.db-wal", "search.db"].iter().any(|name| {
        let bytes = std::fs::read(directory.join(name)).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

#[tokio::test]
async fn a_store_without_an_index_is_indexed_and_its_changes_count() {
    let mut data_dir = DataDir::new();
    data_dir.search = false;
    let fixture = data_dir.open();
    assert!(!fixture.broker.features().contains(&Feature::Search));
    fixture.fill("a", 700).await;
    fixture.fill("b", 300).await;
    let edited = fixture.post(submission("alice", "a", "before")).await.seq;
    let deleted = fixture.post(submission("alice", "a", "deleted word")).await.seq;
    fixture.post(edit("alice", edited, "after")).await;
    fixture.post(delete("alice", deleted)).await;
    drop(fixture);

    data_dir.search = true;
    let fixture = data_dir.open();
    assert!(fixture.broker.features().contains(&Feature::Search));
    fixture.post(submission("alice", "a", "new word")).await;
    assert_eq!(search(&fixture, "new").await.messages.len(), 1, "new messages do not wait for old ones");
    assert_eq!(found(&fixture, "7").await, 23, "7 and 70 to 79 in both rooms, and 700");
    assert_eq!((found(&fixture, "before").await, found(&fixture, "after").await), (0, 1));
    assert_eq!(found(&fixture, "word").await, 1);
    drop(fixture);
    // The index goes on where it was.
    let fixture = data_dir.open();
    fixture.post(edit("alice", edited, "later")).await;
    assert_eq!((found(&fixture, "after").await, found(&fixture, "later").await), (0, 1));
}

#[tokio::test]
async fn a_server_without_search_removes_the_index() {
    let mut data_dir = DataDir::new();
    let fixture = data_dir.open();
    let target = fixture.post(submission("alice", "a", "treasure")).await.seq;
    assert_eq!(found(&fixture, "treasure").await, 1);
    drop(fixture);
    assert!(index_has(data_dir.directory.path(), "treasure"));
    data_dir.search = false;
    let fixture = data_dir.open();
    assert!(!data_dir.directory.path().join("search.db").exists());
    fixture.post(delete("alice", target)).await;
    drop(fixture);
    data_dir.search = true;
    let fixture = data_dir.open();
    assert_eq!(found(&fixture, "treasure").await, 0);
    assert!(!index_has(data_dir.directory.path(), "treasure"));
}

#[tokio::test]
async fn deleted_words_leave_the_index() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    fixture.fill("a", 100).await;
    let target = fixture.post(submission("alice", "a", "the treasure")).await.seq;
    assert_eq!(found(&fixture, "treasure").await, 1);
    fixture.post(edit("alice", target, "the fortune")).await;
    assert_eq!(found(&fixture, "fortune").await, 1);
    assert!(index_has(data_dir.directory.path(), "fortune"));
    fixture.post(delete("alice", target)).await;
    let directory = data_dir.directory.path();
    let erased = async {
        while index_has(directory, "treasure") || index_has(directory, "fortune") {
            fixture.post(submission("alice", "b", "later")).await;
        }
    };
    timeout(TEST_TIMEOUT, erased).await.expect("erased");
}

#[tokio::test]
async fn a_deletion_right_before_the_end_leaves_no_word() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let target = fixture.post(submission("alice", "a", "the treasure")).await.seq;
    assert_eq!(found(&fixture, "treasure").await, 1);
    fixture.post(delete("alice", target)).await;
    drop(fixture);
    assert!(!index_has(data_dir.directory.path(), "treasure"));
}

#[tokio::test]
async fn an_index_of_another_store_is_not_used() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    fixture.fill("a", 20).await;
    fixture.post(submission("alice", "a", "first store")).await;
    assert_eq!(found(&fixture, "store").await, 1);
    drop(fixture);
    for file in ["store.db", "store.db-wal", "store.db-shm"] {
        let _ = std::fs::remove_file(data_dir.directory.path().join(file));
    }
    let fixture = data_dir.open();
    fixture.post(submission("alice", "a", "second store")).await;
    fixture.fill("a", 30).await;
    assert_eq!((found(&fixture, "first").await, found(&fixture, "second").await), (0, 1));
    assert_eq!(found(&fixture, "30").await, 1);
}

#[tokio::test]
async fn imported_rooms_are_indexed() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    fixture.post(submission("alice", "a", "exported word")).await;
    drop(fixture);
    let mut lines = Vec::new();
    let archive = crate::store::Archive::open(data_dir.directory.path()).expect("a store");
    archive.export(&[room("a")], &mut lines, &mut |_, _| ()).expect("exported");
    let copy = DataDir::new();
    let fixture = copy.open();
    fixture.post(submission("alice", "b", "own word")).await;
    assert_eq!(found(&fixture, "word").await, 1);
    drop(fixture);
    let store = Store::open(copy.directory.path()).expect("a store");
    store.import(&mut &lines[..], &mut |_| (), &mut |_, _, _| ()).expect("imported");
    let fixture = copy.open();
    assert_eq!(found(&fixture, "word").await, 2);
}

#[tokio::test]
async fn a_sweep_removes_messages_from_the_index() {
    let mut data_dir = DataDir::new();
    data_dir.retain = Retain { age: None, messages: Some(20), confirmed: true };
    let fixture = data_dir.open();
    for number in 1..=200 {
        fixture.post(submission("alice", "a", &format!("treasure{number}"))).await;
    }
    assert_eq!(found(&fixture, "treasure").await, 20);
    fixture.broker.sweep().await;
    let indexed = || {
        let index = rusqlite::Connection::open(data_dir.directory.path().join("search.db")).expect("a file");
        let count = |query| index.query_row(query, [], |row| row.get::<_, i64>(0)).expect("a number");
        (
            count("SELECT count(*) FROM doc WHERE words LIKE '%treasure%'"),
            count("SELECT sum(dead) FROM bucket"),
        )
    };
    // A full-text index of few messages is not built again.
    let removed = async {
        while !matches!(indexed(), (20, ..=64)) {
            fixture.post(submission("alice", "b", "later")).await;
            assert_eq!(found(&fixture, "treasure").await, 20);
        }
    };
    timeout(TEST_TIMEOUT, removed).await.expect("removed");
}

#[tokio::test]
async fn only_rooms_that_pass_a_filter_are_searched_among_many() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    for number in 0..450 {
        fixture.post(submission("alice", &format!("room-{number}"), "word")).await;
    }
    let query = SearchQuery {
        query: Query::parse("word"),
        room: None,
        from: None,
        before: None,
        limit: 1_000,
        bytes: PLENTY,
    };
    let is_odd = |room: &RoomName| room.as_str().ends_with(['1', '3', '5', '7', '9']);
    let range =
        crate::broker::NameRange { start: "room-".to_owned(), kind: crate::broker::RangeKind::Tested };
    let rooms = RoomFilter::of_ranges(std::iter::once(range), "", is_odd);
    let page = fixture.broker.search(query, rooms, &user("bob")).await.expect("an answer");
    assert_eq!((page.messages.len(), page.is_complete), (225, true));
}
