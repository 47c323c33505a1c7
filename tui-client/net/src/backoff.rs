//! How long to wait before the next try.
//!
//! Exponential backoff with full jitter, as in Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog,
//! 2015): the wait is uniform between zero and `min(cap, base · 2^step)`. Of the forms compared there, it has the
//! fewest calls when many clients come back at once.

use std::time::Duration;

/// The curve, and when it starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait of all.
    pub cap: Duration,
    /// How long a connection has to last, from its welcome, for the curve to start anew. A server that welcomes and
    /// closes at once is waited for as one that is not there.
    pub stable_after: Duration,
}

impl Default for Backoff {
    /// Half a second, doubling to 30 seconds; anew after a connection of 10 seconds.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The longest wait of a step, from 0.
    #[must_use]
    pub fn window(&self, step: u32) -> Duration {
        self.base.saturating_mul(2_u32.saturating_pow(step)).min(self.cap)
    }

    /// A wait of a step: uniform below its window.
    pub(super) fn delay(&self, step: u32, rng: &mut fastrand::Rng) -> Duration {
        self.window(step).mul_f64(rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_doubles_to_its_cap() {
        let backoff = Backoff::default();
        let millis: Vec<_> = (0..8).map(|step| backoff.window(step).as_millis()).collect();
        assert_eq!(millis, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.window(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn waits_are_spread_over_the_whole_window() {
        let backoff = Backoff::default();
        let mut rng = fastrand::Rng::with_seed(1);
        let waits: Vec<_> = (0..1_000).map(|_| backoff.delay(3, &mut rng)).collect();
        assert!(waits.iter().all(|wait| *wait < Duration::from_secs(4)));
        for tenth in 0..10 {
            let tenth = Duration::from_millis(400 * tenth)..Duration::from_millis(400 * (tenth + 1));
            assert!(waits.iter().filter(|wait| tenth.contains(*wait)).count() > 50, "{tenth:?}");
        }
    }
}
