//! Who is in a room on this instance: connections to wake, and the users that they are of.
//!
//! A user stays a member while one connection is, and for a grace after the last one was lost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use realtime_shared::UserId;
use slab::Slab;

use super::mailbox::Mailbox;

/// A connection's seat in a room, to give back when it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(usize);

/// The loss of a user's last connection: when its grace is over, and a number by which it is told from others.
pub(crate) type Loss = (Instant, u64);

#[derive(Default)]
pub(crate) struct Members {
    /// For each worker the connections that run on it.
    by_worker: Box<[Slab<Arc<Mailbox>>]>,
    users: HashMap<UserId, Stay>,
}

struct Stay {
    connections: usize,
    /// Since the last connection was lost.
    lost: Option<Loss>,
}

impl Members {
    pub(crate) fn new(workers: usize) -> Self {
        Self { by_worker: (0..workers).map(|_| Slab::new()).collect(), users: HashMap::new() }
    }

    /// Seats a connection; tells whether its user was no member before, or was one in a grace, which is over.
    pub(crate) fn seat(&mut self, mailbox: &Arc<Mailbox>) -> (Seat, bool, Option<Loss>) {
        let seat = Seat(self.by_worker[mailbox.worker].insert(mailbox.clone()));
        let mut first = false;
        let stay = self.users.entry(mailbox.user.clone()).or_insert_with(|| {
            first = true;
            Stay { connections: 0, lost: None }
        });
        stay.connections += 1;
        (seat, first, stay.lost.take())
    }

    /// Takes a seat back; tells whether it was the last one of its user, who stays a member all the same.
    ///
    /// Connections are dropped in here: a seat that is not theirs is reported and left alone, not panicked about.
    pub(crate) fn unseat(&mut self, mailbox: &Mailbox, seat: Seat) -> bool {
        let seats = &mut self.by_worker[mailbox.worker];
        if seats.get(seat.0).is_none_or(|seated| seated.connection != mailbox.connection) {
            tracing::error!(connection = mailbox.connection, "a seat was given back that was not taken");
            return false;
        }
        seats.remove(seat.0);
        let Some(stay) = self.users.get_mut(&mailbox.user) else { return false };
        stay.connections -= 1;
        stay.connections == 0
    }

    /// Remembers a loss, after the last connection of a user was unseated.
    pub(crate) fn lose(&mut self, user: &UserId, loss: Loss) {
        if let Some(stay) = self.users.get_mut(user) {
            stay.lost = Some(loss);
        }
    }

    /// Ends the stay of a user without connections, whose grace is over; tells whether there was one to end.
    pub(crate) fn expire(&mut self, user: &UserId, loss: Loss) -> bool {
        let over = self.users.get(user).is_some_and(|stay| stay.connections == 0 && stay.lost == Some(loss));
        if over {
            self.remove(user);
        }
        over
    }

    /// Ends the stay of a user.
    pub(crate) fn remove(&mut self, user: &UserId) {
        self.users.remove(user);
    }

    /// Its users, sorted.
    pub(crate) fn users(&self) -> Vec<UserId> {
        let mut users: Vec<_> = self.users.keys().cloned().collect();
        users.sort_unstable();
        users
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The workers on which connections are.
    pub(crate) fn workers(&self) -> impl Iterator<Item = usize> {
        self.by_worker.iter().enumerate().filter(|(_, seats)| !seats.is_empty()).map(|(worker, _)| worker)
    }

    /// The connections on a worker, beginning with the `first`-th: who is woken first is served first, so it should
    /// not always be the same.
    pub(crate) fn on(&self, worker: usize, first: usize) -> impl Iterator<Item = &Arc<Mailbox>> {
        let seats = &self.by_worker[worker];
        let first = first % seats.len().max(1);
        seats.iter().skip(first).chain(seats.iter().take(first)).map(|(_, mailbox)| mailbox)
    }

    /// All connections.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.by_worker.iter().flat_map(|seats| seats.iter().map(|(_, mailbox)| mailbox))
    }
}
