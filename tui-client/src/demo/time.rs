//! Time of the demo's server: the system's, or set back, so that rooms have messages of earlier days.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use realtime_server::clock::Clock;
use realtime_shared::Timestamp;

/// Time by which it is set back, in milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Time(Arc<AtomicU64>);

impl Time {
    pub(super) fn set_back(&self, by: Duration) {
        self.0.store(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Clock of the server.
    pub(super) fn clock(&self) -> Clock {
        let (system, back) = (Clock::system(), self.0.clone());
        Clock::from_fn(move || {
            Timestamp::from_millis(system.now().millis().saturating_sub(back.load(Ordering::Relaxed)))
        })
    }
}
