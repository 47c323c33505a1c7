//! How much in how short a time: token buckets, and the count of refusals that ends a connection.

use std::time::{Duration, Instant};

/// A token bucket: `burst` at once, `rate` a second in the long run.
#[derive(Debug)]
pub(super) struct Bucket {
    /// 0: no bound.
    rate: u32,
    burst: u32,
    tokens: f64,
    at: Instant,
}

impl Bucket {
    pub(super) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let burst = burst.max(1);
        Self { rate, burst, tokens: f64::from(burst), at: now }
    }

    /// Takes one, or says when there is one again.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        if self.rate == 0 {
            return Ok(());
        }
        let rate = f64::from(self.rate);
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = now;
        self.tokens = (self.tokens + passed * rate).min(f64::from(self.burst));
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / rate));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

/// Refusals that a connection may get within [`WINDOW`] before it is closed.
pub(super) const REFUSALS: u32 = 100;
/// Frames that may be passed over without a word within [`WINDOW`] before the connection is closed.
pub(super) const IGNORED: u32 = 1_000;
/// The window of [`REFUSALS`] and [`IGNORED`].
const WINDOW: Duration = Duration::from_secs(10);

/// Counts what a client does in vain, in windows that begin when it does.
#[derive(Debug)]
pub(super) struct Patience {
    most: u32,
    since: Instant,
    count: u32,
}

impl Patience {
    pub(super) fn new(most: u32, now: Instant) -> Self {
        Self { most, since: now, count: 0 }
    }

    /// Counts one; tells whether that was the last.
    pub(super) fn add(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) > WINDOW {
            *self = Self::new(self.most, now);
        }
        self.count += 1;
        self.count >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(50, 100, start);
        for _ in 0..100 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(20)));
        let later = start + Duration::from_millis(20);
        assert_eq!(bucket.take(later), Ok(()));
        assert!(bucket.take(later).is_err());
        let rested = later + Duration::from_hours(1);
        assert_eq!((0..200).filter(|_| bucket.take(rested).is_ok()).count(), 100);
    }

    #[test]
    fn no_rate_is_no_bound() {
        let now = Instant::now();
        let mut bucket = Bucket::new(0, 0, now);
        assert!((0..10_000).all(|_| bucket.take(now).is_ok()));
    }

    #[test]
    fn a_hundred_refusals_in_ten_seconds() {
        let start = Instant::now();
        let mut refusals = Patience::new(REFUSALS, start);
        assert!((0..99).all(|_| !refusals.add(start)));
        assert!(refusals.add(start + WINDOW));
        let mut patient = Patience::new(REFUSALS, start);
        assert!((0..1_000).all(|n| !patient.add(start + Duration::from_millis(110) * n)));
    }
}
