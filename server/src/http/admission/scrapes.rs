//! Limit on public requests for metrics: a scrape reads every counter, and anybody can ask for one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::network::{Network, Networks};

/// Window in which requests are counted.
const WINDOW: Duration = Duration::from_secs(1);
/// Requests of an address, or of a /48, within a window.
const PER_NETWORK: u32 = 10;
/// Requests of all addresses within a window. This bounds the table too.
const TOTAL: u32 = 100;

#[derive(Default)]
pub(super) struct ScrapeLimit(Mutex<Option<Window>>);

struct Window {
    began: Instant,
    total: u32,
    by_network: HashMap<Network, u32>,
}

impl ScrapeLimit {
    /// Counts a request. False if it is one too many.
    pub(super) fn admit(&self, address: IpAddr, now: Instant) -> bool {
        let mut window = self.0.lock();
        if window.as_ref().is_some_and(|window| now.saturating_duration_since(window.began) >= WINDOW) {
            *window = None;
        }
        let window =
            window.get_or_insert_with(|| Window { began: now, total: 0, by_network: HashMap::new() });
        if window.total >= TOTAL {
            return false;
        }
        let networks = Networks::of(address);
        let here = window.by_network.entry(networks.wide.unwrap_or(networks.narrow)).or_default();
        if *here >= PER_NETWORK {
            return false;
        }
        *here += 1;
        window.total += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_limited_per_network_and_in_total() {
        let (limit, start) = (ScrapeLimit::default(), Instant::now());
        let admit = |address: &str, now| limit.admit(address.parse().expect("an address"), now);
        assert!((0..PER_NETWORK).all(|_| admit("192.0.2.1", start)));
        assert!(!admit("192.0.2.1", start));
        let later = start + Duration::from_millis(999);
        assert!((0..PER_NETWORK).all(|number| admit(&format!("2001:db8:7:{number}::1"), later)));
        assert!(!admit("2001:db8:7:ffff::1", later), "the same /48");
        let others = TOTAL - 2 * PER_NETWORK;
        assert!((0..others).all(|number| admit(&format!("198.51.100.{number}"), later)));
        assert!(!admit("203.0.113.1", later), "too many of all addresses");
        assert!(admit("192.0.2.1", start + WINDOW));
    }
}
