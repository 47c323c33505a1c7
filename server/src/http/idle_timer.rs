//! Keep-alive: the time for which a connection may wait for its next request.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep_until};

/// State of the requests of one connection.
pub(super) struct IdleTimer {
    timeout: Duration,
    /// Time of the last answer; `None` before the first and during a request.
    idle_since: Mutex<Option<Instant>>,
}

impl IdleTimer {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, idle_since: Mutex::new(None) }
    }

    /// Notes that a request has arrived.
    pub(super) fn requested(&self) {
        *self.idle_since.lock() = None;
    }

    /// Notes that a request was answered.
    pub(super) fn answered(&self) {
        *self.idle_since.lock() = Some(Instant::now());
    }

    /// Waits until the connection has waited for a request for too long after an answer.
    pub(super) async fn ended(&self) {
        loop {
            let now = Instant::now();
            let idle_since = *self.idle_since.lock();
            // Without an answer so far, none can be older than this at the next look.
            let end = idle_since.unwrap_or(now) + self.timeout;
            if end <= now {
                return;
            }
            sleep_until(end).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_runs_from_the_last_answer() {
        let idle_timer = Arc::new(IdleTimer::new(Duration::from_secs(5)));
        let ended = {
            let idle_timer = idle_timer.clone();
            tokio::spawn(async move { idle_timer.ended().await })
        };
        sleep(Duration::from_secs(20)).await;
        assert!(!ended.is_finished(), "no answer yet");
        for _ in 0..3 {
            idle_timer.answered();
            sleep(Duration::from_secs(4)).await;
            idle_timer.requested();
            sleep(Duration::from_secs(20)).await;
            assert!(!ended.is_finished(), "a request is being answered");
        }
        let begun = Instant::now();
        idle_timer.answered();
        ended.await.expect("no panic");
        assert_eq!(begun.elapsed().as_secs(), 5);
    }
}
