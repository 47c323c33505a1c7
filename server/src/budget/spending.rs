//! Spending of users that instances exchange.

use std::time::Duration;

use parking_lot::Mutex;
use realtime_shared::UserId;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Shortest time between two exchanges: each is a request to Redis, and a burst of connects is due many times.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Amounts that a user has spent on one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spending {
    pub(crate) messages: u32,
    pub(crate) changes: u32,
    /// Copies of entries and typing frames for members.
    pub(crate) deliveries: u32,
    pub(crate) bytes: u32,
    pub(crate) answers: u32,
    pub(crate) connects: u32,
    /// Connections that were closed for too many requests.
    pub(crate) offences: u32,
}

/// Users whose spending the other instances do not know yet.
#[derive(Default)]
pub(super) struct Outbox {
    /// Each user at most once.
    users: Mutex<Vec<UserId>>,
    /// Those of them for which the next regular exchange is too late.
    due_users: Mutex<Vec<UserId>>,
    due: Notify,
    exchanged: Mutex<Option<Instant>>,
}

impl Outbox {
    pub(super) fn list(&self, user: UserId) {
        self.users.lock().push(user);
    }

    /// Reports that a user has spent so much that the next regular exchange is too late.
    pub(super) fn is_due(&self, user: UserId) {
        self.due_users.lock().push(user);
        self.due.notify_one();
    }

    /// Waits for such a user, and for the shortest interval since the last exchange.
    pub(super) async fn due(&self) {
        let exchanged = *self.exchanged.lock();
        if let Some(exchanged) = exchanged {
            sleep_until(exchanged + SHORTEST_INTERVAL).await;
        }
        self.due.notified().await;
    }

    /// Takes all users, for a regular exchange.
    pub(super) fn take(&self) -> Vec<UserId> {
        *self.exchanged.lock() = Some(Instant::now());
        std::mem::take(&mut *self.users.lock())
    }

    /// Takes the users that are due. They stay listed, and have nothing unpublished left at the regular exchange.
    pub(super) fn take_due(&self) -> Vec<UserId> {
        *self.exchanged.lock() = Some(Instant::now());
        std::mem::take(&mut *self.due_users.lock())
    }

    /// Puts users back whose spending is too small to be published now.
    pub(super) fn put_back(&self, users: Vec<UserId>) {
        self.users.lock().extend(users);
    }
}
