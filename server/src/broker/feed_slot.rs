//! Slot for the feed of an engine, which starts before its broker and feed exist.

use std::sync::{Arc, OnceLock, Weak};

use super::Feed;

/// Feed of the engine's broker; empty until the broker is created. Clones share the feed.
#[derive(Clone, Default)]
pub(super) struct FeedSlot(Arc<OnceLock<Weak<dyn Feed>>>);

impl FeedSlot {
    /// Sets the feed. An engine has one broker, so only the first call has an effect.
    pub(super) fn set(&self, feed: Weak<dyn Feed>) {
        let _ = self.0.set(feed);
    }

    /// The feed, if it is set and still alive.
    pub(super) fn get(&self) -> Option<Arc<dyn Feed>> {
        self.0.get()?.upgrade()
    }
}
