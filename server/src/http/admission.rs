//! Who may come in: connections in all and from an address, and addresses that failed to authenticate too often.
//!
//! A connection holds its [`Permit`] until its socket is closed, so waiting for the last permit is waiting for the
//! last socket.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::config::Config;

/// Connections beyond the limit that are answered with a refusal; further ones are dropped without a word.
const TO_BE_REFUSED: usize = 256;
/// The window in which failures are counted.
const FAILURE_WINDOW: Duration = Duration::from_mins(1);
/// Addresses whose failures are remembered; past it those whose window is over are forgotten, and new ones come in
/// only then.
const FAILING_ADDRESSES: usize = 16 * 1024;

/// Counts and bounds who comes in.
pub(crate) struct Admission {
    max_connections: usize,
    max_per_address: usize,
    max_failures: usize,
    state: Mutex<State>,
    failures: Mutex<Failures>,
    /// The last connection has ended.
    empty: Notify,
}

/// When addresses failed, the last times of each.
#[derive(Default)]
struct Failures {
    addresses: HashMap<IpAddr, VecDeque<Instant>>,
    /// When the old ones were looked for.
    forgotten: Option<Instant>,
}

#[derive(Default)]
struct State {
    connections: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A connection's place. Given back when it is dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
    /// Whether the connection is one too many: it may be told so, and no more.
    pub(crate) excess: bool,
    worker: OnceLock<Arc<AtomicUsize>>,
}

impl Admission {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let or_no_bound = |most: usize| if most == 0 { usize::MAX } else { most };
        Arc::new(Self {
            max_connections: config.limits.max_connections,
            max_per_address: or_no_bound(config.limits.max_connections_per_address),
            max_failures: config.auth_failures_per_minute as usize,
            state: Mutex::default(),
            failures: Mutex::default(),
            empty: Notify::new(),
        })
    }

    /// Counts a connection. `None`: there are so many that it is not even told.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let address = network(address);
        let mut state = self.state.lock();
        let here = state.by_address.get(&address).copied().unwrap_or(0);
        let beyond = |count: usize, most: usize| count >= most.saturating_add(TO_BE_REFUSED);
        if beyond(state.connections, self.max_connections) || beyond(here, self.max_per_address) {
            return None;
        }
        let excess = state.connections >= self.max_connections || here >= self.max_per_address;
        state.connections += 1;
        state.by_address.insert(address, here + 1);
        Some(Permit { admission: self.clone(), address, excess, worker: OnceLock::new() })
    }

    /// Waits until no connection is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let notified = self.empty.notified();
            if self.state.lock().connections == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Remembers that an address failed to authenticate; tells whether it could: too many may do so at a time.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> bool {
        if self.max_failures == 0 {
            return true;
        }
        let mut failures = self.failures.lock();
        let address = network(address);
        if failures.addresses.len() >= FAILING_ADDRESSES && !failures.addresses.contains_key(&address) {
            failures.forget_old(now);
            if failures.addresses.len() >= FAILING_ADDRESSES {
                return false;
            }
        }
        let times = failures.addresses.entry(address).or_default();
        times.push_back(now);
        if times.len() > self.max_failures {
            times.pop_front();
        }
        true
    }

    /// How long an address that failed too often has to wait.
    pub(crate) fn must_wait(&self, address: IpAddr, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock();
        let times = failures.addresses.get(&network(address))?;
        let oldest = *times.front()?;
        let blocked = self.max_failures > 0 && times.len() >= self.max_failures && is_recent(oldest, now);
        blocked.then(|| FAILURE_WINDOW.saturating_sub(now.saturating_duration_since(oldest)))
    }
}

impl Failures {
    /// Forgets those whose window is over. They are looked for once a second at most.
    fn forget_old(&mut self, now: Instant) {
        if self.forgotten.is_some_and(|last| now.saturating_duration_since(last) < Duration::from_secs(1)) {
            return;
        }
        self.forgotten = Some(now);
        self.addresses.retain(|_, times| times.back().is_some_and(|&last| is_recent(last, now)));
    }
}

fn is_recent(time: Instant, now: Instant) -> bool {
    now.saturating_duration_since(time) < FAILURE_WINDOW
}

/// What counts as one address: with IPv6 the network that one customer gets, a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        other => other,
    }
}

impl Permit {
    /// Counts the connection as one of a worker's.
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
    fn one_too_many_is_told_and_many_too_many_are_not() {
        let admission = admission(|config| config.limits.max_connections_per_address = 1);
        let here = address("192.0.2.1");
        let first = admission.admit(here).expect("a place");
        assert!(!first.excess);
        assert!(!admission.admit(address("192.0.2.2")).expect("another address's").excess);
        let excess: Vec<_> = (0..TO_BE_REFUSED).map(|_| admission.admit(here).expect("to be told")).collect();
        assert!(excess.iter().all(|permit| permit.excess));
        assert!(admission.admit(here).is_none());
        drop((first, excess));
        assert!(!admission.admit(here).expect("a place again").excess);
        assert!(admission.state.lock().by_address.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(network(address("2001:db8::1")), network(address("2001:db8::ffff")));
        assert_ne!(network(address("2001:db8::1")), network(address("2001:db8:0:1::1")));
        assert_eq!(network(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }

    #[test]
    fn failing_addresses_are_remembered_until_there_are_too_many() {
        let admission = admission(|_| {});
        let now = Instant::now();
        let failed = |number: u32, now| admission.failed(IpAddr::V4(number.into()), now);
        let most = u32::try_from(FAILING_ADDRESSES).expect("small");
        assert!((0..most).all(|number| failed(number, now)));
        assert!(!failed(most, now), "one too many");
        assert!(failed(0, now), "which is among them");
        assert!(failed(most, now + FAILURE_WINDOW), "the others' time is over");
    }

    #[test]
    fn twenty_failures_in_a_minute() {
        let admission = admission(|_| {});
        let (here, start) = (address("192.0.2.1"), Instant::now());
        for second in 0..19 {
            admission.failed(here, start + Duration::from_secs(second));
        }
        let now = start + Duration::from_secs(20);
        assert_eq!(admission.must_wait(here, now), None);
        admission.failed(here, now);
        assert_eq!(admission.must_wait(here, now), Some(Duration::from_secs(40)));
        assert_eq!(admission.must_wait(address("192.0.2.2"), now), None);
        assert_eq!(admission.must_wait(here, start + FAILURE_WINDOW), None);
    }
}
