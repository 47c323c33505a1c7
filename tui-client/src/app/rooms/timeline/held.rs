//! The seqs that are held: entries that came, whether they are shown as rows or not.
//!
//! A gap is where seqs are missing, not where rows are: an entry that this version cannot read has no row.

use std::collections::VecDeque;

/// Runs that are kept at most; the oldest go first. Only a server that leaves out most entries makes so many.
const RUNS: usize = 10_000;

/// Runs of seqs, each `(first, last)`: ascending, and with a seq missing between each two.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Held {
    runs: VecDeque<(u64, u64)>,
}

impl Held {
    /// Adds the seqs from `first` to `last`; none if `last` is smaller.
    pub(super) fn add(&mut self, mut first: u64, mut last: u64) {
        if last < first {
            return;
        }
        let from = self.runs.partition_point(|run| run.1.saturating_add(1) < first);
        let to = self.runs.partition_point(|run| run.0 <= last.saturating_add(1));
        if from < to {
            first = first.min(self.runs[from].0);
            last = last.max(self.runs[to - 1].1);
            self.runs.drain(from + 1..to);
            self.runs[from] = (first, last);
        } else {
            self.runs.insert(from, (first, last));
        }
        if self.runs.len() > RUNS {
            self.runs.pop_front();
        }
    }

    /// Whether all seqs from `first` to `last` are held, of which there may be none.
    pub(super) fn covers(&self, first: u64, last: u64) -> bool {
        last < first || self.run_of(first).is_some_and(|run| last <= run.1)
    }

    /// The first seq of the run that has `seq`.
    pub(super) fn run_start(&self, seq: u64) -> Option<u64> {
        self.run_of(seq).map(|run| run.0)
    }

    /// The newest seq.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs.back().map(|run| run.1)
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    /// Forgets the seqs after `seq`.
    pub(super) fn forget_after(&mut self, seq: u64) {
        while let Some(run) = self.runs.back_mut().filter(|run| run.1 > seq) {
            if run.0 <= seq {
                run.1 = seq;
            } else {
                self.runs.pop_back();
            }
        }
    }

    /// Forgets the seqs up to `seq`.
    pub(super) fn forget_up_to(&mut self, seq: u64) {
        while let Some(run) = self.runs.front_mut().filter(|run| run.0 <= seq) {
            if run.1 > seq {
                run.0 = seq.saturating_add(1);
            } else {
                self.runs.pop_front();
            }
        }
    }

    fn run_of(&self, seq: u64) -> Option<(u64, u64)> {
        let index = self.runs.partition_point(|run| run.1 < seq);
        self.runs.get(index).copied().filter(|run| run.0 <= seq)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Change {
        Add(u64, u64),
        ForgetAfter(u64),
        ForgetUpTo(u64),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => (0..40_u64, 0..6_u64).prop_map(|(first, more)| Change::Add(first, first + more)),
            1 => (0..40_u64).prop_map(Change::ForgetAfter),
            1 => (0..40_u64).prop_map(Change::ForgetUpTo),
        ]
    }

    proptest! {
        #[test]
        fn runs_hold_what_a_set_of_seqs_holds(changes in proptest::collection::vec(change(), 0..30)) {
            let (mut held, mut set) = (Held::default(), BTreeSet::new());
            for change in changes {
                match change {
                    Change::Add(first, last) => {
                        held.add(first, last);
                        set.extend(first..=last);
                    }
                    Change::ForgetAfter(seq) => {
                        held.forget_after(seq);
                        set.retain(|held| *held <= seq);
                    }
                    Change::ForgetUpTo(seq) => {
                        held.forget_up_to(seq);
                        set.retain(|held| *held > seq);
                    }
                }
                let seqs: Vec<u64> = held.runs.iter().flat_map(|run| run.0..=run.1).collect();
                prop_assert!(seqs.iter().eq(&set), "{:?} {:?}", held, set);
                let separate = held.runs.iter().is_sorted_by(|a, b| a.1 + 1 < b.0);
                prop_assert!(separate, "{:?}", held);
                prop_assert_eq!(held.last(), set.last().copied());
                for seq in 0..50 {
                    let start = (0..=seq).rev().take_while(|seq| set.contains(seq)).last();
                    prop_assert_eq!(held.run_start(seq), start);
                    prop_assert_eq!(held.covers(seq, seq + 2), (seq..=seq + 2).all(|seq| set.contains(&seq)));
                }
            }
        }
    }

    #[test]
    fn the_largest_seq_is_held() {
        let mut held = Held::default();
        held.add(u64::MAX, u64::MAX);
        held.add(0, 3);
        assert!(held.covers(u64::MAX, u64::MAX) && held.covers(1, 0));
        held.forget_up_to(u64::MAX);
        assert_eq!(held, Held::default());
    }
}
