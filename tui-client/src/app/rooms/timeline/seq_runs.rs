//! Runs of seqs: the entries that the client holds, with or without a row in the timeline.
//!
//! An entry of an unknown kind has no row. A gap is therefore a place where seqs are missing, not rows.

use std::collections::VecDeque;

/// Largest number of runs; the oldest are dropped first. Only a server that omits most entries causes so many.
const RUNS: usize = 10_000;

/// Runs of seqs, each `(first, last)`. They ascend, and at least one seq is missing between two runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SeqRuns {
    runs: VecDeque<(u64, u64)>,
}

impl SeqRuns {
    /// Adds the seqs from `first` to `last`; none if `last` is smaller than `first`.
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

    /// Returns true if all seqs from `first` to `last` are held, or if the range is empty.
    pub(super) fn covers(&self, first: u64, last: u64) -> bool {
        last < first || self.run_with(first).is_some_and(|run| last <= run.1)
    }

    /// The first seq of the run that contains `seq`.
    pub(super) fn run_start(&self, seq: u64) -> Option<u64> {
        self.run_with(seq).map(|run| run.0)
    }

    /// The newest seq.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs.back().map(|run| run.1)
    }

    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    /// Removes the seqs after `seq`.
    pub(super) fn remove_after(&mut self, seq: u64) {
        while let Some(run) = self.runs.back_mut().filter(|run| run.1 > seq) {
            if run.0 <= seq {
                run.1 = seq;
            } else {
                self.runs.pop_back();
            }
        }
    }

    /// Removes the seqs up to and including `seq`.
    pub(super) fn remove_up_to(&mut self, seq: u64) {
        while let Some(run) = self.runs.front_mut().filter(|run| run.0 <= seq) {
            if run.1 > seq {
                run.0 = seq.saturating_add(1);
            } else {
                self.runs.pop_front();
            }
        }
    }

    fn run_with(&self, seq: u64) -> Option<(u64, u64)> {
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
        RemoveAfter(u64),
        RemoveUpTo(u64),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => (0..40_u64, 0..6_u64).prop_map(|(first, more)| Change::Add(first, first + more)),
            1 => (0..40_u64).prop_map(Change::RemoveAfter),
            1 => (0..40_u64).prop_map(Change::RemoveUpTo),
        ]
    }

    proptest! {
        #[test]
        fn runs_hold_the_same_seqs_as_a_set(changes in proptest::collection::vec(change(), 0..30)) {
            let (mut held, mut set) = (SeqRuns::default(), BTreeSet::new());
            for change in changes {
                match change {
                    Change::Add(first, last) => {
                        held.add(first, last);
                        set.extend(first..=last);
                    }
                    Change::RemoveAfter(seq) => {
                        held.remove_after(seq);
                        set.retain(|held| *held <= seq);
                    }
                    Change::RemoveUpTo(seq) => {
                        held.remove_up_to(seq);
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
    fn the_largest_seq_can_be_held() {
        let mut held = SeqRuns::default();
        held.add(u64::MAX, u64::MAX);
        held.add(0, 3);
        assert!(held.covers(u64::MAX, u64::MAX) && held.covers(1, 0));
        held.remove_up_to(u64::MAX);
        assert_eq!(held, SeqRuns::default());
    }
}
