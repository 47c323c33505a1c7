//! Admission: limits on connections, in total and per address, and on failed authentications per address.
//!
//! A connection holds its [`Permit`] until its socket is closed: waiting for the last permit is waiting for the last
//! socket.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config::Config;

/// Connections above a limit that get a refusal; further ones are closed without an answer.
const MAX_EXCESS: usize = 256;
/// Window in which failures are counted.
const FAILURE_WINDOW: Duration = Duration::from_mins(1);
/// Limit on the addresses whose failures are counted. At the limit a new address is counted only once the window of
/// another has ended.
const MAX_FAILING_ADDRESSES: usize = 16 * 1024;

/// Limits and counts of open connections and failed authentications.
pub(crate) struct Admission {
    max_connections: usize,
    max_per_address: usize,
    max_failures: usize,
    state: Mutex<Connections>,
    failures: Mutex<Failures>,
    /// Notified when the last connection has closed.
    empty: Notify,
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
struct Failures {
    addresses: HashMap<IpAddr, VecDeque<Instant>>,
    /// Time of the last removal of old addresses.
    cleaned_at: Option<Instant>,
}

#[derive(Default)]
struct Connections {
    connections: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Slot of an open connection, freed on drop.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
    /// True if the connection is above a limit: it may only be refused.
    pub(crate) excess: bool,
    worker: OnceLock<Arc<AtomicUsize>>,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let or_unlimited = |limit: usize| if limit == 0 { usize::MAX } else { limit };
        Arc::new(Self {
            max_connections: config.limits.max_connections,
            max_per_address: or_unlimited(config.limits.max_connections_per_address),
            max_failures: config.auth_failures_per_minute as usize,
            state: Mutex::default(),
            failures: Mutex::default(),
            empty: Notify::new(),
        })
    }

    /// Counts a connection. `None`: too many above the limit, close it without an answer.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let address = network(address);
        let mut state = self.state.lock();
        let here = state.by_address.get(&address).copied().unwrap_or(0);
        let beyond = |count: usize, limit: usize| count >= limit.saturating_add(MAX_EXCESS);
        if beyond(state.connections, self.max_connections) || beyond(here, self.max_per_address) {
            return None;
        }
        let excess = state.connections >= self.max_connections || here >= self.max_per_address;
        state.connections += 1;
        state.by_address.insert(address, here + 1);
        Some(Permit { admission: self.clone(), address, excess, worker: OnceLock::new() })
    }

    /// Waits until all connections have closed.
    pub(crate) async fn all_closed(&self) {
        loop {
            let notified = self.empty.notified();
            if self.state.lock().connections == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Counts a failed authentication, unless its address has too many.
    pub(crate) fn record_failure(&self, address: IpAddr, now: Instant) -> Failure {
        if self.max_failures == 0 {
            return Failure::Counted;
        }
        let mut failures = self.failures.lock();
        let address = network(address);
        if let Some(wait) = failures.must_wait(address, self.max_failures, now) {
            return Failure::TooMany { wait };
        }
        if failures.addresses.len() >= MAX_FAILING_ADDRESSES && !failures.addresses.contains_key(&address) {
            failures.remove_old(now);
            if failures.addresses.len() >= MAX_FAILING_ADDRESSES {
                return Failure::NotCounted;
            }
        }
        let times = failures.addresses.entry(address).or_default();
        times.push_back(now);
        if times.len() > self.max_failures {
            times.pop_front();
        }
        Failure::Counted
    }
}

impl Failures {
    /// Time that an address with `limit` recent failures has to wait.
    fn must_wait(&self, address: IpAddr, limit: usize, now: Instant) -> Option<Duration> {
        let times = self.addresses.get(&address)?;
        let oldest = *times.front()?;
        let blocked = times.len() >= limit && is_recent(oldest, now);
        blocked.then(|| FAILURE_WINDOW.saturating_sub(now.saturating_duration_since(oldest)))
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
    now.saturating_duration_since(time) < FAILURE_WINDOW
}

/// Network that counts as one address: with IPv6 the /64 of one customer.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        other => other,
    }
}

impl Permit {
    /// Counts the connection among those of a worker.
    pub(crate) fn count_at(&self, worker: Arc<AtomicUsize>) {
        let _ = self.worker.set(worker);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.get() {
            worker.fetch_sub(1, Ordering::Relaxed);
        }
        let mut state = self.admission.state.lock();
        state.connections -= 1;
        if let Some(here) = state.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                state.by_address.remove(&self.address);
            }
        }
        if state.connections == 0 {
            self.admission.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn admission(change: impl FnOnce(&mut Config)) -> Arc<Admission> {
        let mut config = Config::new(Secret::new(&[7; 32]).expect("32 bytes"));
        change(&mut config);
        Admission::new(&config)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn connections_above_the_limit_are_refused_then_dropped() {
        let admission = admission(|config| config.limits.max_connections_per_address = 1);
        let here = address("192.0.2.1");
        let first = admission.admit(here).expect("a slot");
        assert!(!first.excess);
        assert!(!admission.admit(address("192.0.2.2")).expect("another address's").excess);
        let excess: Vec<_> = (0..MAX_EXCESS).map(|_| admission.admit(here).expect("to be refused")).collect();
        assert!(excess.iter().all(|permit| permit.excess));
        assert!(admission.admit(here).is_none());
        drop((first, excess));
        assert!(!admission.admit(here).expect("a free slot").excess);
        assert!(admission.state.lock().by_address.is_empty());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn failures_are_counted_for_a_limited_number_of_addresses() {
        let admission = admission(|_| {});
        let now = Instant::now();
        let failed = |number: u32, now| admission.record_failure(IpAddr::V4(number.into()), now);
        let limit = u32::try_from(MAX_FAILING_ADDRESSES).expect("small");
        assert!((0..limit).all(|number| failed(number, now) == Failure::Counted));
        assert_eq!(failed(limit, now), Failure::NotCounted, "one too many");
        assert_eq!(failed(0, now), Failure::Counted, "an address among them");
        assert_eq!(failed(limit, now + FAILURE_WINDOW), Failure::Counted, "the window of the others is over");
    }

    #[test]
    fn twenty_failures_in_a_minute_block_an_address() {
        let admission = admission(|_| {});
        let (here, start) = (address("192.0.2.1"), Instant::now());
        for second in 0..20 {
            let failed = admission.record_failure(here, start + Duration::from_secs(second));
            assert_eq!(failed, Failure::Counted);
        }
        let now = start + Duration::from_secs(20);
        let blocked = Failure::TooMany { wait: Duration::from_secs(40) };
        assert_eq!(admission.record_failure(here, now), blocked);
        assert_eq!(admission.record_failure(here, now), blocked, "a refusal does not extend the wait");
        assert_eq!(admission.record_failure(address("192.0.2.2"), now), Failure::Counted);
        assert_eq!(admission.record_failure(here, start + FAILURE_WINDOW), Failure::Counted);
    }
}
