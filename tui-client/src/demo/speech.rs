//! Speech: typing, and then the message.

use std::collections::VecDeque;
use std::time::Duration;

use realtime_shared::Text;

/// Interval of repeated typing signals: receivers drop typing after 6 s.
const TELL_AGAIN: Duration = Duration::from_secs(3);
/// Longest typing. A longer text counts as pasted.
const LONGEST: Duration = Duration::from_secs(7);
/// Typing time of a character, for a quick typist.
const PER_CHARACTER: Duration = Duration::from_millis(45);

/// A message that a person is typing.
#[derive(Debug)]
pub(super) struct Speech {
    /// Index of the room.
    pub(super) room: usize,
    pub(super) text: Text,
    /// Later typing signals with their times; the first one has been sent.
    signals: VecDeque<(Duration, bool)>,
    done_at: Duration,
}

impl Speech {
    /// A speech that begins at `now`. Its duration depends on its length, and some people pause.
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

    /// Time of the message.
    pub(super) const fn done_at(&self) -> Duration {
        self.done_at
    }

    /// Time of the next step.
    pub(super) fn next_at(&self) -> Duration {
        self.signals.front().map_or(self.done_at, |&(at, _)| at)
    }

    /// The typing signal for `now`: the last one that is due.
    pub(super) fn signal(&mut self, now: Duration) -> Option<bool> {
        let due = self.signals.iter().take_while(|&&(at, _)| at <= now).count();
        self.signals.drain(..due).next_back().map(|(_, is_typing)| is_typing)
    }

    /// True if the message is due.
    pub(super) fn is_done(&self, now: Duration) -> bool {
        self.done_at <= now
    }
}

/// A random time between the bounds, in milliseconds, both included.
pub(super) fn millis(random: &mut fastrand::Rng, shortest: u64, longest: u64) -> Duration {
    Duration::from_millis(random.u64(shortest..=longest))
}
