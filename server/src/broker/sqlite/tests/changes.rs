//! Changes in the file: they survive a restart, are exported, and deleted texts are erased.

use std::collections::BTreeSet;
use std::path::Path;

use realtime_shared::rules::Power;
use realtime_shared::{EntryEvent, Message, Posting, codec};
use tokio::time::timeout;

use super::*;
use crate::broker::contract::changes::{delete, edit, moderating, pin, react, reply, settings};
use crate::broker::contract::{TEST_TIMEOUT, user};
use crate::broker::{MessagePage, PageFilter, PageRange};
use crate::store::Archive;

async fn page(fixture: &SqliteFixture, filter: PageFilter) -> MessagePage {
    let query = PageQuery { range: PageRange::Newest, filter, limit: 50, bytes: PLENTY };
    fixture.broker.messages(&room("a"), query, &user("bob")).await.expect("a page")
}

fn messages(page: &MessagePage) -> Vec<Message> {
    let decode = |frame: &Arc<str>| match codec::decode_entry(frame) {
        Some(EntryEvent::Message(message)) => message,
        other => panic!("not a message: {other:?}"),
    };
    page.messages.iter().map(decode).collect()
}

async fn outcome(fixture: &SqliteFixture, submission: Submission) -> Result<Receipt, NotStored> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    fixture.submit(submission, |result| drop(done.send(result)));
    outcome.await.expect("completed")
}

/// Fills room `a`: 1 edited, pinned and answered, with a reaction; 2 deleted; 3 a reply; then the settings.
async fn fill_with_changes(fixture: &SqliteFixture) {
    let first = fixture.post(submission("alice", "a", "hello")).await.seq;
    let second = fixture.post(submission("alice", "a", "other")).await.seq;
    fixture.post(reply("carol", first)).await;
    fixture.post(edit("alice", first, "hello again")).await;
    fixture.post(react("bob", first, false)).await;
    fixture.post(pin(first)).await;
    fixture.post(delete("alice", second)).await;
    fixture.post(settings(3_600, Posting::Everyone)).await;
    fixture.post(submission("dave", "a", "slow")).await;
}

#[tokio::test]
async fn changes_and_settings_are_the_same_after_a_restart() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    fill_with_changes(&fixture).await;
    let filters = [PageFilter::All, PageFilter::Pinned, PageFilter::Thread(Seq::new(1))];
    let mut before = Vec::new();
    for filter in filters {
        before.push(page(&fixture, filter).await);
    }
    let first = messages(&before[0])[0].clone();
    assert_eq!((first.text.as_str(), first.pinned, first.replies), ("hello again", true, 1));
    assert!(first.reactions[0].mine);
    drop(fixture);

    let fixture = data_dir.open();
    for (filter, before) in filters.into_iter().zip(before) {
        assert_eq!(page(&fixture, filter).await, before, "{filter:?}");
    }
    let slow = outcome(&fixture, submission("dave", "a", "again")).await;
    assert!(matches!(slow, Err(NotStored::Refused { retry_after: Some(_), .. })), "{slow:?}");
    let again = fixture.post(react("bob", Seq::new(1), false)).await;
    assert_eq!((again.seq, again.duplicate), (Seq::new(6), true), "the pin is the newest change");
    let member = Submission { power: Power::Member, ..pin(Seq::new(3)) };
    assert!(matches!(outcome(&fixture, member).await, Err(NotStored::Refused { .. })));
}

fn export(directory: &Path, name: &str) -> Vec<u8> {
    let mut lines = Vec::new();
    let archive = Archive::open(directory).expect("a store");
    archive.export(&[room(name)], &mut lines, &mut |_, _| ()).expect("exported");
    lines
}

#[tokio::test]
async fn an_export_from_before_a_deletion_is_imported_without_the_text() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let target = fixture.post(submission("alice", "a", "a secret")).await.seq;
    fixture.post(edit("alice", target, "the secret")).await;
    let lines = export(data_dir.directory.path(), "a");
    fixture.post(delete("alice", target)).await;
    drop(fixture);
    let store = Store::open(data_dir.directory.path()).expect("a store");
    store
        .import(&mut &lines[..], &mut |imported| assert!(!imported.new), &mut |_, _, _| ())
        .expect("accepted");
    let exported = String::from_utf8(export(data_dir.directory.path(), "a")).expect("lines");
    assert!(!exported.contains("secret"), "{exported}");
}

#[tokio::test]
async fn an_export_has_all_kinds_and_an_import_folds_them() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    fill_with_changes(&fixture).await;
    fixture.post(submission("alice", "plain", "hello")).await;
    let before = page(&fixture, PageFilter::All).await;
    drop(fixture);
    let lines = export(data_dir.directory.path(), "a");
    // An older version imports a room without changes.
    let format = |lines: &[u8]| {
        let header = lines.split(|byte| *byte == b'\n').next().expect("a line");
        serde_json::from_slice::<serde_json::Value>(header).expect("JSON")["format"].clone()
    };
    let plain = export(data_dir.directory.path(), "plain");
    assert_eq!((format(&lines), format(&plain)), (2.into(), 1.into()));
    let copy = DataDir::new();
    let store = Store::open(copy.directory.path()).expect("a store");
    store.import(&mut &lines[..], &mut |_| (), &mut |_, _, _| ()).expect("imported");
    let fixture = copy.open();
    assert_eq!(page(&fixture, PageFilter::All).await, before);
    assert_eq!(messages(&page(&fixture, PageFilter::Pinned).await)[0].seq, Seq::new(1));
    assert_eq!(page(&fixture, PageFilter::Thread(Seq::new(1))).await.messages.len(), 2);
}

/// The bytes of a directory's files. The WAL comes before the database: what a checkpoint moves meanwhile is in one of them.
fn bytes(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).expect("a directory");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort_by(|one, other| other.cmp(one));
    paths.iter().flat_map(|path| std::fs::read(path).expect("readable")).collect()
}

/// Number of times that the files of a directory have a text.
fn hits(directory: &Path, text: &str) -> usize {
    bytes(directory).windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

#[tokio::test]
async fn a_deleted_text_leaves_the_files() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let directory = data_dir.directory.path().to_owned();
    let mut targets = Vec::new();
    for length in [0, 100, 1_500, 3_500] {
        fixture.fill("a", 10).await;
        let text = |what: &str| format!("{}{what} the treasure", "x".repeat(length));
        let target = fixture.post(submission("alice", "a", &text("1"))).await.seq;
        fixture.post(edit("alice", target, &text("2"))).await;
        fixture.post(edit("alice", target, &text("3"))).await;
        targets.push(target);
    }
    assert!(hits(&directory, "the treasure") > 0);
    // A reader of an older snapshot prevents the erasure.
    let reader = rusqlite::Connection::open(directory.join("store.db")).expect("a file");
    reader.execute_batch("BEGIN; SELECT count(*) FROM entry;").expect("a snapshot");
    for target in targets {
        fixture.post(moderating(delete("mona", target))).await;
    }
    assert!(hits(&directory, "the treasure") > 0);
    reader.execute_batch("COMMIT").expect("the end of the snapshot");
    drop(reader);
    let erased = async {
        while hits(&directory, "the treasure") > 0 {
            fixture.post(submission("alice", "b", "later")).await;
        }
    };
    timeout(TEST_TIMEOUT, erased).await.expect("erased");
}

/// Fills room `a` with texts that have their seq in angle brackets, changes them so that pages of the file split, and deletes
/// some. SQLite moves rows to other pages, and leaves copies of them. Returns the deleted and the kept ones.
async fn split_pages(fixture: &SqliteFixture, seed: u64) -> [BTreeSet<u64>; 2] {
    let mut random = fastrand::Rng::with_seed(seed);
    let text = |seq: u64, length: usize| {
        let half = "y".repeat(length / 2);
        format!("{half}<{seq:04}>{half}")
    };
    let length = |random: &mut fastrand::Rng| {
        let longest = [40, 400, 1_500, 3_900][random.usize(0..4)];
        random.usize(0..longest)
    };
    let mut targets = Vec::new();
    for seq in 1..=400_u64 {
        let length = length(&mut random);
        let receipt = fixture.post(submission("alice", "a", &text(seq, length))).await;
        targets.push(receipt.seq);
    }
    for round in 0..400 {
        let target = targets[random.usize(0..targets.len())];
        let length = length(&mut random);
        let submission = if random.bool() {
            edit("alice", target, &text(target.get(), length))
        } else {
            react(&format!("user-{round}"), target, false)
        };
        fixture.post(submission).await;
    }
    random.shuffle(&mut targets);
    let (deleted, kept) = targets.split_at(200);
    for target in deleted {
        fixture.post(delete("alice", *target)).await;
    }
    [deleted, kept].map(|seqs| seqs.iter().map(|seq| seq.get()).collect())
}

#[tokio::test]
async fn deleted_texts_leave_no_copy_when_pages_of_the_file_split() {
    for seed in [2, 6] {
        let data_dir = DataDir::new();
        let fixture = data_dir.open();
        let [deleted, kept] = split_pages(&fixture, seed).await;
        let erased = async {
            while !marked(data_dir.directory.path()).is_disjoint(&deleted) {
                fixture.post(submission("alice", "b", "later")).await;
            }
        };
        timeout(TEST_TIMEOUT, erased).await.expect("erased");
        drop(fixture);
        assert_eq!(marked(data_dir.directory.path()), kept);
        assert_sound(data_dir.directory.path());
    }
}

#[tokio::test]
async fn a_stop_right_after_deletions_leaves_no_copy() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let [_, kept] = split_pages(&fixture, 2).await;
    drop(fixture);
    assert_eq!(marked(data_dir.directory.path()), kept);
}

/// A backup has the copies that the next start after a crash finds.
#[tokio::test]
async fn the_start_erases_the_copies_that_a_crash_left() {
    let data_dir = DataDir::new();
    let fixture = data_dir.open();
    let [deleted, kept] = split_pages(&fixture, 2).await;
    let crashed = DataDir::new();
    let path = crashed.directory.path().join("store.db");
    let archive = Archive::open(data_dir.directory.path()).expect("a store");
    archive.backup(&path, &mut |_, _| ()).expect("a copy");
    let fixture = crashed.open();
    let erased = async {
        while !marked(crashed.directory.path()).is_disjoint(&deleted) {
            fixture.post(submission("alice", "b", "later")).await;
        }
    };
    timeout(TEST_TIMEOUT, erased).await.expect("erased");
    drop(fixture);
    assert_eq!(marked(crashed.directory.path()), kept);
}

/// Asserts that SQLite finds no fault in a store.
fn assert_sound(directory: &Path) {
    let connection = rusqlite::Connection::open(directory.join("store.db")).expect("a file");
    let verdict: String =
        connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a verdict");
    assert_eq!(verdict, "ok");
}

/// Numbers that the files of a directory have in angle brackets.
fn marked(directory: &Path) -> BTreeSet<u64> {
    let number = |window: &[u8]| match window {
        [b'<', digits @ .., b'>'] => std::str::from_utf8(digits).ok()?.parse().ok(),
        _ => None,
    };
    bytes(directory).windows(6).filter_map(number).collect()
}
