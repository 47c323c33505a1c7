//! Comparison of all open rooms with Redis, every few seconds and after each reconnection.
//!
//! The log of a room is compared with its replica. What Redis computes from parts is compared with the parts: the members
//! of a room, the counts of connections, and the sets of rooms. So the loss of a key heals.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::log::Logs;
use super::presence::PresenceOwner;

/// Interval of comparisons, unless there are too many rooms for it.
const INTERVAL: Duration = Duration::from_secs(5);
/// Comparisons after which all rooms are added to the list again: a minute.
const COMPARISONS: usize = 12;
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
            for _ in 0..COMPARISONS {
                sleep(INTERVAL).await;
                self.logs.close_released();
                self.compare_all().await;
                self.presence.counts.audit().await;
                let index = self.logs.index().clone();
                // A restoration may take longer than an interval.
                tokio::spawn(async move { index.restore_if_lost().await });
            }
            // A room that is missing in the list is added with its next message or the next sweep.
            self.logs.index().forget();
        }
    }

    /// Compares all rooms, with at least [`REQUEST_INTERVAL`] for each request.
    pub(crate) async fn compare_all(&self) {
        for replicas in self.logs.replicas.all().chunks(ROOMS) {
            let next = Instant::now() + REQUEST_INTERVAL;
            let Ok(states) = self.logs.repair.compare(replicas).await else { return };
            let audit = &self.presence.audit;
            let due = states.iter().filter(|(replica, state)| audit.check(replica, state));
            let due: Vec<_> = due.map(|(replica, _)| replica.clone()).collect();
            audit.recount(&due).await;
            let open: Vec<_> = states.iter().map(|(replica, _)| replica.room.as_str()).collect();
            self.logs.index().confirm(&open).await;
            if replicas.len() == ROOMS {
                sleep_until(next).await;
            }
        }
    }
}
