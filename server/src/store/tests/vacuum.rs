//! Tests of the rewriting of a file.

use super::*;

/// Number of times that a file has a text.
fn hits(path: &Path, text: &str) -> usize {
    let bytes = fs::read(path).expect("readable");
    bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count()
}

#[test]
fn a_rewritten_file_has_no_remnants_of_an_older_version_and_the_same_entries() {
    let directory = filled(50);
    let path = file(&directory);
    // An older version does not overwrite what it deletes.
    let connection = Connection::open(&path).expect("a file");
    connection.pragma_update(None, "secure_delete", false).expect("set");
    let long = "x".repeat(3_000) + "the remnant";
    for place in 1..60 {
        let frame = if place % 3 == 0 { "the remnant" } else { &long };
        connection
            .execute("INSERT INTO entry VALUES (?, ?, 1, NULL, ?)", (place, [0_u8; 16], frame))
            .expect("written");
    }
    connection
        .execute_batch("DELETE FROM entry WHERE place < 60; PRAGMA wal_checkpoint(TRUNCATE)")
        .expect("deleted");
    let rows = || -> Vec<(i64, Option<String>)> {
        let connection = Connection::open(&path).expect("a file");
        let mut rows = connection.prepare("SELECT place, frame FROM entry ORDER BY place").expect("a query");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.collect::<rusqlite::Result<_>>().expect("readable")
    };
    let before = rows();
    drop(connection);
    assert!(hits(&path, "the remnant") > 0);

    let (size_before, size_after) =
        Store::open(directory.path()).expect("a store").vacuum().expect("rewritten");
    assert!(size_after < size_before, "{size_before} {size_after}");
    for name in ["store.db", "store.db-wal"] {
        assert_eq!(hits(&path.with_file_name(name), "the remnant"), 0, "{name}");
    }
    assert_eq!((rows(), before.len()), (before, 50));
}
