//! Which instances live: judged by a counter that each raises, and by our own clock that does not jump.
//!
//! Time counts only while Redis answers. When it was away for longer than a lease, all counters have stood still, and
//! nobody is to blame: everyone gets the whole time again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How often an instance raises its counter and looks at the others'.
pub(crate) const BEAT: Duration = Duration::from_secs(2);
/// For how long a counter may stand still before its instance is given up.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// What is known of all instances.
#[derive(Debug, Default)]
pub(crate) struct Lapse {
    seen: Option<Instant>,
    instances: HashMap<String, Life>,
}

#[derive(Debug)]
struct Life {
    counter: u64,
    /// For how long the counter has stood still, or the instance has had none, while Redis answered.
    silent: Duration,
    /// It was among those that Redis named last.
    named: bool,
}

impl Lapse {
    /// Takes the counters as Redis tells them; those whose time is over, and at what they stand.
    pub(crate) fn observe(&mut self, now: Instant, counters: HashMap<String, u64>) -> Vec<(String, u64)> {
        let passed = self.passed(now);
        for life in self.instances.values_mut() {
            life.silent += passed;
            life.named = false;
        }
        for (instance, counter) in counters {
            let life = self.instances.entry(instance).or_insert_with(|| Life::new(counter));
            life.named = true;
            if life.counter != counter {
                life.counter = counter;
                life.silent = Duration::ZERO;
            }
        }
        // Who is not named was given up by somebody, and is of no interest once all of it is gone.
        self.instances.retain(|_, life| life.named || life.silent < 6 * LEASE);
        let over = self.instances.iter().filter(|(_, life)| life.named && life.silent >= LEASE);
        over.map(|(instance, life)| (instance.clone(), life.counter)).collect()
    }

    /// Whether an instance that is still said to be in a room has been given up: it was stopped, and went on for a
    /// moment when it had been.
    pub(crate) fn is_gone(&mut self, instance: &str) -> bool {
        let life = self
            .instances
            .entry(instance.to_owned())
            .or_insert_with(|| Life { named: false, ..Life::new(0) });
        !life.named && life.silent >= LEASE
    }

    /// Redis did not answer: until it does, no time passes.
    pub(crate) fn pause(&mut self) {
        self.seen = None;
    }

    /// Time since the last look, as far as it counts.
    fn passed(&mut self, now: Instant) -> Duration {
        let last = self.seen.replace(now);
        if let Some(last) = last {
            // Who was stopped itself has not looked for a while, and cannot know what it would have seen.
            return now.saturating_duration_since(last).min(2 * BEAT);
        }
        for life in self.instances.values_mut() {
            life.silent = Duration::ZERO;
        }
        Duration::ZERO
    }
}

impl Life {
    fn new(counter: u64) -> Self {
        Self { counter, silent: Duration::ZERO, named: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(all: &[(&str, u64)]) -> HashMap<String, u64> {
        all.iter().map(|(id, counter)| ((*id).to_owned(), *counter)).collect()
    }

    /// Looks every two seconds while `beats` tells the counters, and says when somebody was given up.
    fn look(
        lapse: &mut Lapse,
        from: Instant,
        times: u64,
        beats: impl Fn(u64) -> HashMap<String, u64>,
    ) -> Vec<(u64, Vec<(String, u64)>)> {
        (0..times)
            .map(|nth| (nth, lapse.observe(from + BEAT * u32::try_from(nth).expect("few"), beats(nth))))
            .filter(|(_, over)| !over.is_empty())
            .collect()
    }

    #[test]
    fn who_is_silent_for_a_lease_is_given_up() {
        let (mut lapse, start) = (Lapse::default(), Instant::now());
        let over = look(&mut lapse, start, 6, |nth| counters(&[("a", nth), ("b", 7)]));
        assert_eq!(over, [(5, vec![("b".to_owned(), 7)])], "after 10 s");
    }

    #[test]
    fn time_in_which_redis_was_away_does_not_count() {
        let (mut lapse, start) = (Lapse::default(), Instant::now());
        assert!(look(&mut lapse, start, 5, |_| counters(&[("b", 7)])).is_empty());
        lapse.pause();
        let later = start + Duration::from_hours(1);
        assert!(look(&mut lapse, later, 5, |_| counters(&[("b", 7)])).is_empty());
        assert_eq!(lapse.observe(later + LEASE, counters(&[("b", 7)])), [("b".to_owned(), 7)]);
    }

    #[test]
    fn who_was_stopped_itself_does_not_judge_at_once() {
        let (mut lapse, start) = (Lapse::default(), Instant::now());
        lapse.observe(start, counters(&[("b", 7)]));
        assert!(lapse.observe(start + Duration::from_mins(5), counters(&[("b", 7)])).is_empty());
    }

    #[test]
    fn who_was_given_up_by_others_is_gone_after_a_lease() {
        let (mut lapse, start) = (Lapse::default(), Instant::now());
        lapse.observe(start, counters(&[("a", 1)]));
        assert!(!lapse.is_gone("b"), "it may be about to begin");
        assert!(look(&mut lapse, start, 6, |nth| counters(&[("a", nth)])).is_empty());
        assert!(lapse.is_gone("b"));
        assert!(!lapse.is_gone("a"));
    }
}
