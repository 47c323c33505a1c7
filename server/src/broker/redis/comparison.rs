//! Comparison of all open rooms with Redis, every few seconds and after each reconnection.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::log::Logs;
use super::presence::PresenceOwner;

/// Interval of comparisons, unless there are too many rooms for it.
const INTERVAL: Duration = Duration::from_secs(5);
/// Rooms of one request.
const ROOMS: usize = 200;
/// Shortest time for one request: at most 2,000 rooms a second, which takes 2 % of the time of Redis.
const REQUEST_INTERVAL: Duration = Duration::from_millis(100);

/// Compares logs and members.
pub(crate) struct Comparison {
    pub(crate) logs: Arc<Logs>,
    pub(crate) presence: Arc<PresenceOwner>,
}

impl Comparison {
    /// Compares for as long as the engine runs.
    pub(crate) async fn run(&self) {
        loop {
            sleep(INTERVAL).await;
            self.logs.close_released();
            self.compare_all().await;
        }
    }

    /// Compares all rooms, with at least [`REQUEST_INTERVAL`] for each request.
    pub(crate) async fn compare_all(&self) {
        for replicas in self.logs.replicas.all().chunks(ROOMS) {
            let next = Instant::now() + REQUEST_INTERVAL;
            let Ok(states) = self.logs.repair.compare(replicas).await else { return };
            for (replica, state) in &states {
                self.presence.audit.check(replica, state);
            }
            if replicas.len() == ROOMS {
                sleep_until(next).await;
            }
        }
    }
}
