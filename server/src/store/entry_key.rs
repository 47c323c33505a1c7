//! Key of an entry: one integer made of its room and its seq, so that the table is ordered by room, then seq.

use realtime_shared::Seq;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Bits of a key that hold the seq: 34 billion entries in a room.
const SEQ_BITS: u32 = 35;
/// Largest seq that fits into a key.
const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;
/// Largest room id that fits into a key: 268 million rooms. With the bits of the seq a key is never negative.
const MAX_ROOM: i64 = (1 << (63 - SEQ_BITS)) - 1;

/// Id of a room in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RoomId(i64);

/// Key of an entry in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EntryKey(i64);

impl RoomId {
    /// Room id of this number; `None` outside of the range that a key can hold.
    pub(crate) fn new(number: i64) -> Option<Self> {
        (1..=MAX_ROOM).contains(&number).then_some(Self(number))
    }

    pub(super) fn number(self) -> i64 {
        self.0
    }

    /// Key of the entry `seq` of this room. A seq that is too large becomes the largest possible one: it can only be a
    /// client's invention.
    pub(crate) fn key(self, seq: Seq) -> EntryKey {
        EntryKey(self.0 << SEQ_BITS | seq.get().min(MAX_SEQ).cast_signed())
    }

    /// Key of the entry after `seq`; `None` if the seqs of the room are used up.
    pub(crate) fn next_key(self, seq: Seq) -> Option<EntryKey> {
        (seq.get() < MAX_SEQ).then(|| self.key(seq.next()))
    }

    /// Key before the first entry of the room.
    pub(crate) fn start(self) -> EntryKey {
        self.key(Seq::ZERO)
    }

    /// Key after which the room has no entry.
    pub(crate) fn end(self) -> EntryKey {
        self.key(Seq::new(MAX_SEQ))
    }
}

impl EntryKey {
    /// The key of another entry of the same room.
    pub(crate) fn sibling(self, seq: Seq) -> Self {
        self.room().key(seq)
    }

    pub(crate) fn room(self) -> RoomId {
        RoomId(self.0 >> SEQ_BITS)
    }

    pub(crate) fn seq(self) -> Seq {
        Seq::new(self.0.cast_unsigned() & MAX_SEQ)
    }
}

impl ToSql for RoomId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl ToSql for EntryKey {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl FromSql for RoomId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let number = value.as_i64()?;
        Self::new(number).ok_or(rusqlite::types::FromSqlError::OutOfRange(number))
    }
}

impl FromSql for EntryKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_by_room_then_seq_in_the_order_of_rooms_and_numbers() {
        let room = |number| RoomId::new(number).expect("a room");
        let keys = [
            room(1).start(),
            room(1).key(Seq::new(1)),
            room(1).key(Seq::new(2)),
            room(1).end(),
            room(2).start(),
            room(2).key(Seq::new(1)),
            room(MAX_ROOM).start(),
            room(MAX_ROOM).end(),
        ];
        assert!(keys.is_sorted_by(|one, next| one < next), "{keys:?}");
        assert!(keys[0].0 > 0);
        assert_eq!(room(7).key(Seq::new(5)).seq(), Seq::new(5));
        assert_eq!(room(7).key(Seq::new(u64::MAX)), room(7).end());
    }

    #[test]
    fn an_id_or_seq_out_of_range_has_no_key() {
        assert_eq!((RoomId::new(0), RoomId::new(-1), RoomId::new(MAX_ROOM + 1)), (None, None, None));
        let room = RoomId::new(1).expect("a room");
        assert_eq!(room.next_key(Seq::new(MAX_SEQ)), None);
        assert_eq!(room.next_key(Seq::new(MAX_SEQ - 1)), Some(room.end()));
    }
}
