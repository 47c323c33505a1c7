//! Durations in buckets of one percent: log-linear, as in HDR histograms.
//!
//! A bucket keeps the seven highest bits of a value. So a quantile is at most 1/128 too low at any magnitude, and
//! recording costs one increment.

use std::time::Duration;

/// Bits of a value that are kept below its highest one.
const PRECISION: u32 = 7;
const SUB_BUCKETS: usize = 1 << PRECISION;
/// Every `u64` has a bucket: one linear run, then one for each further power of two.
const BUCKETS: usize = SUB_BUCKETS * (64 - PRECISION as usize + 1);

/// Counts of durations, in nanoseconds.
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Histogram {
    /// A histogram without values.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a duration.
    pub fn record(&mut self, nanos: u64) {
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// The number of recorded durations.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The value that `per_mille` of the recorded values do not exceed; `None` without values.
    #[must_use]
    pub fn quantile(&self, per_mille: u64) -> Option<Duration> {
        let rank = (self.total * per_mille).div_ceil(1000).max(1);
        let mut seen = 0;
        let reached = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        });
        reached.map(|index| Duration::from_nanos(lowest(index)))
    }
}

/// The bucket of a value: the run is its magnitude, the index in the run its bits after the highest.
fn bucket(nanos: u64) -> usize {
    let shift = (u64::BITS - nanos.leading_zeros()).saturating_sub(PRECISION + 1);
    shift as usize * SUB_BUCKETS + usize::try_from(nanos >> shift).unwrap_or(usize::MAX)
}

/// The lowest value of a bucket: the inverse of [`bucket`].
fn lowest(index: usize) -> u64 {
    let shift = (index / SUB_BUCKETS).saturating_sub(1);
    ((index - shift * SUB_BUCKETS) as u64) << shift
}
