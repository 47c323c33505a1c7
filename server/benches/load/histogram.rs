//! Durations in buckets of one percent: log-linear, as in HDR histograms.
//!
//! A value is kept with its seven highest bits, so a quantile is at most 1/128 too low, at any magnitude, and
//! recording costs one increment.

use std::time::Duration;

/// Bits of a value that are kept below its highest one.
const PRECISION: u32 = 7;
const SUB_BUCKETS: usize = 1 << PRECISION;
/// Every `u64` has a bucket: one linear run, then one for each further power of two.
const BUCKETS: usize = SUB_BUCKETS * (64 - PRECISION as usize + 1);

/// Counts of durations, in nanoseconds.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The value that `per_mille` of the recorded ones do not exceed; `None` without any.
    pub(crate) fn quantile(&self, per_mille: u64) -> Option<Duration> {
        let rank = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map(|index| Duration::from_nanos(lowest(index)))
    }
}

/// The run is the magnitude, the place in it the bits that follow the highest.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(PRECISION + 1);
    shift as usize * SUB_BUCKETS + usize::try_from(nanos >> shift).unwrap_or(usize::MAX)
}

/// The lowest value of a bucket: `bucket` undone.
fn lowest(index: usize) -> u64 {
    let shift = (index / SUB_BUCKETS).saturating_sub(1);
    ((index - shift * SUB_BUCKETS) as u64) << shift
}
