//! Leases of instances: each instance increments a counter in Redis; its lease ends when the counter stops.
//!
//! Time is measured with the monotonic clock of this process, and only while Redis answers. During an outage no
//! instance can increment its counter, so after one longer than a lease each gets the whole time again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Interval of heartbeats.
pub(crate) const BEAT: Duration = Duration::from_secs(2);
/// Time after which the lease of an instance ends if its counter does not change.
const LEASE: Duration = Duration::from_secs(10);

/// The leases of all instances.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<Observations>);

#[derive(Debug, Default)]
struct Observations {
    /// Time of the last observation; `None` while Redis does not answer.
    last: Option<Instant>,
    instances: HashMap<String, Observed>,
}

#[derive(Debug)]
struct Observed {
    counter: u64,
    /// Time during which the counter did not change, or was missing, while Redis answered.
    silent: Duration,
    /// True if the last answer of Redis had this instance.
    listed: bool,
}

impl Leases {
    /// Takes the counters of an answer. Returns the instances whose lease is over, with their counters.
    pub(crate) fn observe(&self, now: Instant, counters: HashMap<String, u64>) -> Vec<(String, u64)> {
        let mut leases = self.0.lock();
        let passed = leases.passed(now);
        for observed in leases.instances.values_mut() {
            observed.silent = observed.silent.saturating_add(passed);
            observed.listed = false;
        }
        for (instance, counter) in counters {
            let observed = leases.instances.entry(instance).or_insert_with(|| Observed::new(counter));
            observed.listed = true;
            if observed.counter != counter {
                observed.counter = counter;
                observed.silent = Duration::ZERO;
            }
        }
        // An instance that is not listed was evicted. It is forgotten when no state of it can be left.
        leases.instances.retain(|_, observed| observed.listed || observed.silent < 6 * LEASE);
        let over =
            leases.instances.iter().filter(|(_, observed)| observed.listed && observed.silent >= LEASE);
        over.map(|(instance, observed)| (instance.clone(), observed.counter)).collect()
    }

    /// True if an instance that a room still names was evicted. This happens if it wrote after its eviction.
    pub(crate) fn is_gone(&self, instance: &str) -> bool {
        let mut leases = self.0.lock();
        let observed = leases
            .instances
            .entry(instance.to_owned())
            .or_insert_with(|| Observed { listed: false, ..Observed::new(0) });
        !observed.listed && observed.silent >= LEASE
    }

    /// The instances that the last answer of Redis had.
    pub(crate) fn listed(&self) -> Vec<String> {
        let leases = self.0.lock();
        let listed = leases.instances.iter().filter(|(_, observed)| observed.listed);
        listed.map(|(instance, _)| instance.clone()).collect()
    }

    /// Stops the time until Redis answers again.
    pub(crate) fn pause(&self) {
        self.0.lock().last = None;
    }
}

impl Observations {
    /// Time since the last observation, as far as it counts.
    fn passed(&mut self, now: Instant) -> Duration {
        let last = self.last.replace(now);
        if let Some(last) = last {
            // This process may have been stopped and missed observations.
            return now.saturating_duration_since(last).min(2 * BEAT);
        }
        for observed in self.instances.values_mut() {
            observed.silent = Duration::ZERO;
        }
        Duration::ZERO
    }
}

impl Observed {
    fn new(counter: u64) -> Self {
        Self { counter, silent: Duration::ZERO, listed: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(all: &[(&str, u64)]) -> HashMap<String, u64> {
        all.iter().map(|(id, counter)| ((*id).to_owned(), *counter)).collect()
    }

    /// Observes the counters of `beats` every two seconds. Returns the observations at which a lease was over.
    fn observe(
        leases: &Leases,
        from: Instant,
        times: u64,
        beats: impl Fn(u64) -> HashMap<String, u64>,
    ) -> Vec<(u64, Vec<(String, u64)>)> {
        (0..times)
            .map(|nth| (nth, leases.observe(from + BEAT * u32::try_from(nth).expect("few"), beats(nth))))
            .filter(|(_, over)| !over.is_empty())
            .collect()
    }

    #[test]
    fn an_instance_that_is_silent_for_a_lease_is_over() {
        let (leases, start) = (Leases::default(), Instant::now());
        let over = observe(&leases, start, 6, |nth| counters(&[("a", nth), ("b", 7)]));
        assert_eq!(over, [(5, vec![("b".to_owned(), 7)])], "after 10 s");
    }

    #[test]
    fn time_without_an_answer_of_redis_does_not_count() {
        let (leases, start) = (Leases::default(), Instant::now());
        assert!(observe(&leases, start, 5, |_| counters(&[("b", 7)])).is_empty());
        leases.pause();
        let later = start + Duration::from_hours(1);
        assert!(observe(&leases, later, 5, |_| counters(&[("b", 7)])).is_empty());
        assert_eq!(leases.observe(later + LEASE, counters(&[("b", 7)])), [("b".to_owned(), 7)]);
    }

    #[test]
    fn an_instance_that_was_stopped_itself_does_not_judge_at_once() {
        let (leases, start) = (Leases::default(), Instant::now());
        leases.observe(start, counters(&[("b", 7)]));
        assert!(leases.observe(start + Duration::from_mins(5), counters(&[("b", 7)])).is_empty());
    }

    #[test]
    fn an_instance_that_others_evicted_is_gone_after_a_lease() {
        let (leases, start) = (Leases::default(), Instant::now());
        leases.observe(start, counters(&[("a", 1)]));
        assert!(!leases.is_gone("b"), "it may be about to register");
        assert!(observe(&leases, start, 6, |nth| counters(&[("a", nth)])).is_empty());
        assert!(leases.is_gone("b"));
        assert!(!leases.is_gone("a"));
    }
}
