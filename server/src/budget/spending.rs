//! Spending of users that instances exchange.

use parking_lot::Mutex;
use realtime_shared::UserId;
use tokio::sync::Notify;

/// Amounts that a user has spent on one instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spending {
    pub(crate) messages: u32,
    pub(crate) bytes: u32,
    pub(crate) answers: u32,
    pub(crate) connects: u32,
    /// Connections that were closed for too many requests.
    pub(crate) offences: u32,
}

/// Users whose spending the other instances do not know yet. Each is listed at most once.
#[derive(Default)]
pub(super) struct Outbox {
    users: Mutex<Vec<UserId>>,
    due: Notify,
}

impl Outbox {
    pub(super) fn list(&self, user: UserId) {
        self.users.lock().push(user);
    }

    /// Reports that a user has spent so much that the next regular exchange is too late.
    pub(super) fn is_due(&self) {
        self.due.notify_one();
    }

    pub(super) async fn due(&self) {
        self.due.notified().await;
    }

    pub(super) fn take(&self) -> Vec<UserId> {
        std::mem::take(&mut *self.users.lock())
    }

    /// Puts users back whose spending is too small to be published now.
    pub(super) fn put_back(&self, users: Vec<UserId>) {
        self.users.lock().extend(users);
    }
}
