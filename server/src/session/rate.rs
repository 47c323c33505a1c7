//! Rate limits: token buckets, and windows that count refusals.

use std::time::{Duration, Instant};

/// A token bucket: `burst` at once, `rate` a second in the long run.
#[derive(Debug)]
pub(super) struct Bucket {
    /// Tokens a second; 0 without a limit.
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

    /// Takes a token, or returns the time until there is one.
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
/// Frames that may be dropped without an answer within [`WINDOW`] before the connection is closed.
pub(super) const IGNORED: u32 = 1_000;
/// Reads of a few bytes that complete no frame, within [`WINDOW`], before the connection is closed.
pub(super) const TINY_READS: u32 = 10_000;
/// The window of these limits.
const WINDOW: Duration = Duration::from_secs(10);

/// Counter of a client's faults within [`WINDOW`]. A window begins with a fault.
#[derive(Debug)]
pub(super) struct FaultWindow {
    most: u32,
    since: Instant,
    count: u32,
}

impl FaultWindow {
    pub(super) fn new(most: u32, now: Instant) -> Self {
        Self { most, since: now, count: 0 }
    }

    /// Counts a fault. Returns true if the client has reached its limit.
    pub(super) fn add(&mut self, now: Instant) -> bool {
        self.add_many(1, now)
    }

    pub(super) fn add_many(&mut self, count: u32, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) > WINDOW {
            *self = Self::new(self.most, now);
        }
        self.count = self.count.saturating_add(count);
        self.count >= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_a_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(50, 100, start);
        for _ in 0..100 {
            assert_eq!(bucket.take(start), Ok(()));
        }
        assert_eq!(bucket.take(start), Err(Duration::from_millis(20)));
        let halfway = start + Duration::from_millis(10);
        assert_eq!(bucket.take(halfway), Err(Duration::from_millis(10)), "half a token is there");
        let later = start + Duration::from_millis(20);
        assert_eq!(bucket.take(later), Ok(()));
        assert!(bucket.take(later).is_err());
        let rested = later + Duration::from_hours(1);
        assert_eq!((0..200).filter(|_| bucket.take(rested).is_ok()).count(), 100);
    }

    #[test]
    fn rate_zero_is_no_limit() {
        let now = Instant::now();
        let mut bucket = Bucket::new(0, 0, now);
        assert!((0..10_000).all(|_| bucket.take(now).is_ok()));
    }

    #[test]
    fn the_hundredth_refusal_within_ten_seconds_reaches_the_limit() {
        let start = Instant::now();
        let mut refusals = FaultWindow::new(REFUSALS, start);
        assert!((0..99).all(|_| !refusals.add(start)));
        assert!(refusals.add(start + WINDOW));
        let mut slow = FaultWindow::new(REFUSALS, start);
        assert!((0..1_000).all(|n| !slow.add(start + Duration::from_millis(110) * n)));
    }
}
