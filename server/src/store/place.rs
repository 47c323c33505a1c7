//! Where an entry lies: one integer for its room and its number, so that the table's own order is the rooms'.

use realtime_shared::Seq;
use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Bits of a place that are the number: 34 billion entries of a room.
const SEQ_BITS: u32 = 35;
/// Largest number that has a place.
const SEQ_MOST: u64 = (1 << SEQ_BITS) - 1;
/// Largest room that has a place: 268 million of them. Together with the number's bits a place is not negative.
const ROOM_MOST: i64 = (1 << (63 - SEQ_BITS)) - 1;

/// A room's number in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RoomId(i64);

/// An entry's key in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(i64);

impl RoomId {
    /// The room of that number; `None` where it can have no entries: there are too many rooms.
    pub(crate) fn new(number: i64) -> Option<Self> {
        (1..=ROOM_MOST).contains(&number).then_some(Self(number))
    }

    /// Where an entry of this room lies. A number that is too large is taken for the largest that has a place: only a
    /// client makes up such a one.
    pub(crate) fn place(self, seq: Seq) -> Place {
        Place(self.0 << SEQ_BITS | seq.get().min(SEQ_MOST).cast_signed())
    }

    /// The place of the entry after that number; `None` where the room's numbers are used up.
    pub(crate) fn next_place(self, seq: Seq) -> Option<Place> {
        (seq.get() < SEQ_MOST).then(|| self.place(seq.next()))
    }

    /// Before the room's first entry.
    pub(crate) fn start(self) -> Place {
        self.place(Seq::ZERO)
    }

    /// No entry of the room lies behind it.
    pub(crate) fn end(self) -> Place {
        self.place(Seq::new(SEQ_MOST))
    }
}

impl Place {
    /// The entry's number.
    pub(crate) fn seq(self) -> Seq {
        Seq::new(self.0.cast_unsigned() & SEQ_MOST)
    }
}

impl ToSql for RoomId {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl ToSql for Place {
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

impl FromSql for Place {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_rooms_and_numbers() {
        let room = |number| RoomId::new(number).expect("a room");
        let places = [
            room(1).start(),
            room(1).place(Seq::new(1)),
            room(1).place(Seq::new(2)),
            room(1).end(),
            room(2).start(),
            room(2).place(Seq::new(1)),
            room(ROOM_MOST).start(),
            room(ROOM_MOST).end(),
        ];
        assert!(places.is_sorted_by(|one, next| one < next), "{places:?}");
        assert!(places[0].0 > 0);
        assert_eq!(room(7).place(Seq::new(5)).seq(), Seq::new(5));
        assert_eq!(room(7).place(Seq::new(u64::MAX)), room(7).end());
    }

    #[test]
    fn what_has_no_place_is_refused() {
        assert_eq!((RoomId::new(0), RoomId::new(-1), RoomId::new(ROOM_MOST + 1)), (None, None, None));
        let room = RoomId::new(1).expect("a room");
        assert_eq!(room.next_place(Seq::new(SEQ_MOST)), None);
        assert_eq!(room.next_place(Seq::new(SEQ_MOST - 1)), Some(room.end()));
    }
}
