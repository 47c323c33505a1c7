//! Pacing of joins and messages below the server's rate limit.
//!
//! A token bucket with a capacity of one second, and a pause after a `rate_limited` error.

use std::time::{Duration, Instant};

/// A token bucket with a pause.
#[derive(Debug)]
pub(super) struct Pacer {
    /// Frames a second; 0 means no limit.
    rate: u32,
    tokens: f64,
    counted_at: Instant,
    paused_until: Option<Instant>,
}

impl Pacer {
    /// A full bucket for `rate` frames a second; 0 means no limit.
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { rate, tokens: f64::from(rate), counted_at: now, paused_until: None }
    }

    /// Stops all frames until `until`. Then the bucket has one token, so there is no burst.
    pub(super) fn pause(&mut self, until: Instant) {
        let until = self.paused_until.map_or(until, |paused| paused.max(until));
        self.paused_until = Some(until);
        self.tokens = 1.0_f64.min(f64::from(self.rate));
        self.counted_at = until;
    }

    /// Returns true if a frame may be sent now.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        self.ready_at(now) <= now
    }

    /// Takes the token of a sent frame.
    pub(super) fn take(&mut self, now: Instant) {
        self.tokens = self.tokens_at(now) - 1.0;
        self.counted_at = self.counted_at.max(now);
    }

    /// The time at which the next frame may be sent; `now` if it may be sent at once.
    pub(super) fn ready_at(&self, now: Instant) -> Instant {
        if let Some(until) = self.paused_until.filter(|until| *until > now) {
            return until;
        }
        let missing = 1.0 - self.tokens_at(now);
        if self.rate == 0 || missing <= 0.0 {
            return now;
        }
        // One nanosecond more, so that rounding does not leave the token incomplete.
        now + Duration::from_secs_f64(missing / f64::from(self.rate)) + Duration::from_nanos(1)
    }

    fn tokens_at(&self, now: Instant) -> f64 {
        let rate = f64::from(self.rate);
        let grown = now.saturating_duration_since(self.counted_at).as_secs_f64() * rate;
        (self.tokens + grown).min(rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(pacer: &mut Pacer, now: Instant) -> u32 {
        let mut taken = 0;
        while taken < 1_000 && pacer.is_ready(now) {
            pacer.take(now);
            taken += 1;
        }
        taken
    }

    #[test]
    fn a_burst_of_one_second_is_followed_by_the_rate() {
        let start = Instant::now();
        let mut pacer = Pacer::new(10, start);
        assert_eq!(spend(&mut pacer, start), 10);
        let next = pacer.ready_at(start);
        assert_eq!((next - start).as_millis(), 100);
        assert_eq!(spend(&mut pacer, next), 1);
        assert_eq!(spend(&mut pacer, start + Duration::from_mins(1)), 10);
    }

    #[test]
    fn a_pause_stops_all_frames_and_has_no_burst_after_it() {
        let start = Instant::now();
        let mut pacer = Pacer::new(10, start);
        let until = start + Duration::from_secs(3);
        pacer.pause(until);
        pacer.pause(start + Duration::from_secs(1));
        assert_eq!(pacer.ready_at(start), until, "a shorter pause does not end a longer one");
        assert_eq!(spend(&mut pacer, start + Duration::from_secs(2)), 0);
        assert_eq!(spend(&mut pacer, until), 1);
    }

    #[test]
    fn rate_0_has_no_limit_but_pauses_apply() {
        let start = Instant::now();
        let mut pacer = Pacer::new(0, start);
        assert_eq!(spend(&mut pacer, start), 1_000);
        pacer.pause(start + Duration::from_secs(1));
        assert!(!pacer.is_ready(start));
        assert!(pacer.is_ready(start + Duration::from_secs(1)));
    }
}
