//! Failed authentications, counted for each address within a window.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::network::{Network, Networks};

/// Window in which failures are counted.
const WINDOW: Duration = Duration::from_mins(1);
/// Limit on the addresses whose failures are counted. At the limit a new address is counted only once the window of
/// another has ended.
const MAX_ADDRESSES: usize = 16 * 1024;

/// Limit on failed authentications.
pub(super) struct Failures {
    /// Failures of an address within the window before it has too many. 0: no limit.
    limit: usize,
    recent: Mutex<Recent>,
}

/// Outcome of a failed authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Counted,
    /// Too many other addresses fail to count another.
    NotCounted,
    /// The address has too many failures within the window.
    TooMany {
        wait: Duration,
    },
}

/// Times of the latest failures, by address.
#[derive(Default)]
struct Recent {
    addresses: HashMap<Network, VecDeque<Instant>>,
    /// Time of the last removal of old addresses.
    cleaned_at: Option<Instant>,
}

impl Failures {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, recent: Mutex::default() }
    }

    /// Counts a failed authentication, unless its address has too many.
    pub(super) fn record(&self, address: IpAddr, now: Instant) -> Failure {
        if self.limit == 0 {
            return Failure::Counted;
        }
        let mut recent = self.recent.lock();
        let address = Networks::of(address).narrow;
        if let Some(wait) = recent.must_wait(address, self.limit, now) {
            return Failure::TooMany { wait };
        }
        if recent.addresses.len() >= MAX_ADDRESSES && !recent.addresses.contains_key(&address) {
            recent.remove_old(now);
            if recent.addresses.len() >= MAX_ADDRESSES {
                return Failure::NotCounted;
            }
        }
        let times = recent.addresses.entry(address).or_default();
        times.push_back(now);
        if times.len() > self.limit {
            times.pop_front();
        }
        Failure::Counted
    }
}

impl Recent {
    /// Time that an address with `limit` recent failures has to wait.
    fn must_wait(&self, address: Network, limit: usize, now: Instant) -> Option<Duration> {
        let times = self.addresses.get(&address)?;
        let oldest = *times.front()?;
        let blocked = times.len() >= limit && is_recent(oldest, now);
        blocked.then(|| WINDOW.saturating_sub(now.saturating_duration_since(oldest)))
    }

    /// Removes addresses whose window has ended, at most once a second.
    fn remove_old(&mut self, now: Instant) {
        if self.cleaned_at.is_some_and(|last| now.saturating_duration_since(last) < Duration::from_secs(1)) {
            return;
        }
        self.cleaned_at = Some(now);
        self.addresses.retain(|_, times| times.back().is_some_and(|&last| is_recent(last, now)));
    }
}

fn is_recent(time: Instant, now: Instant) -> bool {
    now.saturating_duration_since(time) < WINDOW
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 20;

    #[test]
    fn failures_are_counted_for_a_limited_number_of_addresses() {
        let failures = Failures::new(LIMIT);
        let now = Instant::now();
        let failed = |number: u32, now| failures.record(IpAddr::V4(number.into()), now);
        let limit = u32::try_from(MAX_ADDRESSES).expect("small");
        assert!((0..limit).all(|number| failed(number, now) == Failure::Counted));
        assert_eq!(failed(limit, now), Failure::NotCounted, "one too many");
        assert_eq!(failed(0, now), Failure::Counted, "an address among them");
        assert_eq!(failed(limit, now + WINDOW), Failure::Counted, "the window of the others is over");
    }

    #[test]
    fn an_address_with_twenty_failures_in_a_minute_has_too_many() {
        let failures = Failures::new(LIMIT);
        let (here, start) = (IpAddr::from([192, 0, 2, 1]), Instant::now());
        for second in 0..20 {
            assert_eq!(failures.record(here, start + Duration::from_secs(second)), Failure::Counted);
        }
        let now = start + Duration::from_secs(20);
        let blocked = Failure::TooMany { wait: Duration::from_secs(40) };
        assert_eq!(failures.record(here, now), blocked);
        assert_eq!(failures.record(here, now), blocked, "a refusal does not extend the wait");
        assert_eq!(failures.record([192, 0, 2, 2].into(), now), Failure::Counted);
        assert_eq!(failures.record(here, start + WINDOW), Failure::Counted);
    }

    #[test]
    fn without_a_limit_no_failure_is_too_much() {
        let failures = Failures::new(0);
        let now = Instant::now();
        assert!((0..100).all(|_| failures.record([192, 0, 2, 1].into(), now) == Failure::Counted));
    }
}
