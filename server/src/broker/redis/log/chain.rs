//! How an announcement stands to what a room has: the append rule, with the chain of identities.
//!
//! Every announcement names the entry before it. So what follows our newest entry by number but not by identity is
//! known to be of another log, however it came here: Redis lost its newest entries and has given their numbers again.

use realtime_shared::{EntryId, Epoch, Position, Seq};

use crate::faults::{self, Fault};

/// What an announced entry is to a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The next one.
    Next,
    /// One that is there already, as far as can be told.
    Known,
    /// Others are missing before it.
    Gap,
    /// It is of another log.
    Diverges,
}

/// How an entry stands to `head`. `previous` is the identity of the one before it.
pub(crate) fn judge(
    head: &Position,
    epoch: &Epoch,
    seq: Seq,
    id: EntryId,
    previous: Option<EntryId>,
) -> Follows {
    let Position::At { epoch: ours, seq: newest, id: newest_id } = head else {
        return if seq == Seq::ZERO.next() { Follows::Next } else { Follows::Gap };
    };
    if ours != epoch {
        return Follows::Diverges;
    }
    if seq == newest.next() {
        let chained = previous == Some(*newest_id) || faults::breaks(Fault::NoIdCheck);
        return if chained { Follows::Next } else { Follows::Diverges };
    }
    if seq > *newest {
        return Follows::Gap;
    }
    let same = id == *newest_id || faults::breaks(Fault::NoIdCheck);
    if seq == *newest && !same { Follows::Diverges } else { Follows::Known }
}

/// How a room stands in Redis, asked when this instance had it up to some position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Look {
    /// The newest entry.
    pub(crate) head: Position,
    /// The identity of the entry that has the number of our position there.
    pub(crate) there: Option<EntryId>,
}

/// What has to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Same,
    /// What comes after our position has to be fetched.
    Behind,
    /// Our position is not of that log's past.
    Elsewhere,
}

/// How `ours` stands to what Redis has. `ours` was there when Redis was asked: a log that is shorter went back.
pub(crate) fn compare(ours: &Position, look: &Look) -> Standing {
    let Position::At { epoch, seq, id } = ours else {
        return if look.head == Position::Start { Standing::Same } else { Standing::Behind };
    };
    if look.head.epoch() != Some(epoch) || look.head.seq() < *seq {
        return Standing::Elsewhere;
    }
    match look.there {
        Some(there) if there != *id && !faults::breaks(Fault::NoIdCheck) => Standing::Elsewhere,
        // Dropped by retention, with all that came after it or nearly: what is fetched has a hole, or has not.
        _ if look.head.seq() > *seq => Standing::Behind,
        _ => Standing::Same,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(name: &str) -> Epoch {
        Epoch::new(name).expect("an epoch")
    }

    fn at(name: &str, seq: u64, id: u128) -> Position {
        Position::At { epoch: epoch(name), seq: Seq::new(seq), id: EntryId::from_u128(id) }
    }

    /// The log `name` has entries whose identities are ten times their numbers.
    #[track_caller]
    fn judges(head: &Position, name: &str, seq: u64, id: u128, previous: Option<u128>, expected: Follows) {
        let follows = judge(
            head,
            &epoch(name),
            Seq::new(seq),
            EntryId::from_u128(id),
            previous.map(EntryId::from_u128),
        );
        assert_eq!(follows, expected, "{seq} after {head:?}");
    }

    #[test]
    fn only_what_follows_by_number_and_identity_is_next() {
        let head = at("a", 5, 50);
        judges(&head, "a", 6, 60, Some(50), Follows::Next);
        judges(&head, "a", 6, 61, Some(51), Follows::Diverges);
        judges(&head, "a", 6, 60, None, Follows::Diverges);
        judges(&head, "b", 6, 60, Some(50), Follows::Diverges);
        judges(&head, "a", 7, 70, Some(60), Follows::Gap);
        judges(&head, "a", 5, 50, Some(40), Follows::Known);
        judges(&head, "a", 5, 51, Some(40), Follows::Diverges);
        judges(&head, "a", 3, 30, Some(20), Follows::Known);
        judges(&Position::Start, "a", 1, 10, None, Follows::Next);
        judges(&Position::Start, "a", 2, 20, Some(10), Follows::Gap);
    }

    #[test]
    fn a_position_is_of_the_past_or_elsewhere() {
        let look = |head: Position, there: Option<u128>| Look { head, there: there.map(EntryId::from_u128) };
        let ours = at("a", 5, 50);
        for (look, expected) in [
            (look(at("a", 5, 50), Some(50)), Standing::Same),
            (look(at("a", 8, 80), Some(50)), Standing::Behind),
            (look(at("a", 8, 80), None), Standing::Behind),
            (look(at("a", 5, 51), Some(51)), Standing::Elsewhere),
            (look(at("a", 8, 80), Some(51)), Standing::Elsewhere),
            (look(at("a", 4, 40), None), Standing::Elsewhere),
            (look(at("b", 8, 80), Some(50)), Standing::Elsewhere),
            (look(Position::Start, None), Standing::Elsewhere),
        ] {
            assert_eq!(compare(&ours, &look), expected, "{look:?}");
        }
        assert_eq!(compare(&Position::Start, &look(Position::Start, None)), Standing::Same);
        assert_eq!(compare(&Position::Start, &look(at("a", 1, 10), None)), Standing::Behind);
    }
}
