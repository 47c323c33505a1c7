//! Times: the current time, which the runtime passes in, and times as text.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use realtime_shared::Timestamp;

/// The time of an input. The app reads no clock; the runtime passes the time in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Time since the start of the program; monotonic.
    pub mono: Duration,
    /// Wall clock time; may jump.
    pub wall: Timestamp,
}

/// A date, hour and minute in the user's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    pub day: Date,
    /// 0 to 23.
    pub hour: i8,
    /// 0 to 59.
    pub minute: i8,
}

impl Stamp {
    /// Returns the time of day: `20:18`.
    #[must_use]
    pub fn time(self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// Converts `ts` to the time zone. A time beyond the year 9999 becomes the last one of that year.
    #[must_use]
    pub fn of(ts: Timestamp, zone: &TimeZone) -> Self {
        let local = zone.to_datetime(instant(ts));
        Self { day: local.date(), hour: local.hour(), minute: local.minute() }
    }
}

/// Formats the time of day, with milliseconds if `is_exact`: `20:18:03`, `20:18:03.250`.
pub(super) fn clock_time(ts: Timestamp, zone: &TimeZone, is_exact: bool) -> String {
    let time = zone.to_datetime(instant(ts)).time();
    let seconds = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    if is_exact { format!("{seconds}.{:03}", time.millisecond()) } else { seconds }
}

/// Converts `ts`. A time beyond the year 9999 becomes the last one of that year.
fn instant(ts: Timestamp) -> jiff::Timestamp {
    let millis = i64::try_from(ts.millis()).ok();
    millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()).unwrap_or(jiff::Timestamp::MAX)
}

/// Formats a duration in one unit: `<1 s`, `12 s`, `3 min`, `2 h`, `4 d`.
#[must_use]
pub fn human(duration: Duration) -> String {
    match duration.as_secs() {
        0 => "<1 s".to_owned(),
        seconds @ ..120 => format!("{seconds} s"),
        seconds @ ..7_200 => format!("{} min", seconds / 60),
        seconds @ ..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_local_and_never_fail() {
        let stamp = Stamp::of(Timestamp::from_millis(1_763_842_680_000), &TimeZone::UTC);
        assert_eq!((stamp.day.to_string().as_str(), stamp.hour, stamp.minute), ("2025-11-22", 20, 18));
        assert_eq!(Stamp::of(Timestamp::from_millis(u64::MAX), &TimeZone::UTC).day.year(), 9999);
    }

    #[test]
    fn a_clock_time_has_seconds_and_milliseconds() {
        let ts = Timestamp::from_millis(1_763_842_683_050);
        assert_eq!(clock_time(ts, &TimeZone::UTC, false), "20:18:03");
        assert_eq!(clock_time(ts, &TimeZone::UTC, true), "20:18:03.050");
    }

    #[test]
    fn durations_have_one_unit() {
        for (seconds, text) in [(0, "<1 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }
}
