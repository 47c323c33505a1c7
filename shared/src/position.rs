//! Positions in a room's log.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::EntryId;

/// Longest epoch that is read, in bytes; the server's own are 26.
const EPOCH_BYTES: usize = 64;

/// The number of an entry in its room's log: from 1, without a hole. 0 is before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before the first entry.
    pub const ZERO: Self = Self(0);

    /// The `number`-th entry's.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next entry's. The largest number, which only a client makes up, has no next: it stays.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The entry's before. 0 has none: it stays.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.back(1)
    }

    /// The number `entries` before; 0 where there are not that many.
    #[must_use]
    pub const fn back(self, entries: u64) -> Self {
        Self(self.0.saturating_sub(entries))
    }

    /// How many entries come after `earlier`, up to this one. `None` where `earlier` is later.
    #[must_use]
    pub const fn checked_since(self, earlier: Self) -> Option<u64> {
        self.0.checked_sub(earlier.0)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Which log a `seq` is of: a room whose log began anew has another epoch. Compared, never ordered.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// The epoch of that name; `None` where it is empty or longer than 64 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= EPOCH_BYTES).then(|| Self(text.into()))
    }

    /// An epoch that no other log has, from a fresh id.
    #[must_use]
    pub fn from_id(id: EntryId) -> Self {
        Self(id.to_string().into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Epoch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Epoch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::name::read_str(deserializer, |text| Self::new(text).ok_or("an epoch has 1 to 64 bytes"))
    }
}

/// A place in a room's log: after the entry it names, or before all of them.
///
/// All three parts are its identity. After a crash that lost the newest entries a server may hand out their numbers
/// again for other ones; the id tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Position {
    /// Before the first entry: `{"epoch": null, "seq": 0, "id": null}`.
    #[default]
    Start,
    /// Just after an entry.
    At {
        /// Which log.
        epoch: Epoch,
        /// The entry's number, at least 1.
        seq: Seq,
        /// The entry's id.
        id: EntryId,
    },
}

impl Position {
    /// The number of the last entry at or before this place; 0 at the start.
    #[must_use]
    pub fn seq(&self) -> Seq {
        match self {
            Self::Start => Seq::ZERO,
            Self::At { seq, .. } => *seq,
        }
    }

    /// The epoch; none at the start.
    #[must_use]
    pub fn epoch(&self) -> Option<&Epoch> {
        match self {
            Self::Start => None,
            Self::At { epoch, .. } => Some(epoch),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    epoch: Option<Epoch>,
    seq: Seq,
    id: Option<EntryId>,
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Start => Wire { epoch: None, seq: Seq::ZERO, id: None },
            Self::At { epoch, seq, id } => Wire { epoch: Some(epoch.clone()), seq: *seq, id: Some(*id) },
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Wire::deserialize(deserializer)? {
            Wire { seq: Seq::ZERO, .. } => Ok(Self::Start),
            Wire { epoch: Some(epoch), seq, id: Some(id) } => Ok(Self::At { epoch, seq, id }),
            _ => Err(serde::de::Error::custom("a position after the start has an epoch and an id")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_is_written_in_full() {
        let json = serde_json::to_string(&Position::Start).expect("JSON");
        assert_eq!(json, r#"{"epoch":null,"seq":0,"id":null}"#);
        assert_eq!(serde_json::from_str::<Position>(&json).expect("a position"), Position::Start);
    }

    #[test]
    fn a_number_alone_is_no_position() {
        for json in [
            r#"{"seq":5}"#,
            r#"{"epoch":"e","seq":5}"#,
            r#"{"epoch":"e","seq":-1,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#,
            r#"{"epoch":"e","seq":5,"id":"x"}"#,
            "5",
        ] {
            assert!(serde_json::from_str::<Position>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn before_the_first_entry_every_log_is_at_its_start() {
        let json = r#"{"epoch":"e","seq":0,"id":null}"#;
        assert_eq!(serde_json::from_str::<Position>(json).expect("a position"), Position::Start);
    }

    #[test]
    fn an_epoch_has_1_to_64_bytes() {
        assert_eq!(Epoch::new(""), None);
        assert!(Epoch::new(&"ü".repeat(32)).is_some());
        assert_eq!(Epoch::new(&"ü".repeat(33)), None);
    }

    #[test]
    fn seqs_stay_between_zero_and_the_largest() {
        assert_eq!((Seq::ZERO.next(), Seq::new(2).previous()), (Seq::new(1), Seq::new(1)));
        assert_eq!((Seq::new(7).back(3), Seq::new(7).back(8)), (Seq::new(4), Seq::ZERO));
        assert_eq!((Seq::new(u64::MAX).next(), Seq::ZERO.previous()), (Seq::new(u64::MAX), Seq::ZERO));
        assert_eq!(Seq::new(7).checked_since(Seq::new(5)), Some(2));
        assert_eq!(Seq::new(5).checked_since(Seq::new(7)), None);
    }
}
