//! Documents: the indexed messages, with numbers that order them by time.
//!
//! The number of a message begins with its time. Messages of one millisecond have consecutive numbers.

use realtime_shared::{Timestamp, UserId};
use rusqlite::{Connection, OptionalExtension, Result};

use super::buckets::Buckets;
use crate::search::Words;
use crate::store::entry_key::{EntryKey, RoomId};

/// Bits of a number for messages of one millisecond.
const SAME_TIME_BITS: u32 = 12;
/// Latest time, in milliseconds: the year 37648. Later messages are ordered by it.
const MAX_MILLIS: u64 = 1 << 50;

/// The tokens of a message's text and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IndexedText(String);

/// The present text of a message, to be indexed instead of its former one.
#[derive(Debug)]
pub(crate) struct DocumentChange {
    pub(crate) key: EntryKey,
    pub(crate) ts: Timestamp,
    /// `None` if the message was deleted, or has no words.
    pub(crate) text: Option<IndexedText>,
    /// The message was not indexed before.
    pub(crate) is_new: bool,
}

impl IndexedText {
    /// `None` if there are no words.
    pub(crate) fn new(from: &UserId, words: &Words) -> Option<Self> {
        if words.len() == 0 {
            return None;
        }
        let mut text = user_token(from);
        for word in words.iter() {
            text.push(' ');
            text.push_str(word);
        }
        Some(Self(text))
    }
}

/// The least number of a message from this time.
pub(crate) fn first_number(ts: Timestamp) -> i64 {
    (ts.millis().min(MAX_MILLIS) << SAME_TIME_BITS).cast_signed()
}

/// The token of the messages of a room. No word has its first character.
pub(crate) fn room_token(room: RoomId) -> String {
    format!("§r{}", room.number())
}

/// The token of the messages of a user. Few users share one.
pub(crate) fn user_token(user: &UserId) -> String {
    // FNV-1a: the hash is stored, so it must not change.
    let hash = user.as_str().bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    format!("§u{hash:016x}")
}

/// A change of a document whose number is known.
struct NumberedChange {
    doc: i64,
    key: EntryKey,
    before: Option<String>,
    after: Option<String>,
}

/// Applies changes. Returns true if texts were removed.
pub(super) fn apply(
    connection: &Connection,
    buckets: &mut Buckets,
    mut changes: Vec<DocumentChange>,
) -> Result<bool> {
    changes.sort_unstable_by_key(|change| (change.ts, change.key));
    // Of several changes of a message, all have its present text.
    changes.dedup_by(|later, first| {
        let is_same = later.key == first.key;
        first.is_new |= is_same && later.is_new;
        is_same
    });
    let (mut numbered, mut last) = (Vec::with_capacity(changes.len()), None);
    for DocumentChange { key, ts, text, is_new } in changes {
        let stored = if is_new { None } else { stored(connection, key)? };
        let after = text.map(|IndexedText(text)| text);
        match stored {
            Some((doc, before)) if after.as_ref() != Some(&before) => {
                numbered.push(NumberedChange { doc, key, before: Some(before), after });
            }
            None if after.is_some() => {
                let doc = free_number(connection, ts, last)?;
                last = Some(doc);
                numbered.push(NumberedChange { doc, key, before: None, after });
            }
            Some(_) | None => {}
        }
    }
    // FTS5 begins another segment if the numbers do not ascend.
    numbered.sort_unstable_by_key(|change| change.doc);
    let mut removes_texts = false;
    for NumberedChange { doc, key, before, after } in numbered {
        let bucket = if before.is_some() { buckets.of(doc) } else { buckets.for_new(connection, doc)? };
        bucket.docs += i64::from(after.is_some()) - i64::from(before.is_some());
        let table = bucket.table();
        if let Some(before) = &before {
            removes_texts = true;
            connection
                .prepare_cached(&format!(
                    "INSERT INTO {table} ({table}, rowid, words) VALUES ('delete', ?, ?)"
                ))?
                .execute((doc, with_room(key, before)))?;
        }
        if let Some(after) = &after {
            add_words(connection, &table, doc, key, after)?;
        }
        match (before, after) {
            (None, Some(after)) => connection
                .prepare_cached("INSERT INTO doc (doc, place, words) VALUES (?, ?, ?)")?
                .execute((doc, key, after))?,
            (_, Some(after)) => {
                connection.prepare_cached("UPDATE doc SET words = ? WHERE doc = ?")?.execute((after, doc))?
            }
            (_, None) => connection.prepare_cached("DELETE FROM doc WHERE doc = ?")?.execute([doc])?,
        };
    }
    Ok(removes_texts)
}

/// Forgets at most `limit` documents between two keys.
pub(super) fn forget(
    connection: &Connection,
    buckets: &mut Buckets,
    between: (EntryKey, EntryKey),
    limit: u32,
) -> Result<usize> {
    let docs = connection
        .prepare_cached("SELECT doc FROM doc WHERE place BETWEEN ? AND ? LIMIT ?")?
        .query_map((between.0, between.1, limit), |row| row.get(0))?
        .collect::<Result<Vec<i64>>>()?;
    let mut forget = connection.prepare_cached("UPDATE doc SET place = NULL, words = '' WHERE doc = ?")?;
    for doc in &docs {
        forget.execute([doc])?;
        let bucket = buckets.of(*doc);
        bucket.docs -= 1;
        bucket.dead += 1;
    }
    Ok(docs.len())
}

/// Builds the full-text index of a bucket again, without forgotten messages.
pub(super) fn rebuild(connection: &Connection, buckets: &mut Buckets, index: usize) -> Result<()> {
    let (bucket, end) = buckets.empty(connection, index)?;
    connection
        .prepare_cached("DELETE FROM doc WHERE doc >= ? AND doc < ? AND place IS NULL")?
        .execute((bucket.first, end))?;
    let table = bucket.table();
    let mut statement = connection
        .prepare_cached("SELECT doc, place, words FROM doc WHERE doc >= ? AND doc < ? ORDER BY doc")?;
    let mut rows = statement.query((bucket.first, end))?;
    while let Some(row) = rows.next()? {
        add_words(connection, &table, row.get(0)?, row.get(1)?, row.get_ref(2)?.as_str()?)?;
    }
    Ok(())
}

fn add_words(connection: &Connection, table: &str, doc: i64, key: EntryKey, words: &str) -> Result<()> {
    connection
        .prepare_cached(&format!("INSERT INTO {table} (rowid, words) VALUES (?, ?)"))?
        .execute((doc, with_room(key, words)))?;
    Ok(())
}

fn with_room(key: EntryKey, words: &str) -> String {
    format!("{} {words}", room_token(key.room()))
}

/// Number and words of an indexed message.
fn stored(connection: &Connection, key: EntryKey) -> Result<Option<(i64, String)>> {
    connection
        .prepare_cached("SELECT doc, words FROM doc WHERE place = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// A free number for a message from this time, after `last` if that has the same time.
fn free_number(connection: &Connection, ts: Timestamp, last: Option<i64>) -> Result<i64> {
    let first = first_number(ts);
    let end = first + (1 << SAME_TIME_BITS);
    let mut number = match last {
        Some(last) if last >= first => last + 1,
        _ => {
            let newest: Option<i64> = connection
                .prepare_cached("SELECT doc FROM doc WHERE doc < ? ORDER BY doc DESC LIMIT 1")?
                .query_row([end], |row| row.get(0))
                .optional()?;
            newest.map_or(first, |newest| first.max(newest + 1))
        }
    };
    // The numbers of the time are used up: those of the next millisecond are taken.
    while number >= end && connection.prepare_cached("SELECT 1 FROM doc WHERE doc = ?")?.exists([number])? {
        number += 1;
    }
    Ok(number)
}
