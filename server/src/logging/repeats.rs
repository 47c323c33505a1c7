//! Limit on repeated lines: of one message, so many a minute about one subject, and so many in all.
//!
//! A client causes lines as it connects, so a log without this limit grows as fast as clients like. A line that is left
//! out is counted, and the count is logged when the minute of its message ends.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::Level;

/// Lines a minute of one message about one subject: a user, or an address.
pub(super) const OF_ONE_SUBJECT: u32 = 20;
/// Lines a minute of one message.
pub(super) const OF_ONE_MESSAGE: u32 = 1_000;
const MINUTE: Duration = Duration::from_mins(1);

/// Counts of the lines of this minute. `K` identifies a message: its place in the code.
///
/// Bounded: a window has at most [`OF_ONE_MESSAGE`] subjects, since each has a line.
pub(super) struct Repeats<K> {
    windows: Mutex<HashMap<K, Window>>,
    hasher: RandomState,
}

struct Window {
    ends: Instant,
    lines: u32,
    of_subject: HashMap<u64, u32>,
    left_out: LeftOut,
}

/// Lines of one message that were left out within a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) lines: u64,
}

/// Decision on a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Write it, after the count of its message's last minute.
    Write(Option<LeftOut>),
    /// Leave it out. `first`: nothing was left out in this minute before.
    LeaveOut { first: bool },
}

impl<K: Hash + Eq> Repeats<K> {
    pub(super) fn new() -> Self {
        Self { windows: Mutex::default(), hasher: RandomState::new() }
    }

    /// Counts a line, and decides on it.
    pub(super) fn check(&self, key: K, level: Level, message: &str, subject: &str, now: Instant) -> Verdict {
        let subject = self.hasher.hash_one(subject);
        let mut windows = self.windows.lock();
        let window = windows.entry(key).or_insert_with(|| Window::new(level, message, now));
        let ended = if now >= window.ends {
            std::mem::replace(window, Window::new(level, message, now)).into_left_out()
        } else {
            None
        };
        let of_subject = window.of_subject.get(&subject).copied().unwrap_or_default();
        if of_subject < OF_ONE_SUBJECT && window.lines < OF_ONE_MESSAGE {
            window.lines += 1;
            window.of_subject.insert(subject, of_subject + 1);
            return Verdict::Write(ended);
        }
        window.left_out.lines += 1;
        Verdict::LeaveOut { first: window.left_out.lines == 1 }
    }

    /// Removes the counts of the minutes that have ended by `now`; of all with `None`.
    pub(super) fn take_ended(&self, now: Option<Instant>) -> Vec<LeftOut> {
        let mut windows = self.windows.lock();
        let is_over = |window: &mut Window| now.is_none_or(|now| now >= window.ends);
        windows
            .extract_if(|_, window| is_over(window))
            .filter_map(|(_, window)| window.into_left_out())
            .collect()
    }

    /// End of the first minute with a count; `None` without one.
    pub(super) fn next_end(&self) -> Option<Instant> {
        let windows = self.windows.lock();
        windows.values().filter(|window| window.left_out.lines > 0).map(|window| window.ends).min()
    }
}

impl Window {
    fn new(level: Level, message: &str, now: Instant) -> Self {
        Self {
            ends: now + MINUTE,
            lines: 0,
            of_subject: HashMap::new(),
            left_out: LeftOut { level, message: message.to_owned(), lines: 0 },
        }
    }

    fn into_left_out(self) -> Option<LeftOut> {
        (self.left_out.lines > 0).then_some(self.left_out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITE: Verdict = Verdict::Write(None);

    fn check(repeats: &Repeats<u8>, key: u8, subject: &str, now: Instant) -> Verdict {
        repeats.check(key, Level::INFO, "connected", subject, now)
    }

    fn left_out(lines: u64) -> LeftOut {
        LeftOut { level: Level::INFO, message: "connected".to_owned(), lines }
    }

    #[test]
    fn one_subject_cannot_fill_the_log() {
        let (repeats, now) = (Repeats::new(), Instant::now());
        for _ in 0..OF_ONE_SUBJECT {
            assert_eq!(check(&repeats, 1, "alice", now), WRITE);
        }
        assert_eq!(repeats.next_end(), None);
        assert_eq!(check(&repeats, 1, "alice", now), Verdict::LeaveOut { first: true });
        assert_eq!(check(&repeats, 1, "alice", now), Verdict::LeaveOut { first: false });
        assert_eq!(repeats.next_end(), Some(now + MINUTE));
        assert_eq!(check(&repeats, 1, "bob", now), WRITE, "another user");
        assert_eq!(check(&repeats, 2, "alice", now), WRITE, "another message");
    }

    #[test]
    fn many_subjects_cannot_fill_the_log() {
        let (repeats, now) = (Repeats::new(), Instant::now());
        for number in 0..OF_ONE_MESSAGE {
            assert_eq!(check(&repeats, 1, &number.to_string(), now), WRITE);
        }
        assert_eq!(check(&repeats, 1, "another", now), Verdict::LeaveOut { first: true });
        assert_eq!(repeats.windows.lock()[&1].of_subject.len() as u64, u64::from(OF_ONE_MESSAGE), "bounded");
    }

    #[test]
    fn a_new_minute_begins_with_the_count_of_the_last() {
        let (repeats, now) = (Repeats::new(), Instant::now());
        for _ in 0..OF_ONE_SUBJECT + 3 {
            check(&repeats, 1, "alice", now);
        }
        let before = now + MINUTE.saturating_sub(Duration::from_nanos(1));
        assert_eq!(check(&repeats, 1, "alice", before), Verdict::LeaveOut { first: false });
        assert_eq!(check(&repeats, 1, "alice", now + MINUTE), Verdict::Write(Some(left_out(4))));
        assert_eq!(check(&repeats, 1, "alice", now + MINUTE), WRITE);
        assert_eq!(repeats.take_ended(None), []);
    }

    #[test]
    fn counts_are_taken_once_when_their_minute_is_over() {
        let (repeats, now) = (Repeats::new(), Instant::now());
        for _ in 0..=OF_ONE_SUBJECT {
            check(&repeats, 1, "alice", now);
            check(&repeats, 2, "alice", now + Duration::from_secs(1));
        }
        check(&repeats, 3, "alice", now);
        assert_eq!(repeats.take_ended(Some(now)), []);
        assert_eq!(repeats.take_ended(Some(now + MINUTE)), [left_out(1)]);
        assert_eq!(repeats.take_ended(Some(now + MINUTE)), []);
        assert_eq!(repeats.take_ended(None), [left_out(1)], "at the end of the process");
        assert!(repeats.windows.lock().is_empty());
    }
}
