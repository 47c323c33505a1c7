//! Tests of the migration of a store that the last version wrote.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::store::file::connect;
use crate::store::schema;

/// A store of format 3 with the room `lobby` of four messages.
const FORMAT_3: &[u8] = include_bytes!("format_3.db");

/// Seq, id, time, dedup digest and frame of each entry.
type EntryRow = (i64, Vec<u8>, i64, Option<Vec<u8>>, Option<String>);

fn entries(path: &Path) -> Vec<EntryRow> {
    let connection = Connection::open(path).expect("a file");
    let mut statement =
        connection.prepare("SELECT place, id, ts, known, frame FROM entry ORDER BY place").expect("a query");
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .expect("rows");
    rows.collect::<rusqlite::Result<_>>().expect("readable")
}

#[test]
fn a_store_of_the_last_version_keeps_its_entries_and_takes_changes() {
    let directory = directory();
    fs::write(file(&directory), FORMAT_3).expect("written");
    let before = entries(&file(&directory));
    assert_eq!(before.len(), 4);
    let version =
        || schema::version(&Connection::open(file(&directory)).expect("a file")).expect("a version");
    assert_eq!(version(), 3);

    let writer = Store::open(directory.path()).expect("a store").into_writer().expect("a writer");
    assert_eq!((version(), entries(&file(&directory))), (VERSION, before));
    let lobby = RoomName::new("lobby").expect("a room's name");
    let (row, head) = writer.view().room(&lobby).expect("readable").expect("the room");
    let (first, end) = (Seq::new(1), head.seq.next());
    assert_eq!(writer.view().messages_between(row.id, first, end).expect("readable"), 4);
    let message = writer.view().message(row.id.key(first)).expect("readable").expect("a message");
    assert_eq!((message.message.text.as_str(), message.state), ("hello", None));
    assert_eq!(writer.view().settings(row.id).expect("readable"), None);
}

fn names_and_frames(path: &Path) -> Vec<(String, Vec<String>)> {
    let connection = Connection::open(path).expect("a file");
    let mut rooms = connection.prepare("SELECT id, name FROM room ORDER BY id").expect("a query");
    let rooms = rooms.query_map([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).expect("rows");
    let frames = |id: i64| {
        let mut frames = connection
            .prepare("SELECT frame FROM entry WHERE place >> 35 = ? AND frame IS NOT NULL ORDER BY place")
            .expect("a query");
        let frames = frames.query_map([id], |row| row.get(0)).expect("rows");
        frames.collect::<rusqlite::Result<_>>().expect("readable")
    };
    rooms.map(|room| room.map(|(id, name)| (name, frames(id))).expect("readable")).collect()
}

/// Adds a room of the last version with entries.
fn add_room(connection: &Connection, id: i64, name: &str, frames: &[&str]) {
    connection.execute("INSERT INTO room VALUES (?, ?, 'epoch', 1)", (id, name)).expect("written");
    for (seq, frame) in (1_i64..).zip(frames) {
        connection
            .execute("INSERT INTO entry VALUES (?, ?, 1, NULL, ?)", ((id << 35) + seq, [7_u8; 16], frame))
            .expect("written");
    }
}

#[test]
fn rooms_with_reserved_names_are_renamed_with_their_entries() {
    let directory = directory();
    fs::write(file(&directory), FORMAT_3).expect("written");
    let connection = Connection::open(file(&directory)).expect("a file");
    let sent = r#"{"type":"message","room":"dm:alice","text":"I am in \"room\":\"dm:alice\""}"#;
    let imported = r#"{"type": "message", "room": "dm:alice", "text": "x"}"#;
    let other = r#"{"type":"message","room":"dm-alice","text":"y"}"#;
    add_room(&connection, 2, "dm-alice", &[other]);
    add_room(&connection, 3, "dm:alice", &[sent, imported]);
    add_room(&connection, 4, &format!("sys:{}", "é".repeat(60)), &[]);
    add_room(&connection, 5, &format!("sys-{}", "é".repeat(60)), &[]);
    add_room(&connection, 6, "Dm:x", &[]);
    drop(connection);
    drop(Store::open(directory.path()).expect("a store"));

    let renamed = names_and_frames(&file(&directory));
    let names: Vec<_> = renamed.iter().map(|(name, _)| name.as_str()).collect();
    let [cut, kept] = [58, 60].map(|count| format!("sys-{}", "é".repeat(count)));
    assert_eq!(names, ["lobby", "dm-alice", "dm-alice 2", &format!("{cut} 2"), &kept, "Dm:x"]);
    assert_eq!(renamed[1].1, [other]);
    assert_eq!(renamed[2].1[0], sent.replacen("dm:alice", "dm-alice 2", 1));
    let frame: serde_json::Value = serde_json::from_str(&renamed[2].1[1]).expect("JSON");
    assert_eq!(frame, serde_json::json!({"type": "message", "room": "dm-alice 2", "text": "x"}));
}

/// Copies the files as a crash would leave them at each point of the migration, and opens the copies.
#[test]
fn a_crash_during_the_migration_leaves_the_old_store_or_the_new_one() {
    let directory = directory();
    fs::write(file(&directory), FORMAT_3).expect("written");
    let connection = Connection::open(file(&directory)).expect("a file");
    let frame = r#"{"type":"message","room":"dm:alice","text":"x"}"#;
    add_room(&connection, 2, "dm:alice", &[frame; 40]);
    drop(connection);
    let before = fs::read(file(&directory)).expect("a file");
    let entries_before = entries(&file(&directory));

    let crashes = Arc::new(Mutex::new(Vec::new()));
    let (seen, path) = (crashes.clone(), file(&directory));
    let mut connection = connect(&path).expect("a connection");
    let copy_files = move || {
        let copy = TempDir::new().expect("a directory");
        for suffix in ["", "-wal", "-journal"] {
            let name = format!("store.db{suffix}");
            let _ = fs::copy(path.with_file_name(&name), copy.path().join(&name));
        }
        seen.lock().push(copy);
        false
    };
    connection.progress_handler(50, Some(copy_files)).expect("a handler");
    schema::migrate(&mut connection).expect("migrated");
    drop(connection);
    let crashes = std::mem::take(&mut *crashes.lock());
    assert!(crashes.len() > 10, "{}", crashes.len());
    for crash in crashes {
        Store::open(crash.path()).expect("a store");
        let (rooms, kept) = (names_and_frames(&file(&crash)), entries(&file(&crash)));
        assert_eq!((rooms[0].0.as_str(), rooms[1].0.as_str(), rooms[1].1.len()), ("lobby", "dm-alice", 40));
        assert_eq!(kept.len(), entries_before.len());
    }

    // A write that fails leaves the old one.
    fs::write(file(&directory), &before).expect("written");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(file(&directory).with_file_name(format!("store.db{suffix}")));
    }
    let mut connection = connect(&file(&directory)).expect("a connection");
    let mut left = 20;
    let interrupt = move || {
        left -= 1;
        left == 0
    };
    connection.progress_handler(50, Some(interrupt)).expect("a handler");
    schema::migrate(&mut connection).expect_err("interrupted");
    drop(connection);
    assert_eq!((entries(&file(&directory)), names_and_frames(&file(&directory)).len()), (entries_before, 2));
    let version = schema::version(&Connection::open(file(&directory)).expect("a file"));
    assert_eq!(version.expect("a version"), 3);
}
