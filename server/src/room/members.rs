//! Members of a room on this instance: seats of connections, and their users.
//!
//! A user is a member while it has a seat, and for the leave grace after it lost the last one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use realtime_shared::UserId;
use slab::Slab;

use super::flush::Round;
use super::mailbox::Mailbox;

/// A connection's membership in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seat(u32);

/// Key of a leave grace: its end, and a number that makes it unique.
pub(crate) type Loss = (Instant, u64);

#[derive(Default)]
pub(crate) struct Members {
    /// Connections by worker.
    by_worker: Box<[Slab<Arc<Mailbox>>]>,
    users: HashMap<UserId, UserSeats>,
}

#[derive(Default)]
struct UserSeats {
    connections: u32,
    /// The broker has confirmed that the user is in the room.
    entered: bool,
    /// Set while the leave grace runs.
    lost: Option<Loss>,
}

impl Members {
    pub(crate) fn new(workers: usize) -> Self {
        Self { by_worker: (0..workers).map(|_| Slab::new()).collect(), users: HashMap::new() }
    }

    /// Seats a connection. Returns its seat, true if its user has to enter the room at the broker, and the leave grace
    /// that this ends.
    pub(crate) fn seat(&mut self, mailbox: &Arc<Mailbox>) -> (Seat, bool, Option<Loss>) {
        let index = self.by_worker[mailbox.worker].insert(mailbox.clone());
        let seat = Seat(u32::try_from(index).expect("fewer connections"));
        let seats_of_user = self.users.entry(mailbox.user.clone()).or_default();
        seats_of_user.connections += 1;
        (seat, !seats_of_user.entered, seats_of_user.lost.take())
    }

    /// Records that the broker has confirmed the user.
    pub(crate) fn set_entered(&mut self, user: &UserId) {
        if let Some(seats_of_user) = self.users.get_mut(user) {
            seats_of_user.entered = true;
        }
    }

    /// Removes a seat. Returns true if it was the last one of its user, who remains a member.
    ///
    /// Does not panic, because drops of connections call it: a wrong seat is logged and kept.
    pub(crate) fn unseat(&mut self, mailbox: &Mailbox, seat: Seat) -> bool {
        let (seats, seat) = (&mut self.by_worker[mailbox.worker], seat.0 as usize);
        if seats.get(seat).is_none_or(|seated| seated.connection != mailbox.connection) {
            tracing::error!(
                connection = mailbox.connection,
                "a connection released a seat that it does not have"
            );
            return false;
        }
        seats.remove(seat);
        let Some(seats_of_user) = self.users.get_mut(&mailbox.user) else { return false };
        seats_of_user.connections -= 1;
        seats_of_user.connections == 0
    }

    /// Begins the leave grace of a user without seats.
    pub(crate) fn lose(&mut self, user: &UserId, loss: Loss) {
        if let Some(seats_of_user) = self.users.get_mut(user) {
            seats_of_user.lost = Some(loss);
        }
    }

    /// Removes a user whose leave grace `loss` has ended. Returns false if the user has joined or left since then.
    pub(crate) fn expire(&mut self, user: &UserId, loss: Loss) -> bool {
        let expired = self
            .users
            .get(user)
            .is_some_and(|seats_of_user| seats_of_user.connections == 0 && seats_of_user.lost == Some(loss));
        if expired {
            self.remove(user);
        }
        expired
    }

    /// Removes a user.
    pub(crate) fn remove(&mut self, user: &UserId) {
        self.users.remove(user);
    }

    /// The users, sorted.
    pub(crate) fn users(&self) -> Vec<UserId> {
        let mut users: Vec<_> = self.users.keys().cloned().collect();
        users.sort_unstable();
        users
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Number of connections.
    pub(crate) fn connections(&self) -> usize {
        self.by_worker.iter().map(Slab::len).sum()
    }

    /// Workers with connections.
    pub(crate) fn workers(&self) -> impl Iterator<Item = usize> {
        self.by_worker.iter().enumerate().filter(|(_, seats)| !seats.is_empty()).map(|(worker, _)| worker)
    }

    /// Wakes connections on a worker until the round has reached all of them, or `most` were at rest.
    ///
    /// A round goes around the seats, whose places stay. So a connection that leaves or joins meanwhile moves no other.
    pub(crate) fn wake_some(&self, worker: usize, round: &mut Round, most: usize) {
        let seats = &self.by_worker[worker];
        let places = seats.iter().next_back().map_or(0, |(last, _)| last + 1);
        round.left = round.left.min(places);
        let mut woken = 0;
        while round.left > 0 && woken < most {
            if round.next >= places {
                round.next %= places;
            }
            woken += usize::from(seats.get(round.next).is_some_and(|mailbox| mailbox.wake()));
            round.next += 1;
            round.left -= 1;
        }
    }

    /// All connections.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Mailbox>> {
        self.by_worker.iter().flat_map(|seats| seats.iter().map(|(_, mailbox)| mailbox))
    }
}
