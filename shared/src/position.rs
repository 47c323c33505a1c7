//! Positions in a room's log.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::EntryId;

/// Longest epoch, in bytes. The server generates epochs of 26 bytes.
const EPOCH_BYTES: usize = 64;

/// The number of an entry in its room's log, from 1, without holes. 0 is before the first entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// The seq before the first entry.
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The seq of the next entry; saturates at the largest number, which no log reaches.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The seq of the previous entry; saturates at 0.
    #[must_use]
    pub const fn previous(self) -> Self {
        self.back(1)
    }

    /// The seq `entries` entries earlier; saturates at 0.
    #[must_use]
    pub const fn back(self, entries: u64) -> Self {
        Self(self.0.saturating_sub(entries))
    }

    /// Number of entries after `earlier`, this one included. `None` if `earlier` is after this one.
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

/// The identity of a log. A room whose log was lost and started again has a new epoch. Epochs have no order.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Checks a text; `None` if it is empty or longer than 64 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= EPOCH_BYTES).then(|| Self(text.into()))
    }

    /// The epoch of a new log, from a new id.
    #[must_use]
    pub fn from_id(id: EntryId) -> Self {
        Self(id.to_string().into())
    }

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

/// A position in a room's log: just after an entry, or before the first one.
///
/// All three parts identify it. A server that lost its newest entries in a crash may use their seqs again, with other
/// ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Position {
    /// Before the first entry: `{"epoch": null, "seq": 0, "id": null}`.
    #[default]
    Start,
    /// Just after an entry.
    At {
        epoch: Epoch,
        /// At least 1.
        seq: Seq,
        id: EntryId,
    },
}

impl Position {
    /// The seq of the entry before this position; 0 at the start.
    #[must_use]
    pub fn seq(&self) -> Seq {
        match self {
            Self::Start => Seq::ZERO,
            Self::At { seq, .. } => *seq,
        }
    }

    /// The epoch; `None` at the start.
    #[must_use]
    pub fn epoch(&self) -> Option<&Epoch> {
        match self {
            Self::Start => None,
            Self::At { epoch, .. } => Some(epoch),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PositionFields {
    epoch: Option<Epoch>,
    seq: Seq,
    id: Option<EntryId>,
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Start => PositionFields { epoch: None, seq: Seq::ZERO, id: None },
            Self::At { epoch, seq, id } => {
                PositionFields { epoch: Some(epoch.clone()), seq: *seq, id: Some(*id) }
            }
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match PositionFields::deserialize(deserializer)? {
            PositionFields { seq: Seq::ZERO, .. } => Ok(Self::Start),
            PositionFields { epoch: Some(epoch), seq, id: Some(id) } => Ok(Self::At { epoch, seq, id }),
            _ => Err(serde::de::Error::custom("a position after the start has an epoch and an id")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_has_null_epoch_and_null_id_on_the_wire() {
        let json = serde_json::to_string(&Position::Start).expect("JSON");
        assert_eq!(json, r#"{"epoch":null,"seq":0,"id":null}"#);
        assert_eq!(serde_json::from_str::<Position>(&json).expect("a position"), Position::Start);
    }

    #[test]
    fn a_position_without_epoch_or_id_is_refused() {
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
    fn seq_0_is_the_start_of_every_log() {
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
    fn seq_arithmetic_saturates() {
        assert_eq!((Seq::ZERO.next(), Seq::new(2).previous()), (Seq::new(1), Seq::new(1)));
        assert_eq!((Seq::new(7).back(3), Seq::new(7).back(8)), (Seq::new(4), Seq::ZERO));
        assert_eq!((Seq::new(u64::MAX).next(), Seq::ZERO.previous()), (Seq::new(u64::MAX), Seq::ZERO));
        assert_eq!(Seq::new(7).checked_since(Seq::new(5)), Some(2));
        assert_eq!(Seq::new(5).checked_since(Seq::new(7)), None);
    }
}
