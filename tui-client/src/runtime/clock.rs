//! The clock and the time zone of the program.

use std::fs;
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

/// The file of the system's time zone, on most systems.
const LOCAL_TIME: &str = "/etc/localtime";

/// The time zone of the system. It is read again with an input, so an idle client does not wake up for it.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    current: TimeZone,
    read_at: Duration,
}

impl Zone {
    pub(super) fn read(now: Now) -> Self {
        Self { current: system_zone(), read_at: now.mono }
    }

    pub(super) const fn current(&self) -> &TimeZone {
        &self.current
    }

    /// Returns the time zone if it has changed. A change is noticed within a minute, or within five where `jiff` reads
    /// it.
    pub(super) fn changed(&mut self, now: Now) -> Option<TimeZone> {
        self.changed_to(now, system_zone)
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

/// The time zone of `TZ` or of the system. `jiff` finds the same one, but reads the directories of all time zones before.
fn system_zone() -> TimeZone {
    let is_set = std::env::var_os("TZ").is_some();
    let local = (!is_set).then(|| local_zone(LOCAL_TIME)).flatten();
    local.unwrap_or_else(TimeZone::system)
}

fn local_zone(path: &str) -> Option<TimeZone> {
    TimeZone::tzif("", &fs::read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_time_zone_has_its_offsets() {
        let directory = tempfile::TempDir::new().expect("a directory");
        let path = directory.path().join("localtime");
        let path = path.to_str().expect("a path");
        assert_eq!(local_zone(path), None, "there is no file");
        fs::write(path, "no time zone").expect("written");
        assert_eq!(local_zone(path), None);
        // A file of version 2 with one type, 3 hours to the east.
        let block = |times: &[u8]| {
            let counts = [0, 0, 0, 0, 1, 4_u32].map(u32::to_be_bytes).concat();
            [b"TZif2", &[0; 15][..], &counts, times, b"\0\0\x2a\x30\0\0EST\0"].concat()
        };
        fs::write(path, [&block(b"")[..], &block(b""), b"\nEST-3\n"].concat()).expect("written");
        let zone = local_zone(path).expect("a time zone");
        assert_eq!(zone.to_offset(jiff::Timestamp::UNIX_EPOCH), jiff::tz::offset(3));
    }

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
