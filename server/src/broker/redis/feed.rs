//! The feed of the broker, which exists only after the engine has started.

use std::sync::{Arc, OnceLock, Weak};

use crate::broker::Feed;

/// A feed, once there is one and while it lives.
#[derive(Default)]
pub(crate) struct FeedSlot(OnceLock<Weak<dyn Feed>>);

impl FeedSlot {
    /// Sets the feed. An engine has one broker, so the first call counts.
    pub(crate) fn set(&self, feed: Weak<dyn Feed>) {
        let _ = self.0.set(feed);
    }

    pub(crate) fn get(&self) -> Option<Arc<dyn Feed>> {
        self.0.get()?.upgrade()
    }
}
