//! Meters: token buckets, each in one atomic number.
//!
//! A meter stores the time at which all that was spent will be earned again. So a bucket needs no task that refills it,
//! any thread may spend, and a meter whose time has passed is as good as a new one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(super) const NANOS: u64 = 1_000_000_000;
/// Limit on the time that a spender has to wait after its burst. A larger debt is forgiven.
const MAX_DEBT: u64 = 60 * NANOS;
/// Binary digits of [`Rate::unit`] behind the point.
const FRACTION_BITS: u32 = 32;

/// Nanoseconds since the start of the budgets.
pub(super) type Moment = u64;

/// Rate of a budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// Units a second; 0 without a limit.
    pub(super) per_second: u64,
    /// Time in which a unit is earned: nanoseconds, with a fraction. Spares a division for each amount.
    unit: u64,
    /// Time for which a spender that has rested may be ahead of the rate.
    ahead: u64,
}

impl Rate {
    /// A rate for single units, `burst` at once.
    pub(super) fn of_units(per_second: u64, burst: u64) -> Self {
        let rate = Self::new(per_second, 0);
        Self { ahead: rate.time_of(burst.saturating_sub(1)), ..rate }
    }

    /// A rate for amounts of any size. An amount is admitted as long as the spender is at most `ahead` of the rate, so
    /// the last one may exceed the burst.
    pub(super) fn of_amounts(per_second: u64, ahead: Duration) -> Self {
        Self::new(per_second, u64::try_from(ahead.as_nanos()).unwrap_or(u64::MAX))
    }

    fn new(per_second: u64, ahead: u64) -> Self {
        let unit = (u128::from(NANOS) << FRACTION_BITS) / u128::from(per_second.max(1));
        Self { per_second, unit: u64::try_from(unit).unwrap_or(u64::MAX), ahead }
    }

    /// Time in which an amount is earned.
    fn time_of(self, amount: u64) -> u64 {
        let time = (u128::from(amount) * u128::from(self.unit)) >> FRACTION_BITS;
        u64::try_from(time).unwrap_or(u64::MAX)
    }
}

/// The amount that was spent of a budget.
#[derive(Debug, Default)]
pub(crate) struct Meter(AtomicU64);

impl Meter {
    /// Time until something may be spent; `None` if it may be now.
    pub(super) fn wait(&self, rate: Rate, now: Moment) -> Option<Duration> {
        self.wait_with(rate, 0, now)
    }

    /// The same, if `pending` were spent already.
    pub(super) fn wait_with(&self, rate: Rate, pending: u64, now: Moment) -> Option<Duration> {
        if rate.per_second == 0 {
            return None;
        }
        let ahead = self.0.load(Ordering::Relaxed).saturating_sub(now).saturating_add(rate.time_of(pending));
        (ahead > rate.ahead).then(|| Duration::from_nanos(ahead - rate.ahead))
    }

    /// Spends an amount if the budget allows it, or returns the time until it does.
    pub(super) fn take(&self, rate: Rate, amount: u64, now: Moment) -> Result<(), Duration> {
        if rate.per_second == 0 {
            return Ok(());
        }
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |earned| {
            let earned = earned.max(now);
            (earned - now <= rate.ahead).then(|| add(earned, amount, rate, now))
        });
        taken.map(drop).map_err(|earned| Duration::from_nanos(earned.saturating_sub(now) - rate.ahead))
    }

    /// Spends an amount that cannot be refused any more.
    pub(super) fn spend(&self, rate: Rate, amount: u64, now: Moment) {
        if rate.per_second > 0 && amount > 0 {
            let spent = |earned: u64| Some(add(earned.max(now), amount, rate, now));
            // The closure always returns a value.
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent);
        }
    }

    /// A meter with what this one has spent.
    pub(super) fn take_over(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }

    /// True if everything is earned again.
    pub(super) fn is_clear(&self, now: Moment) -> bool {
        self.0.load(Ordering::Relaxed) <= now
    }
}

/// The time at which `amount` is earned too, with the largest debt as its limit.
fn add(earned: Moment, amount: u64, rate: Rate, now: Moment) -> Moment {
    let limit = now.saturating_add(rate.ahead).saturating_add(MAX_DEBT);
    earned.saturating_add(rate.time_of(amount)).min(limit)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = NANOS;

    #[test]
    fn units_are_taken_in_a_burst_and_then_at_the_rate() {
        let (rate, meter) = (Rate::of_units(50, 100), Meter::default());
        assert!((0..100).all(|_| meter.take(rate, 1, 5).is_ok()));
        assert_eq!(meter.take(rate, 1, 5), Err(Duration::from_millis(20)));
        assert_eq!(meter.take(rate, 1, 5 + SECOND / 50), Ok(()));
        assert!(meter.take(rate, 1, 5 + SECOND / 50).is_err());
    }

    #[test]
    fn an_amount_is_admitted_while_the_spender_is_within_the_burst() {
        let (rate, meter) = (Rate::of_amounts(1_000, Duration::from_secs(2)), Meter::default());
        assert_eq!(meter.take(rate, 2_000, 0), Ok(()));
        assert_eq!(meter.take(rate, 5_000, 0), Ok(()));
        assert_eq!(meter.take(rate, 1, 0), Err(Duration::from_secs(5)));
        assert_eq!(meter.wait(rate, SECOND), Some(Duration::from_secs(4)));
        assert_eq!(meter.wait(rate, 5 * SECOND), None);
    }

    #[test]
    fn a_debt_beyond_a_minute_is_forgiven() {
        let (rate, meter) = (Rate::of_amounts(1, Duration::from_secs(1)), Meter::default());
        meter.spend(rate, u64::MAX, 0);
        assert_eq!(meter.wait(rate, 0), Some(Duration::from_mins(1)));
    }

    #[test]
    fn rate_zero_is_no_limit() {
        let (rate, meter) = (Rate::of_amounts(0, Duration::ZERO), Meter::default());
        assert!((0..1_000).all(|_| meter.take(rate, u64::MAX, 0).is_ok()));
        assert!(meter.is_clear(0));
    }

    proptest! {
        /// The model counts what was admitted in floating point, without the representation of a meter.
        #[test]
        fn a_meter_admits_what_a_bucket_of_tokens_admits(
            per_second in 1_u64..10_000,
            burst_ms in 0_u64..5_000,
            steps in prop::collection::vec((0_u64..3_000, 1_u64..5_000, any::<bool>()), 1..60),
        ) {
            let (rate, meter) = (Rate::of_amounts(per_second, Duration::from_millis(burst_ms)), Meter::default());
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let units = |number: u64| number as f64;
            let (mut now_ms, mut debt) = (0, 0.0_f64);
            for (pause_ms, amount, refusable) in steps {
                now_ms += pause_ms;
                debt = (debt - units(pause_ms) * units(per_second) / 1_000.0).max(0.0);
                let beyond = debt - units(burst_ms) * units(per_second) / 1_000.0;
                let now = now_ms * 1_000_000;
                let admitted = if refusable { meter.take(rate, amount, now).is_ok() } else {
                    meter.spend(rate, amount, now);
                    true
                };
                // Rounding decides at the very edge.
                if refusable && beyond.abs() > 0.01 {
                    prop_assert_eq!(admitted, beyond < 0.0);
                }
                if admitted {
                    debt += units(amount);
                    debt = debt.min(units(burst_ms) * units(per_second) / 1_000.0 + 60.0 * units(per_second));
                }
            }
        }
    }
}
