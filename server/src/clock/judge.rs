//! Judge of a clock: decides if the clock can be trusted with something irreversible.
//!
//! Two clocks that run at the same rate keep their difference. If the difference between the judged clock and the time
//! since boot changes, the clock was set. Nobody knows which of the two times was wrong. So the clock is in doubt until
//! both have agreed for [`AGREEMENT`]. A clock that is set there and back between two readings does no harm, because
//! nothing was decided in between.

use std::time::Duration;

use realtime_shared::Timestamp;

use super::utc::Utc;

/// Time for which both clocks must agree after a disagreement.
pub(crate) const AGREEMENT: Duration = Duration::from_hours(1);
/// Change of the difference that is no disagreement: a time server corrects a clock by less.
const TOLERANCE: Duration = Duration::from_secs(10);
/// Time after which small corrections do not add up any more.
const ANCHOR: Duration = Duration::from_hours(1);
/// Distance from a stored time at which a clock is in doubt.
const STORED_TOLERANCE: Duration = Duration::from_hours(24);
/// Time after a disagreement in which the age of a message does not make it unknown. A message of the last 24 hours may
/// have a wrong time.
const DEDUP_DOUBT: Duration = Duration::from_hours(24);

/// Simultaneous reading of both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) wall: Timestamp,
    pub(crate) since_boot: Duration,
}

/// Time of day, and the verdict on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) now: Timestamp,
    /// True if messages may be dropped because of their age.
    pub(crate) drops: bool,
    /// True if a duplicate may be unknown because of its age.
    pub(crate) forgets: bool,
}

/// State of a judge. Differences are in milliseconds: the judged clock minus the time since boot.
#[derive(Debug)]
pub(crate) struct Judge {
    /// Name of the clock, for the log.
    subject: &'static str,
    difference: i64,
    /// Time since boot at which `difference` was taken.
    anchored_at: Duration,
    doubt: Option<Doubt>,
    /// Time since boot of the last disagreement.
    disagreed_at: Option<Duration>,
    /// Difference of the clock of Redis, if it is another one.
    reference: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Doubt {
    /// Time since boot at which the doubt ends.
    until: Duration,
    /// Difference before the first disagreement.
    former: i64,
}

impl Reading {
    fn difference(self) -> i64 {
        millis(self.wall) - i64::try_from(self.since_boot.as_millis()).unwrap_or(i64::MAX)
    }
}

impl Judge {
    pub(crate) fn new(subject: &'static str, reading: Reading) -> Self {
        Self {
            subject,
            difference: reading.difference(),
            anchored_at: reading.since_boot,
            doubt: None,
            disagreed_at: None,
            reference: None,
        }
    }

    /// Takes a reading, and logs a change of the verdict.
    pub(crate) fn observe(&mut self, reading: Reading) -> Judged {
        let change = reading.difference().saturating_sub(self.difference);
        if is_beyond(change, TOLERANCE) {
            self.begin_doubt(reading, self.difference);
            let (subject, until) = (self.subject, self.doubt_ends(reading));
            tracing::warn!(
                by_seconds = change / 1_000,
                %until,
                "{subject} was set, or is wrong: no message is dropped because of its age until then, if it agrees with the time since \
                 boot"
            );
        } else if reading.since_boot.saturating_sub(self.anchored_at) >= ANCHOR {
            (self.difference, self.anchored_at) = (reading.difference(), reading.since_boot);
        }
        if self.doubt.is_some_and(|doubt| reading.since_boot >= doubt.until) {
            self.doubt = None;
            let subject = self.subject;
            tracing::info!(
                "{subject} has agreed with the time since boot for an hour: old messages are dropped again"
            );
        }
        self.judged(reading)
    }

    /// Time of the judged clock at this time since boot, by the last reading.
    pub(crate) fn extrapolate(&self, since_boot: Duration) -> Judged {
        let wall = wall_at(since_boot, self.difference);
        self.judged(Reading { wall, since_boot })
    }

    /// Compares a reading with the time of the last sweep, which a former process has stored. The machine may have been
    /// off for long, so this is only a doubt.
    pub(crate) fn compare_with_stored(&mut self, reading: Reading, stored: Timestamp) {
        let distance = millis(reading.wall).saturating_sub(millis(stored));
        if is_beyond(distance, STORED_TOLERANCE) {
            let former = Reading { wall: stored, ..reading }.difference();
            self.begin_doubt(reading, former);
            let (subject, until) = (self.subject, self.doubt_ends(reading));
            tracing::warn!(
                now = %Utc(reading.wall),
                last_sweep = %Utc(stored),
                %until,
                "{subject} is far from the time of the last sweep: no message is dropped because of its age until then, if it agrees \
                 with the time since boot"
            );
        }
    }

    /// Compares a reading with the clock of Redis.
    pub(crate) fn compare_with_reference(&mut self, reading: Reading, reference: Timestamp) {
        let by = millis(reading.wall).saturating_sub(millis(reference));
        let is_known = self.reference.is_some();
        self.reference =
            is_beyond(by, TOLERANCE).then(|| Reading { wall: reference, ..reading }.difference());
        if self.reference.is_some() && !is_known {
            let subject = self.subject;
            tracing::warn!(
                now = %Utc(reading.wall),
                redis = %Utc(reference),
                "{subject} of this instance differs from that of Redis: its messages have a wrong time, and good tokens may be refused"
            );
        }
    }

    /// Time of day by another source, if the clock is in doubt.
    pub(crate) fn other_time(&self, since_boot: Duration) -> Option<Timestamp> {
        let difference = self.reference.or(self.doubt.map(|doubt| doubt.former))?;
        Some(wall_at(since_boot, difference))
    }

    fn begin_doubt(&mut self, reading: Reading, former: i64) {
        let former = self.doubt.map_or(former, |doubt| doubt.former);
        self.doubt = Some(Doubt { until: reading.since_boot + AGREEMENT, former });
        self.disagreed_at = Some(reading.since_boot);
        (self.difference, self.anchored_at) = (reading.difference(), reading.since_boot);
    }

    /// End of the doubt that began at this reading, by the judged clock.
    fn doubt_ends(&self, reading: Reading) -> Utc {
        let left = self.doubt.map_or(Duration::ZERO, |doubt| doubt.until.saturating_sub(reading.since_boot));
        let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Utc(Timestamp::from_millis(reading.wall.millis().saturating_add(left)))
    }

    fn judged(&self, reading: Reading) -> Judged {
        let is_recent = |at: Duration| reading.since_boot.saturating_sub(at) < DEDUP_DOUBT;
        Judged {
            now: reading.wall,
            drops: self.doubt.is_none(),
            forgets: !self.disagreed_at.is_some_and(is_recent),
        }
    }
}

impl Judged {
    /// Age of something of the time `then`; zero if that is in the future.
    pub(crate) fn age(self, then: Timestamp) -> Duration {
        Duration::from_millis(self.now.millis().saturating_sub(then.millis()))
    }
}

fn wall_at(since_boot: Duration, difference: i64) -> Timestamp {
    let since_boot = i64::try_from(since_boot.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(since_boot.saturating_add(difference).max(0).unsigned_abs())
}

fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.millis()).unwrap_or(i64::MAX)
}

fn is_beyond(millis: i64, limit: Duration) -> bool {
    u128::from(millis.unsigned_abs()) > limit.as_millis()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    /// A millisecond less than [`AGREEMENT`].
    const ALMOST: Duration = Duration::from_millis(3_600_000 - 1);

    /// Reading this long after the start, with a wall clock that is ahead of the true time by `ahead` seconds.
    fn at(after: Duration, ahead: i64) -> Reading {
        let wall = 1_700_000_000_000 + i64::try_from(after.as_millis()).expect("short") + ahead * 1_000;
        Reading {
            wall: Timestamp::from_millis(wall.unsigned_abs()),
            since_boot: Duration::from_secs(1_000) + after,
        }
    }

    fn judge() -> Judge {
        Judge::new("the clock", at(Duration::ZERO, 0))
    }

    #[test]
    fn a_clock_that_runs_evenly_is_trusted() {
        let mut judge = judge();
        for hours in [1, 5, 1_000, 50_000] {
            let judged = judge.observe(at(Duration::from_hours(hours), 0));
            assert!(judged.drops && judged.forgets, "after {hours} h");
        }
    }

    #[test]
    fn small_corrections_do_not_add_up_over_hours() {
        let mut judge = judge();
        for hours in 1..100_u32 {
            let judged = judge.observe(at(Duration::from_hours(hours.into()), i64::from(hours) * 9));
            assert!(judged.drops, "after {hours} h");
        }
        // Within one hour they do.
        let end = Duration::from_hours(99) + Duration::from_mins(1);
        assert!(!judge.observe(at(end, 99 * 9 + 11)).drops);
    }

    #[test]
    fn a_jump_is_doubted_until_an_hour_of_agreement() {
        for ahead in [11, -11, 800 * 86_400, -800 * 86_400] {
            let mut judge = judge();
            let jump = Duration::from_mins(5);
            assert!(!judge.observe(at(jump, ahead)).drops, "{ahead} s");
            assert!(!judge.observe(at(jump + ALMOST, ahead)).drops, "{ahead} s");
            assert!(judge.observe(at(jump + AGREEMENT, ahead)).drops, "{ahead} s");
        }
    }

    #[test]
    fn a_jump_back_begins_the_hour_again() {
        let mut judge = judge();
        judge.observe(at(Duration::from_mins(10), 86_400));
        let back = Duration::from_mins(11);
        assert!(!judge.observe(at(back, 0)).drops);
        assert!(!judge.observe(at(back + ALMOST, 0)).drops);
        assert!(judge.observe(at(back + AGREEMENT, 0)).drops);
    }

    #[test]
    fn a_duplicate_stays_known_for_a_day_after_a_jump() {
        let mut judge = judge();
        assert!(!judge.observe(at(Duration::from_mins(1), 86_400)).forgets);
        let day = Duration::from_mins(1) + DAY;
        assert!(
            !judge
                .observe(at(Duration::from_mins(1) + Duration::from_millis(24 * 3_600_000 - 1), 86_400))
                .forgets
        );
        assert!(judge.observe(at(day, 86_400)).forgets);
    }

    #[test]
    fn a_start_far_from_the_last_sweep_is_doubted() {
        let now = at(Duration::ZERO, 0);
        let stored = |by: i64| Timestamp::from_millis(now.wall.millis().saturating_add_signed(by));
        let day = i64::try_from(DAY.as_millis()).expect("short");
        for (by, is_fine) in [(-day, true), (day, true), (-day - 1, false), (day + 1, false)] {
            let mut judge = judge();
            judge.compare_with_stored(now, stored(by));
            assert_eq!(judge.observe(now).drops, is_fine, "{by} ms");
            assert!(judge.observe(at(AGREEMENT, 0)).drops);
        }
    }

    #[test]
    fn a_clock_in_doubt_has_another_time() {
        let mut judge = judge();
        assert_eq!(judge.other_time(at(Duration::ZERO, 0).since_boot), None);
        let later = at(Duration::from_mins(10), 0);
        judge.observe(at(Duration::from_mins(5), 86_400));
        assert_eq!(judge.other_time(later.since_boot), Some(later.wall), "as before the jump");
        judge.compare_with_reference(at(Duration::from_mins(10), 86_400), Timestamp::from_millis(7));
        assert_eq!(judge.other_time(later.since_boot), Some(Timestamp::from_millis(7)), "that of Redis");
    }
}
