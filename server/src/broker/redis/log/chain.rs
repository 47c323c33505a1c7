//! The append rule: entries form a chain of ids, which reveals entries of another log.
//!
//! Every announcement has the id of the entry before it. An entry with the next seq but another previous id belongs to
//! another log: Redis lost its newest entries and gave their seqs to others.

use realtime_shared::{EntryId, Epoch, Position, Seq};

use crate::faults::{self, Fault};

/// The relation of an announced entry to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Follows {
    /// The entry is the next one.
    Next,
    /// The replica has the entry already, as far as its head shows.
    Known,
    /// Entries before it are missing.
    Gap,
    /// The entry belongs to another log.
    Diverges,
}

/// The relation of an entry to `head`. `previous` is the id of the entry before it.
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
    // The largest seq is its own next, so this comes before the comparison with the next.
    if seq > *newest {
        if seq > newest.next() {
            return Follows::Gap;
        }
        let chained = previous == Some(*newest_id) || faults::breaks(Fault::NoIdCheck);
        return if chained { Follows::Next } else { Follows::Diverges };
    }
    let same = id == *newest_id || faults::breaks(Fault::NoIdCheck);
    if seq == *newest && !same { Follows::Diverges } else { Follows::Known }
}

/// A room's log in Redis, read with a position of a replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogState {
    pub(crate) head: Position,
    /// Id of the entry that has the seq of that position.
    pub(crate) at_position: Option<EntryId>,
}

/// The relation of a position to a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogRelation {
    /// The position is the head.
    Same,
    /// Entries after the position have to be fetched.
    Behind,
    /// The position belongs to another log.
    Diverged,
}

/// The relation of the position `ours` to the log in Redis, which was read later: a shorter log has lost entries.
pub(crate) fn compare(ours: &Position, log: &LogState) -> LogRelation {
    let Position::At { epoch, seq, id } = ours else {
        return if log.head == Position::Start { LogRelation::Same } else { LogRelation::Behind };
    };
    if log.head.epoch() != Some(epoch) || log.head.seq() < *seq {
        return LogRelation::Diverged;
    }
    match log.at_position {
        Some(at) if at != *id && !faults::breaks(Fault::NoIdCheck) => LogRelation::Diverged,
        // Retention has dropped the entry at the position: the fetched page shows if there is a gap.
        _ if log.head.seq() > *seq => LogRelation::Behind,
        _ => LogRelation::Same,
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

    /// Entries of the log `name` have ids that are ten times their numbers.
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
    fn only_an_entry_that_follows_by_seq_and_id_is_next() {
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
    fn a_position_is_of_the_log_or_of_another_one() {
        let log =
            |head: Position, at: Option<u128>| LogState { head, at_position: at.map(EntryId::from_u128) };
        let ours = at("a", 5, 50);
        for (log_state, expected) in [
            (log(at("a", 5, 50), Some(50)), LogRelation::Same),
            (log(at("a", 8, 80), Some(50)), LogRelation::Behind),
            (log(at("a", 8, 80), None), LogRelation::Behind),
            (log(at("a", 5, 51), Some(51)), LogRelation::Diverged),
            (log(at("a", 8, 80), Some(51)), LogRelation::Diverged),
            (log(at("a", 4, 40), None), LogRelation::Diverged),
            (log(at("b", 8, 80), Some(50)), LogRelation::Diverged),
            (log(Position::Start, None), LogRelation::Diverged),
        ] {
            assert_eq!(compare(&ours, &log_state), expected, "{log_state:?}");
        }
        assert_eq!(compare(&Position::Start, &log(Position::Start, None)), LogRelation::Same);
        assert_eq!(compare(&Position::Start, &log(at("a", 1, 10), None)), LogRelation::Behind);
    }
}
