//! Somebody types, and then says it.

use std::collections::VecDeque;
use std::time::Duration;

use realtime_shared::Text;

/// Typing is told again after this time: others forget it after 6 s.
const TELL_AGAIN: Duration = Duration::from_secs(3);
/// Nobody waits longer for a text, however long it is: it may have been pasted.
const LONGEST: Duration = Duration::from_secs(7);
/// How long a character takes, for people of a quick hand.
const PER_CHARACTER: Duration = Duration::from_millis(45);

/// What somebody is about to say.
#[derive(Debug)]
pub(super) struct Speech {
    /// Where, by index.
    pub(super) room: usize,
    /// What.
    pub(super) text: Text,
    /// What is told of the typing, and when; that it began is told already.
    signals: VecDeque<(Duration, bool)>,
    done_at: Duration,
}

impl Speech {
    /// One that begins at `now`, and takes a time that goes with its length. Some people stop for a moment.
    pub(super) fn new(room: usize, text: Text, now: Duration, random: &mut fastrand::Rng) -> Self {
        let characters = u32::try_from(text.as_str().chars().count()).unwrap_or(u32::MAX);
        let typing = (millis(random, 700, 1_300) + PER_CHARACTER.saturating_mul(characters)).min(LONGEST);
        let mut signals = VecDeque::new();
        let mut begun = now;
        if characters > 30 && random.u32(..8) == 0 {
            let stopped = now + typing / 3;
            begun = stopped + millis(random, 1_500, 3_000);
            signals.extend([(stopped, false), (begun, true)]);
        }
        let done_at = begun + typing;
        while begun + TELL_AGAIN < done_at {
            begun += TELL_AGAIN;
            signals.push_back((begun, true));
        }
        Self { room, text, signals, done_at }
    }

    /// When it will have been said.
    pub(super) const fn done_at(&self) -> Duration {
        self.done_at
    }

    /// When it goes on.
    pub(super) fn next_at(&self) -> Duration {
        self.signals.front().map_or(self.done_at, |&(at, _)| at)
    }

    /// What is to be told of the typing at `now`: the last thing that is due.
    pub(super) fn signal(&mut self, now: Duration) -> Option<bool> {
        let due = self.signals.iter().take_while(|&&(at, _)| at <= now).count();
        self.signals.drain(..due).next_back().map(|(_, is_typing)| is_typing)
    }

    /// Whether it is time to say it.
    pub(super) fn is_done(&self, now: Duration) -> bool {
        self.done_at <= now
    }
}

/// A time between the two bounds, in milliseconds, both included.
pub(super) fn millis(random: &mut fastrand::Rng, shortest: u64, longest: u64) -> Duration {
    Duration::from_millis(random.u64(shortest..=longest))
}
