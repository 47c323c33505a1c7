//! Budget of one connection: its own rates, and the budget of its user.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::meter::{Meter, Rate};
use super::rates::Rates;
use super::user::{PostPrice, UserBudget};

/// Budget of a connection. The meters of its own are in its task; those of the user are shared.
pub(crate) struct ConnectionBudget {
    pub(crate) user: Arc<UserBudget>,
    posts: Meter,
    /// Also limits typing and control frames.
    requests: Meter,
    lists: Meter,
    reads: Meter,
    searches: Meter,
}

impl ConnectionBudget {
    pub(crate) fn new(user: Arc<UserBudget>) -> Self {
        let [posts, requests, lists, reads, searches] = std::array::from_fn(|_| Meter::default());
        Self { user, posts, requests, lists, reads, searches }
    }

    /// Spends a message of so many bytes, or returns the time until the connection and its user may post.
    pub(crate) fn take_post(&self, bytes: usize, now: Instant) -> Result<PostPrice, Duration> {
        self.take(&self.posts, |rates| rates.posts, now)?;
        self.user.take_post(bytes, now)
    }

    /// Spends a change of so many bytes, or returns the time until the user may post one. A connection has no rate of
    /// changes of its own.
    pub(crate) fn take_change(&self, bytes: usize, now: Instant) -> Result<PostPrice, Duration> {
        self.user.take_change(bytes, now)
    }

    /// Spends a request, or returns the time until the connection may make one.
    pub(crate) fn take_request(&self, now: Instant) -> Result<(), Duration> {
        self.take(&self.requests, |rates| rates.posts, now)
    }

    /// Spends a list of rooms, or returns the time until the connection may request one.
    pub(crate) fn take_list(&self, now: Instant) -> Result<(), Duration> {
        self.take(&self.lists, |rates| rates.lists, now)
    }

    /// Spends a search of messages, or returns the time until the connection may request one.
    pub(crate) fn take_search(&self, now: Instant) -> Result<(), Duration> {
        self.take(&self.searches, |rates| rates.searches, now)
    }

    /// Spends a read marker, or returns the time until the connection may send one.
    pub(crate) fn take_read(&self, now: Instant) -> Result<(), Duration> {
        self.take(&self.reads, |rates| rates.reads, now)
    }

    fn take(&self, meter: &Meter, rate: fn(&Rates) -> Rate, now: Instant) -> Result<(), Duration> {
        let rates = self.user.rates();
        let rate = rate(rates);
        if rate.per_second == 0 { Ok(()) } else { meter.take(rate, 1, rates.moment(now)) }
    }
}
