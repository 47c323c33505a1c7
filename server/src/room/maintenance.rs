//! Maintenance: the task that does what is due in all rooms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Registry;
use crate::budget::Budgets;

/// Interval at which old frames are trimmed from the rooms' rings.
const TRIM_INTERVAL: Duration = Duration::from_secs(5);

impl Registry {
    /// Ends leave graces and holds of presence changes, trims old frames and keeps budgets, until it is dropped.
    pub(crate) async fn run_maintenance(self: Arc<Self>) {
        let mut trim = tokio::time::interval(TRIM_INTERVAL);
        let mut tick = tokio::time::interval(Budgets::TICK);
        loop {
            let next = self.grace.lock().next();
            let ended = async {
                match next {
                    Some(end) => tokio::time::sleep_until(end.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = ended => self.end_graces(),
                room = self.presence_holds.ended() => self.spawn_presence_notice(&room),
                () = self.grace_begun.notified() => {}
                _ = trim.tick() => self.trim(),
                _ = tick.tick() => {
                    self.budgets.tick(Instant::now());
                    self.publish_spending(&self.budgets.take_unpublished());
                }
                () = self.budgets.due() => self.publish_spending(&self.budgets.take_due()),
            }
        }
    }
}
