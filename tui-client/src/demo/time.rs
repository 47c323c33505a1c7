//! The time of the demo's server: that of the system, or some time before it, so that the rooms have a yesterday.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use realtime_server::clock::Clock;
use realtime_shared::Timestamp;

/// How far it is set back, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Time(Arc<AtomicU64>);

impl Time {
    pub(super) fn set_back(&self, by: Duration) {
        self.0.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// What tells it.
    pub(super) fn clock(&self) -> Clock {
        let (system, back) = (Clock::system(), self.0.clone());
        Clock::from_fn(move || {
            Timestamp::from_millis(system.now().millis().saturating_sub(back.load(Ordering::Relaxed)))
        })
    }
}
