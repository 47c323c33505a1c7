//! Budgets: what a user may spend in all connections together, and how much may be posted to a room.
//!
//! A connection has rates of its own. The budgets of its user and of rooms are for what many connections do together.
//! Each instance decides alone and at once. Once a second the instances exchange what each user has spent;
//! what is worth a whole second is published within 100 ms. So a user exceeds a budget by at most one second for each
//! instance. The budget of a room is spent by the entries of its log, which every instance sees.
//!
//! - [`meter`] is the token bucket of all budgets, in one atomic number.
//! - [`ConnectionBudget`] has the meters of a connection, and holds the budget of its user.
//! - [`UserBudget`] has the meters of a user, so a frame of any connection costs a few atomic operations.
//! - [`RoomBudget`] has the meter of a room that is open here.
//! - [`Budgets`] finds them by name. A budget is kept while a connection uses it, or until everything is earned again;
//!   so memory is bounded by the connections and by what was spent lately.

mod connection;
mod meter;
mod rates;
mod room;
mod spending;
mod tested_names;
#[cfg(test)]
mod tests;
mod user;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hashbrown::HashTable;
use parking_lot::Mutex;
use realtime_shared::{RoomName, UserId};

pub(crate) use self::connection::ConnectionBudget;
use self::meter::Meter;
use self::rates::Rates;
pub(crate) use self::room::{PostCharge, RoomBudget};
use self::spending::Outbox;
pub(crate) use self::spending::Spending;
pub(crate) use self::tested_names::TestedNames;
pub(crate) use self::user::{PostPrice, UserBudget};
use crate::config::Limits;

/// Tables of users; a sweep locks one at a time.
const SHARDS: usize = 16;
/// Limit on the users of a table that are known only from other instances.
const SHARD_USERS: usize = 16 * 1024;
/// Limit on the rooms that are not open here and have spent lately. At the limit all are forgotten, so memory is bounded;
/// a room may then exceed its rate once. Rooms that close add to them without this limit, and a tick removes those that
/// have earned everything again.
const CLOSED_ROOMS: usize = 64 * 1024;
/// Exchanges after which small amounts are published too.
const SMALL_EXCHANGES: usize = 16;

/// Budgets of all users and rooms.
pub(crate) struct Budgets {
    rates: Arc<Rates>,
    hasher: RandomState,
    users: [Mutex<UserTable>; SHARDS],
    /// Budgets of rooms that are not open here.
    closed_rooms: Mutex<HashMap<RoomName, Meter>>,
    /// Number of ticks.
    ticks: AtomicUsize,
}

/// Budgets of some of the users, by the hashes of the users.
type UserTable = HashTable<Arc<UserBudget>>;

impl Budgets {
    /// Interval of [`Budgets::tick`].
    pub(crate) const TICK: Duration = Duration::from_secs(1);

    /// Budgets without spending. `shared`: other instances may serve the same users.
    pub(crate) fn new(limits: &Limits, shared: bool, now: Instant) -> Self {
        Self {
            rates: Arc::new(Rates::new(limits, now, shared.then(Outbox::default))),
            hasher: RandomState::new(),
            users: Default::default(),
            closed_rooms: Mutex::default(),
            ticks: AtomicUsize::new(0),
        }
    }

    /// The budget of a user.
    pub(crate) fn user(&self, user: &UserId) -> Arc<UserBudget> {
        let (hash, table) = self.table(user);
        let mut users = table.lock();
        find(&users, hash, user).unwrap_or_else(|| self.add(&mut users, hash, user))
    }

    fn add(&self, users: &mut UserTable, hash: u64, user: &UserId) -> Arc<UserBudget> {
        let budget = UserBudget::new(user.clone(), self.rates.clone());
        users.insert_unique(hash, budget.clone(), |other| self.hasher.hash_one(other.user()));
        budget
    }

    /// The budget of a room that is being opened, with what was spent while it was closed.
    pub(crate) fn open_room(&self, room: &RoomName) -> Arc<RoomBudget> {
        let meter = self.closed_rooms.lock().remove(room).unwrap_or_default();
        Arc::new(RoomBudget::new(self.rates.clone(), meter))
    }

    /// Keeps what an open room has spent when it is closed.
    pub(crate) fn close_room(&self, room: &RoomName, budget: &RoomBudget, now: Instant) {
        let meter = budget.take_meter();
        if !meter.is_clear(self.rates.moment(now)) {
            self.closed_rooms.lock().insert(room.clone(), meter);
        }
    }

    /// Admits a post to a room that is not open here, or returns the time until it may be posted to. The log of the
    /// room is not seen here, so the post itself is spent.
    pub(crate) fn take_closed(&self, room: &RoomName, price: PostPrice) -> Result<(), Duration> {
        let rates = &self.rates;
        if rates.room.per_second == 0 {
            return Ok(());
        }
        let moment = rates.moment(price.at);
        let mut rooms = self.closed_rooms.lock();
        if rooms.len() >= CLOSED_ROOMS && !rooms.contains_key(room) {
            rooms.retain(|_, meter| !meter.is_clear(moment));
            if rooms.len() >= CLOSED_ROOMS {
                rooms.clear();
            }
        }
        let rate = if price.is_modest { rates.room_for_modest } else { rates.room };
        rooms.entry(room.clone()).or_default().take(rate, price.bytes, moment)
    }

    /// Takes over what a user has spent on another instance.
    pub(crate) fn spend_elsewhere(&self, user: &UserId, spending: &Spending, now: Instant) {
        let (hash, table) = self.table(user);
        let budget = {
            let mut users = table.lock();
            match find(&users, hash, user) {
                Some(budget) => budget,
                None if users.len() >= SHARD_USERS => return,
                None => self.add(&mut users, hash, user),
            }
        };
        budget.spend_elsewhere(spending, now);
    }

    /// Waits until spending has to be published before the next tick. Never returns for a single instance.
    pub(crate) async fn due(&self) {
        match &self.rates.outbox {
            Some(outbox) => outbox.due().await,
            None => std::future::pending().await,
        }
    }

    /// Forgets users of one table and rooms whose budget is whole again. Called each [`Budgets::TICK`].
    pub(crate) fn tick(&self, now: Instant) {
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        // Nobody else can begin to use a budget while its table is locked.
        self.users[tick % SHARDS]
            .lock()
            .retain(|budget| Arc::strong_count(budget) > 1 || !budget.is_clear(now));
        let moment = self.rates.moment(now);
        self.closed_rooms.lock().retain(|_, meter| !meter.is_clear(moment));
    }

    /// Takes the spending that the other instances have to know.
    pub(crate) fn take_unpublished(&self) -> Vec<(UserId, Spending)> {
        let Some(outbox) = &self.rates.outbox else { return Vec::new() };
        let all = self.ticks.load(Ordering::Relaxed).is_multiple_of(SMALL_EXCHANGES);
        let mut small = Vec::new();
        let mut taken = Vec::new();
        for user in outbox.take() {
            let (hash, table) = self.table(&user);
            let budget = find(&table.lock(), hash, &user);
            match budget.map(|budget| budget.take_unpublished(all)) {
                Some(Some(spending)) if spending != Spending::default() => taken.push((user, spending)),
                Some(None) => small.push(user),
                _ => {}
            }
        }
        outbox.put_back(small);
        taken
    }

    /// Takes the spending that the other instances have to know before the next tick.
    pub(crate) fn take_due(&self) -> Vec<(UserId, Spending)> {
        let Some(outbox) = &self.rates.outbox else { return Vec::new() };
        let spending_of = |user: UserId| {
            let (hash, table) = self.table(&user);
            let budget = find(&table.lock(), hash, &user)?;
            let spending = budget.take_due().filter(|spending| *spending != Spending::default())?;
            Some((user, spending))
        };
        outbox.take_due().into_iter().filter_map(spending_of).collect()
    }

    /// The hash of a user, and the table with its budget. The table is chosen by bits of the hash that it does not use
    /// itself while it is small.
    fn table(&self, user: &UserId) -> (u64, &Mutex<UserTable>) {
        let hash = self.hasher.hash_one(user);
        let index = (hash >> 32) % SHARDS as u64;
        (hash, &self.users[usize::try_from(index).expect("less than the number of tables")])
    }
}

fn find(users: &UserTable, hash: u64, user: &UserId) -> Option<Arc<UserBudget>> {
    users.find(hash, |budget| budget.user() == user).cloned()
}
