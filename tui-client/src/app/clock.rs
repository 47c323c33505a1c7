//! Times as they are passed in and as they are shown.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use realtime_shared::Timestamp;

/// The time at which something is handled. The app reads no clock: the runtime passes this in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Since the start of the program; never goes back.
    pub mono: Duration,
    /// What the clock on the wall says; may jump.
    pub wall: Timestamp,
}

/// A time of day and its day, in the user's time zone: as much as the timeline shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The day.
    pub day: Date,
    /// 0 to 23.
    pub hour: i8,
    /// 0 to 59.
    pub minute: i8,
}

impl Stamp {
    /// When `ts` was in `zone`; the end of time where it is beyond year 9999.
    #[must_use]
    pub fn of(ts: Timestamp, zone: &TimeZone) -> Self {
        let at = i64::try_from(ts.millis())
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
            .unwrap_or(jiff::Timestamp::MAX);
        let local = zone.to_datetime(at);
        Self { day: local.date(), hour: local.hour(), minute: local.minute() }
    }
}

/// A length of time for people: `<1 s`, `12 s`, `3 min`, `2 h`, `4 d`.
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
    fn durations_have_one_unit() {
        for (seconds, text) in [(0, "<1 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
    }
}
