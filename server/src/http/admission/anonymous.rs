//! Pool of connections that have shown no valid token.
//!
//! A new connection always gets a place, so that it can show its token. If there is none left, in its network or in
//! all, the connection that has been idle or unfinished for the longest loses its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Notify;

use super::network::{Network, Networks};

/// Place of a connection in the order of the pool. A lower one has been idle or unfinished for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank(u64);

/// Limits of a pool, each at least 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolLimits {
    pub(super) total: usize,
    /// Connections of one address or /64.
    pub(super) narrow: usize,
    /// Connections of one /48.
    pub(super) wide: usize,
}

#[derive(Debug)]
pub(super) struct AnonymousPool {
    limits: PoolLimits,
    places: BTreeMap<Rank, Occupant>,
    by_network: HashMap<Network, BTreeSet<Rank>>,
    next: u64,
}

#[derive(Debug)]
struct Occupant {
    networks: Networks,
    /// Notified when the place is lost.
    evicted: Arc<Notify>,
}

impl AnonymousPool {
    pub(super) fn new(limits: PoolLimits) -> Self {
        Self { limits, places: BTreeMap::new(), by_network: HashMap::new(), next: 0 }
    }

    /// Adds a connection. Returns its rank, and the number of others that lost their places, which are notified.
    pub(super) fn add(&mut self, networks: Networks, evicted: Arc<Notify>) -> (Rank, u64) {
        let mut lost = 0;
        while let Some(rank) = self.must_leave(networks) {
            if let Some(place) = self.remove(rank) {
                place.notify_one();
                lost += 1;
            }
        }
        let rank = Rank(self.next);
        self.next += 1;
        for network in networks.all() {
            self.by_network.entry(network).or_default().insert(rank);
        }
        self.places.insert(rank, Occupant { networks, evicted });
        (rank, lost)
    }

    /// The connection that leaves before another one of these networks comes.
    fn must_leave(&self, networks: Networks) -> Option<Rank> {
        let first_of = |network: Network, limit: usize| {
            self.by_network.get(&network).filter(|ranks| ranks.len() >= limit)?.first().copied()
        };
        first_of(networks.narrow, self.limits.narrow)
            .or_else(|| first_of(networks.wide?, self.limits.wide))
            .or_else(|| {
                (self.places.len() >= self.limits.total).then(|| self.places.keys().next().copied())?
            })
    }

    /// Makes a connection the one that has been idle for the shortest time: it was just answered.
    pub(super) fn renew(&mut self, rank: Rank) -> Option<Rank> {
        let networks = self.places.get(&rank)?.networks;
        let evicted = self.remove(rank)?;
        Some(self.add(networks, evicted).0)
    }

    /// Removes a connection. `None` if it has lost its place already.
    pub(super) fn remove(&mut self, rank: Rank) -> Option<Arc<Notify>> {
        let Occupant { networks, evicted } = self.places.remove(&rank)?;
        for network in networks.all() {
            if let Some(ranks) = self.by_network.get_mut(&network) {
                ranks.remove(&rank);
                if ranks.is_empty() {
                    self.by_network.remove(&network);
                }
            }
        }
        Some(evicted)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty() && self.by_network.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pool(AnonymousPool);

    impl Pool {
        fn new(total: usize, narrow: usize, wide: usize) -> Self {
            Self(AnonymousPool::new(PoolLimits { total, narrow, wide }))
        }

        fn add(&mut self, address: &str) -> Rank {
            self.0.add(Networks::of(address.parse().expect("an address")), Arc::default()).0
        }

        /// True for each connection that still has its place.
        fn has<const N: usize>(&self, ranks: [Rank; N]) -> [bool; N] {
            ranks.map(|rank| self.0.places.contains_key(&rank))
        }
    }

    #[test]
    fn the_connection_that_was_idle_the_longest_leaves_a_full_pool() {
        let mut pool = Pool::new(3, 9, 9);
        let [first, second, third] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|address| pool.add(address));
        let first = pool.0.renew(first).expect("in the pool");
        let fourth = pool.add("192.0.2.4");
        assert_eq!(pool.has([first, second, third, fourth]), [true, false, true, true]);
        pool.0.remove(third).expect("in the pool");
        let fifth = pool.add("192.0.2.5");
        assert_eq!(pool.has([first, fourth, fifth]), [true; 3], "there was a place");
        assert!(pool.0.remove(second).is_none() && pool.0.renew(second).is_none(), "it has lost its place");
        for rank in [first, fourth, fifth] {
            pool.0.remove(rank).expect("in the pool");
        }
        assert!(pool.0.is_empty());
    }

    #[test]
    fn a_network_with_too_many_connections_loses_its_own() {
        let mut pool = Pool::new(9, 2, 3);
        let other = pool.add("192.0.2.9");
        let customer = ["2001:db8:7:1::1", "2001:db8:7:1::2", "2001:db8:7:1::3"].map(|at| pool.add(at));
        assert_eq!(pool.has(customer), [false, true, true], "two of a /64");
        let neighbours = ["2001:db8:7:2::1", "2001:db8:7:3::1"].map(|at| pool.add(at));
        assert_eq!(pool.has(customer), [false, false, true], "three of a /48");
        let address = ["192.0.2.1", "192.0.2.1", "192.0.2.1"].map(|at| pool.add(at));
        assert_eq!(pool.has(address), [false, true, true], "two of an address");
        assert_eq!((pool.has([other]), pool.has(neighbours)), ([true], [true, true]));
    }

    #[test]
    fn a_lost_place_is_notified() {
        let mut pool = AnonymousPool::new(PoolLimits { total: 1, narrow: 1, wide: 1 });
        let networks = Networks::of([192, 0, 2, 1].into());
        let (first, second) = (Arc::<Notify>::default(), Arc::<Notify>::default());
        assert_eq!(pool.add(networks, first.clone()).1, 0);
        assert_eq!(pool.add(networks, second.clone()).1, 1);
        let is_notified = |notify: &Notify| {
            let mut notified = std::pin::pin!(notify.notified());
            notified.as_mut().enable()
        };
        assert!(is_notified(&first) && !is_notified(&second));
    }
}
