//! Slot for the feed of an engine's broker.

use std::sync::{Arc, OnceLock, Weak};

use crate::broker::Feed;

/// Feed of the engine's broker; empty until the broker is created.
#[derive(Clone, Default)]
pub(super) struct FeedSlot(Arc<OnceLock<Weak<dyn Feed>>>);

impl FeedSlot {
    /// Sets the feed. Only the first one counts.
    pub(super) fn set(&self, feed: Weak<dyn Feed>) {
        let _ = self.0.set(feed);
    }

    pub(super) fn get(&self) -> Option<Arc<dyn Feed>> {
        self.0.get()?.upgrade()
    }
}
