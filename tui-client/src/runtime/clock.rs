//! The clock of the program.

use realtime_shared::Timestamp;
use tokio::time::Instant;

use crate::app::Now;

/// The clock of the client. No other code of the client reads a clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    pub(super) start: Instant,
}

impl Clock {
    pub(super) fn now(self) -> Now {
        let wall = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
        Now { mono: self.start.elapsed(), wall: Timestamp::from_millis(wall) }
    }
}
