//! Backoff between connection attempts.
//!
//! Exponential backoff with full jitter, as in Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog,
//! 2015): the wait is uniform between zero and `min(cap, base · 2^step)`. Of the forms compared there, it needs the
//! fewest calls when many clients reconnect at once.

use std::time::Duration;

/// The backoff curve, and the condition that resets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait of step 0.
    pub base: Duration,
    /// The longest wait of any step.
    pub cap: Duration,
    /// A connection that lasts this long after its welcome resets the curve. A server that closes at once after the
    /// welcome is handled like an unreachable one.
    pub stable_after: Duration,
}

impl Default for Backoff {
    /// Half a second, doubled up to 30 seconds, and reset by a connection of 10 seconds.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The longest wait of a step; the first step is 0.
    #[must_use]
    pub fn window(&self, step: u32) -> Duration {
        self.base.saturating_mul(2_u32.saturating_pow(step)).min(self.cap)
    }

    /// A random wait of a step, uniform below its window.
    pub(super) fn delay(&self, step: u32, rng: &mut fastrand::Rng) -> Duration {
        self.window(step).mul_f64(rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_doubles_up_to_its_cap() {
        let backoff = Backoff::default();
        let millis: Vec<_> = (0..8).map(|step| backoff.window(step).as_millis()).collect();
        assert_eq!(millis, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff.window(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn waits_are_uniform_over_the_whole_window() {
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
