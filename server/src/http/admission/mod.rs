//! Admission: places for open connections, and limits on failed authentications and requests for metrics.
//!
//! There are three pools. A connection begins in that of its listener: the anonymous pool, or the one of the admin
//! listeners. With a valid token it moves to the users' pool. Only that pool refuses: whatever connections without a
//! token do, users find their places free. A full anonymous pool closes one of its connections for each new one.
//!
//! A connection holds its [`Permit`] until its socket is closed: waiting for the last permit is waiting for the last
//! socket.

mod anonymous;
mod failures;
mod network;
mod scrapes;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::sync::Notify;

use self::anonymous::{AnonymousPool, PoolLimits, Rank};
pub(crate) use self::failures::Failure;
use self::failures::Failures;
use self::network::{Network, Networks};
use self::scrapes::ScrapeLimit;
use crate::config::Config;
use crate::metrics::{Dropped, Metrics};

/// Places for connections to the admin listeners.
const ADMIN_PLACES: usize = 256;
/// Connections of users in a /48, as a multiple of those of one address.
const WIDE_FACTOR: usize = 4;

/// Places and counts of open connections, and failed authentications.
pub(crate) struct Admission {
    max_users: usize,
    /// Connections of users from one address or /64.
    max_narrow: usize,
    pools: Mutex<Pools>,
    failures: Failures,
    scrapes: ScrapeLimit,
    metrics: Arc<Metrics>,
    /// Notified when the last connection has closed.
    empty: Notify,
}

struct Pools {
    /// Open connections, of all pools and of none.
    open: usize,
    users: usize,
    users_by_network: HashMap<Network, usize>,
    anonymous: AnonymousPool,
    admin: AnonymousPool,
}

/// Listeners by their purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ListenerKind {
    Public,
    /// Only metrics and health.
    Admin,
}

/// Share of an open connection in the server, freed on drop.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    /// The address of the peer.
    pub(super) address: IpAddr,
    /// Locked within the lock of the pools.
    place: Mutex<Place>,
    /// The connections of its worker.
    worker: Option<Arc<AtomicUsize>>,
}

#[derive(Debug)]
enum Place {
    /// In the pool of a listener. In a box, because most connections are of users.
    Pool(Box<PoolPlace>),
    User,
}

#[derive(Debug)]
struct PoolPlace {
    kind: ListenerKind,
    rank: Rank,
    /// Notified when the place is lost.
    evicted: Arc<Notify>,
}

impl Admission {
    pub(crate) fn new(config: &Config, metrics: Arc<Metrics>) -> Arc<Self> {
        let limits = &config.limits;
        let total = limits.anonymous_connections();
        // Behind a proxy all connections have its address: then a pool has no bounds for networks.
        let part = |part: usize| match limits.max_connections_per_address {
            0 => usize::MAX,
            _ => (total / part).max(1),
        };
        let anonymous = PoolLimits { total, narrow: part(4), wide: part(2) };
        let admin = PoolLimits { total: ADMIN_PLACES, narrow: usize::MAX, wide: usize::MAX };
        Arc::new(Self {
            max_users: limits.max_connections,
            max_narrow: match limits.max_connections_per_address {
                0 => usize::MAX,
                limit => limit,
            },
            pools: Mutex::new(Pools {
                open: 0,
                users: 0,
                users_by_network: HashMap::new(),
                anonymous: AnonymousPool::new(anonymous),
                admin: AnonymousPool::new(admin),
            }),
            failures: Failures::new(config.auth_failures_per_minute as usize),
            scrapes: ScrapeLimit::default(),
            metrics,
            empty: Notify::new(),
        })
    }

    /// Gives a new connection a place, in the pool of its listener.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr, kind: ListenerKind) -> Permit {
        let address = address.to_canonical();
        let mut pools = self.pools.lock();
        pools.open += 1;
        let place = Mutex::new(self.add(&mut pools, address, kind));
        Permit { admission: self.clone(), address, place, worker: None }
    }

    /// Adds a connection to the pool of a listener, and counts those that lose their places.
    fn add(&self, pools: &mut Pools, address: IpAddr, kind: ListenerKind) -> Place {
        let evicted = Arc::<Notify>::default();
        let (rank, lost) = pools.of(kind).add(Networks::of(address), evicted.clone());
        self.metrics.dropped.add(Dropped::ConnectionLimit, lost);
        Place::Pool(Box::new(PoolPlace { kind, rank, evicted }))
    }

    /// Waits until all connections have closed.
    pub(crate) async fn all_closed(&self) {
        loop {
            let notified = self.empty.notified();
            if self.pools.lock().open == 0 {
                return;
            }
            notified.await;
        }
    }

    /// Counts a failed authentication, unless its address has too many.
    pub(crate) fn record_failure(&self, address: IpAddr, now: Instant) -> Failure {
        self.failures.record(address, now)
    }

    /// Counts a public request for metrics. False if it is one too many.
    pub(crate) fn admit_scrape(&self, address: IpAddr, now: Instant) -> bool {
        self.scrapes.admit(address, now)
    }
}

impl Pools {
    fn of(&mut self, kind: ListenerKind) -> &mut AnonymousPool {
        match kind {
            ListenerKind::Public => &mut self.anonymous,
            ListenerKind::Admin => &mut self.admin,
        }
    }

    /// Takes a place for a user. False if there is none.
    fn take_user_place(&mut self, networks: Networks, max_users: usize, max_narrow: usize) -> bool {
        let here = |network: Network| self.users_by_network.get(&network).copied().unwrap_or(0);
        let max_wide = max_narrow.saturating_mul(WIDE_FACTOR);
        if self.users >= max_users
            || here(networks.narrow) >= max_narrow
            || networks.wide.is_some_and(|wide| here(wide) >= max_wide)
        {
            return false;
        }
        self.users += 1;
        for network in networks.all() {
            *self.users_by_network.entry(network).or_default() += 1;
        }
        true
    }

    fn free_user_place(&mut self, networks: Networks) {
        self.users -= 1;
        for network in networks.all() {
            if let Some(here) = self.users_by_network.get_mut(&network) {
                *here -= 1;
                if *here == 0 {
                    self.users_by_network.remove(&network);
                }
            }
        }
    }

    fn free(&mut self, place: &Place, address: IpAddr) {
        match place {
            Place::Pool(place) => drop(self.of(place.kind).remove(place.rank)),
            Place::User => self.free_user_place(Networks::of(address)),
        }
    }
}

impl Permit {
    /// Counts the connection among those of a worker.
    pub(crate) fn counted_at(mut self, worker: &Arc<AtomicUsize>) -> Self {
        worker.fetch_add(1, Ordering::Relaxed);
        self.worker = Some(worker.clone());
        self
    }

    /// Moves a connection with a valid token to the users' pool. False, without a change, if that is full.
    pub(crate) fn enter_users(&self) -> bool {
        let Admission { max_users, max_narrow, .. } = *self.admission;
        let mut pools = self.admission.pools.lock();
        let mut place = self.place.lock();
        if matches!(*place, Place::User) {
            return true;
        }
        if !pools.take_user_place(Networks::of(self.address), max_users, max_narrow) {
            return false;
        }
        pools.free(&std::mem::replace(&mut *place, Place::User), self.address);
        true
    }

    /// Moves a connection that is refused in spite of a valid token back to the anonymous pool.
    pub(crate) fn leave_users(&self) {
        let mut pools = self.admission.pools.lock();
        let mut place = self.place.lock();
        if matches!(*place, Place::User) {
            pools.free(&place, self.address);
            *place = self.admission.add(&mut pools, self.address, ListenerKind::Public);
        }
    }

    /// Notes an answer: the connection has been idle for the shortest time.
    pub(crate) fn answered(&self) {
        let mut pools = self.admission.pools.lock();
        let mut place = self.place.lock();
        // A connection that has lost its place is about to be closed.
        if let Place::Pool(place) = &mut *place {
            place.rank = pools.of(place.kind).renew(place.rank).unwrap_or(place.rank);
        }
    }

    /// Waits until the connection has lost its place. Never returns for a user.
    pub(crate) async fn evicted(&self) {
        while let Some(evicted) = self.eviction() {
            evicted.notified().await;
            // If the connection showed its token at the same moment, it has another place.
            if self.eviction().is_some_and(|current| Arc::ptr_eq(&current, &evicted)) {
                return;
            }
        }
        std::future::pending::<()>().await;
    }

    /// The notification that the place is lost. `None` for a user.
    fn eviction(&self) -> Option<Arc<Notify>> {
        match &*self.place.lock() {
            Place::Pool(place) => Some(place.evicted.clone()),
            Place::User => None,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.fetch_sub(1, Ordering::Relaxed);
        }
        let mut pools = self.admission.pools.lock();
        pools.free(self.place.get_mut(), self.address);
        pools.open -= 1;
        if pools.open == 0 {
            self.admission.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use realtime_shared::Timestamp;

    use super::*;
    use crate::secret::Secret;

    fn admission(change: impl FnOnce(&mut Config)) -> Arc<Admission> {
        let mut config = Config::new(Secret::new(&[7; 32]).expect("32 bytes"));
        change(&mut config);
        Admission::new(&config, Arc::new(Metrics::new(1, Timestamp::from_millis(0))))
    }

    fn admit(admission: &Arc<Admission>, address: &str) -> Permit {
        admission.admit(address.parse().expect("an address"), ListenerKind::Public)
    }

    /// True if the connection has lost its place.
    fn is_evicted(permit: &Permit) -> bool {
        let mut evicted = std::pin::pin!(permit.evicted());
        evicted.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready()
    }

    fn is_empty(admission: &Admission) -> bool {
        let pools = admission.pools.lock();
        pools.open == 0
            && pools.users == 0
            && pools.users_by_network.is_empty()
            && pools.anonymous.is_empty()
            && pools.admin.is_empty()
    }

    #[test]
    fn users_have_places_whatever_the_anonymous_pool_holds() {
        let admission = admission(|config| {
            config.limits.max_connections = 3;
            config.limits.max_anonymous_connections = Some(8);
        });
        let flood: Vec<_> = (0..100).map(|number| admit(&admission, &format!("192.0.2.{number}"))).collect();
        assert_eq!(flood.iter().filter(|permit| is_evicted(permit)).count(), 92);
        let users: Vec<_> = (0..3).map(|_| admit(&admission, "198.51.100.1")).collect();
        assert!(users.iter().all(Permit::enter_users));
        let refused = admit(&admission, "198.51.100.1");
        assert!(!refused.enter_users() && !is_evicted(&refused), "no place, but an answer");
        drop(users);
        assert!(refused.enter_users());
        drop((flood, refused));
        assert!(is_empty(&admission));
    }

    #[test]
    fn users_of_an_address_or_network_are_limited() {
        let admission = admission(|config| config.limits.max_connections_per_address = 1);
        let users = |addresses: &[&str]| -> Vec<_> {
            addresses
                .iter()
                .map(|at| admit(&admission, at))
                .map(|permit| (permit.enter_users(), permit))
                .collect()
        };
        let entered =
            |permits: &[(bool, Permit)]| permits.iter().map(|(entered, _)| *entered).collect::<Vec<_>>();
        let held = users(&["192.0.2.1", "192.0.2.1", "192.0.2.2"]);
        assert_eq!(entered(&held), [true, false, true]);
        let site: Vec<_> = (1..=5).map(|number| format!("2001:db8:7:{number}::1")).collect();
        let held = users(&site.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(entered(&held), [true, true, true, true, false], "four of a /48");
    }

    #[test]
    fn a_connection_that_shows_a_token_while_it_is_evicted_stays() {
        let admission = admission(|config| config.limits.max_anonymous_connections = Some(1));
        let first = admit(&admission, "192.0.2.1");
        let second = admit(&admission, "192.0.2.2");
        assert!(first.enter_users() && !is_evicted(&first));
        second.answered();
        assert!(!is_evicted(&second));
        drop((first, second));
        assert!(is_empty(&admission));
    }

    #[test]
    fn a_refused_user_gives_its_place_back() {
        let admission = admission(|config| {
            config.limits.max_connections = 1;
            config.limits.max_anonymous_connections = Some(1);
        });
        let refused = admit(&admission, "192.0.2.1");
        assert!(refused.enter_users());
        refused.leave_users();
        let other = admit(&admission, "192.0.2.2");
        assert!(is_evicted(&refused), "it waits among the anonymous");
        assert!(other.enter_users());
        drop((refused, other));
        assert!(is_empty(&admission));
    }

    #[test]
    fn the_admin_pool_does_not_fill_with_public_connections() {
        let admission = admission(|config| config.limits.max_anonymous_connections = Some(1));
        let prometheus = admission.admit([127, 0, 0, 1].into(), ListenerKind::Admin);
        let flood: Vec<_> = (0..=ADMIN_PLACES).map(|_| admit(&admission, "127.0.0.1")).collect();
        assert!(!is_evicted(&prometheus));
        drop((prometheus, flood));
        assert!(is_empty(&admission));
    }
}
