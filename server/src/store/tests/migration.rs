//! Tests of the migration of a store that the last version wrote.

use super::*;
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
