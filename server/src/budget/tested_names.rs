//! Price of the names that a search tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use super::user::UserBudget;

/// Price of a test, in bytes of an answer.
const TEST_BYTES: usize = 16;

/// Number of names that a search of a user has tested. They are spent when the search ends.
pub(crate) struct TestedNames {
    user: Arc<UserBudget>,
    tested: AtomicUsize,
}

impl TestedNames {
    pub(crate) fn new(user: Arc<UserBudget>) -> Self {
        Self { user, tested: AtomicUsize::new(0) }
    }

    /// Counts a test.
    pub(crate) fn count(&self) {
        self.tested.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for TestedNames {
    fn drop(&mut self) {
        self.user.spend_answer(*self.tested.get_mut() * TEST_BYTES, Instant::now());
    }
}
