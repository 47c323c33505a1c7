//! Times since boot, as the log of a room stores them.

use std::time::Duration;

/// Time since boot. Half as large as a `Duration`: each entry has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BootTime {
    nanos: u64,
}

impl BootTime {
    pub(super) fn of(since_boot: Duration) -> Self {
        Self { nanos: u64::try_from(since_boot.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Time since `then`; zero if that is later.
    pub(super) fn since(self, then: Self) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(then.nanos))
    }
}
