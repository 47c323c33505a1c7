//! Buckets: the spans of time whose messages share a full-text index.
//!
//! A bucket has about [`DOCUMENTS`] messages, so everything that a search does in one is bounded: the words of a prefix are
//! merged in it only, and a search can end between two. The newest bucket gets new messages, the oldest one gets old
//! messages that are indexed later, from the newest to the oldest. A full one is followed by another.

use rusqlite::{Connection, OptionalExtension, Result};

/// Messages of a bucket, unless messages are added later in the middle of its time.
pub(super) const DOCUMENTS: i64 = if cfg!(test) { 64 } else { 65_536 };
/// Least number of forgotten messages for which an index is built again.
const MIN_DEAD: i64 = if cfg!(test) { 16 } else { 1_024 };

/// Messages whose numbers are from `first` up to the next bucket.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) first: i64,
    id: i64,
    /// Messages of the bucket.
    pub(super) docs: i64,
    /// Forgotten messages that are still in the full-text index.
    pub(super) dead: i64,
}

impl Bucket {
    /// Name of the full-text index.
    pub(super) fn table(&self) -> String {
        format!("words_{}", self.id)
    }
}

/// All buckets, the oldest first. The first one has all older messages, too.
#[derive(Debug, Clone)]
pub(super) struct Buckets {
    list: Vec<Bucket>,
    /// The largest number of a message.
    newest: i64,
    is_changed: bool,
}

impl Buckets {
    pub(super) fn read(connection: &Connection) -> Result<Self> {
        let mut statement = connection.prepare("SELECT first, id, docs, dead FROM bucket ORDER BY first")?;
        let list = statement
            .query_map([], |row| {
                Ok(Bucket { first: row.get(0)?, id: row.get(1)?, docs: row.get(2)?, dead: row.get(3)? })
            })?
            .collect::<Result<Vec<_>>>()?;
        let newest: Option<i64> = connection.query_row("SELECT max(doc) FROM doc", [], |row| row.get(0))?;
        Ok(Self { list, newest: newest.unwrap_or(0), is_changed: false })
    }

    /// Stores what has changed since it was read or stored.
    pub(super) fn write(&mut self, connection: &Connection) -> Result<()> {
        if !std::mem::take(&mut self.is_changed) {
            return Ok(());
        }
        connection.prepare_cached("DELETE FROM bucket")?.execute([])?;
        let mut insert =
            connection.prepare_cached("INSERT INTO bucket (first, id, docs, dead) VALUES (?, ?, ?, ?)")?;
        for Bucket { first, id, docs, dead } in &self.list {
            insert.execute((first, id, docs, dead))?;
        }
        Ok(())
    }

    pub(super) fn newest_first(&self) -> impl Iterator<Item = &Bucket> {
        self.list.iter().rev()
    }

    /// The bucket of a stored message.
    pub(super) fn of(&mut self, doc: i64) -> &mut Bucket {
        self.is_changed = true;
        let index = self.index(doc);
        &mut self.list[index]
    }

    /// The bucket for a new message. A full bucket at an end gets a neighbour.
    pub(super) fn for_new(&mut self, connection: &Connection, doc: i64) -> Result<&mut Bucket> {
        self.is_changed = true;
        if self.list.is_empty() {
            self.insert(connection, 0, 0)?;
        }
        let mut index = self.index(doc);
        if self.list[index].docs >= DOCUMENTS {
            if index + 1 == self.list.len() && doc > self.newest {
                index += 1;
                self.insert(connection, index, doc)?;
            } else if index == 0 {
                let oldest = connection
                    .prepare_cached("SELECT doc FROM doc ORDER BY doc LIMIT 1")?
                    .query_row([], |row| row.get(0))
                    .optional()?;
                if let Some(oldest) = oldest
                    && doc < oldest
                {
                    self.list[0].first = oldest;
                    self.insert(connection, 0, 0)?;
                }
            }
        }
        self.newest = self.newest.max(doc);
        Ok(&mut self.list[index])
    }

    /// A bucket whose full-text index is mostly of forgotten messages.
    pub(super) fn wasteful(&self) -> Option<usize> {
        self.list.iter().position(|bucket| bucket.dead > bucket.docs.max(MIN_DEAD))
    }

    /// Gives a bucket a new, empty full-text index, and drops the old one. Returns the bucket and the end of its numbers. A
    /// bucket without messages is removed: its time falls to the one before, or to the next if there is none.
    pub(super) fn empty(&mut self, connection: &Connection, index: usize) -> Result<(Bucket, i64)> {
        self.is_changed = true;
        let end = self.list.get(index + 1).map_or(i64::MAX, |next| next.first);
        connection.execute_batch(&format!("DROP TABLE {}", self.list[index].table()))?;
        if self.list[index].docs == 0 {
            let bucket = self.list.remove(index);
            if let Some(first) = self.list.first_mut() {
                first.first = 0;
            }
            return Ok((bucket, end));
        }
        let id = self.next_id();
        let bucket = &mut self.list[index];
        (bucket.id, bucket.dead) = (id, 0);
        create_table(connection, bucket)?;
        Ok((bucket.clone(), end))
    }

    fn index(&self, doc: i64) -> usize {
        self.list.partition_point(|bucket| bucket.first <= doc).saturating_sub(1)
    }

    fn next_id(&self) -> i64 {
        self.list.iter().map(|bucket| bucket.id).max().unwrap_or(0) + 1
    }

    fn insert(&mut self, connection: &Connection, index: usize, first: i64) -> Result<()> {
        let bucket = Bucket { first, id: self.next_id(), docs: 0, dead: 0 };
        create_table(connection, &bucket)?;
        self.list.insert(index, bucket);
        Ok(())
    }
}

/// The tokenizer splits at spaces only: tokens have no other ASCII character than letters and digits.
fn create_table(connection: &Connection, bucket: &Bucket) -> Result<()> {
    let table = bucket.table();
    connection.execute_batch(&format!(
        "CREATE VIRTUAL TABLE {table} USING fts5(words, content='', columnsize=0, tokenize='ascii');
         INSERT INTO {table} ({table}, rank) VALUES ('secure-delete', 1);"
    ))
}
