//! Pace of the requests of one connection: anybody can send them without a token, thousands in one packet.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};

/// Requests that are answered at once after a pause.
const BURST: u32 = 10;
/// Time in which another request is earned.
const INTERVAL: Duration = Duration::from_millis(200);

/// The time at which all requests so far are earned.
pub(super) struct Pace(Mutex<Instant>);

impl Pace {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    /// Waits until the next request may be answered. The connection reads no further one meanwhile.
    pub(super) async fn admit(&self) {
        let now = Instant::now();
        let ahead = {
            let mut earned = self.0.lock();
            *earned = (*earned).max(now) + INTERVAL;
            *earned - now
        };
        let wait = ahead.saturating_sub(INTERVAL * BURST);
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ten_requests_are_answered_at_once_and_then_five_a_second() {
        let (pace, begun) = (Pace::new(), Instant::now());
        let mut times = Vec::new();
        for _ in 0..13 {
            pace.admit().await;
            times.push(begun.elapsed().as_millis());
        }
        assert_eq!((&times[..10], &times[10..]), (&[0; 10][..], &[200, 400, 600][..]));
        sleep(Duration::from_mins(1)).await;
        let paused = Instant::now();
        for _ in 0..10 {
            pace.admit().await;
        }
        assert_eq!(paused.elapsed(), Duration::ZERO);
        pace.admit().await;
        assert_eq!(paused.elapsed(), INTERVAL);
    }
}
