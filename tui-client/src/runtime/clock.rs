//! The clock and the time zone of the program.

use std::time::Duration;

use jiff::tz::TimeZone;
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
        Now { mono: self.start.elapsed(), wall: wall_clock() }
    }
}

/// The wall clock time.
pub(crate) fn wall_clock() -> Timestamp {
    Timestamp::from_millis(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}

/// Shortest time between two readings of the time zone.
const ZONE_INTERVAL: Duration = Duration::from_mins(1);

/// The time zone of the system. It is read again with an input, so an idle client does not wake up for it.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    current: TimeZone,
    read_at: Duration,
}

impl Zone {
    pub(super) fn read(now: Now) -> Self {
        Self { current: TimeZone::system(), read_at: now.mono }
    }

    pub(super) const fn current(&self) -> &TimeZone {
        &self.current
    }

    /// Returns the time zone if it has changed. A change is noticed within some minutes: `jiff` keeps what it has read
    /// for five.
    pub(super) fn changed(&mut self, now: Now) -> Option<TimeZone> {
        self.changed_to(now, TimeZone::system)
    }

    fn changed_to(&mut self, now: Now, read: impl FnOnce() -> TimeZone) -> Option<TimeZone> {
        if now.mono.saturating_sub(self.read_at) < ZONE_INTERVAL {
            return None;
        }
        self.read_at = now.mono;
        let zone = read();
        if zone == self.current {
            return None;
        }
        self.current = zone.clone();
        Some(zone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_zone_is_read_once_a_minute_and_a_change_reported_once() {
        let at = |seconds| Now { mono: Duration::from_secs(seconds), ..Now::default() };
        let east = || TimeZone::fixed(jiff::tz::offset(3));
        let mut zone = Zone { current: TimeZone::UTC, read_at: Duration::from_secs(10) };
        assert_eq!(zone.changed_to(at(69), east), None, "not read again yet");
        assert_eq!(zone.changed_to(at(70), || TimeZone::UTC), None);
        assert_eq!(zone.changed_to(at(130), east), Some(east()));
        assert_eq!(zone.changed_to(at(190), east), None);
    }
}
