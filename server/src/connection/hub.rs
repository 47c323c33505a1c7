//! State that connections share.

use std::sync::Arc;
use std::time::Instant;

use realtime_shared::Feature;

use crate::auth::Verifier;
use crate::clock::Clock;
use crate::config::Config;
use crate::metrics::Metrics;
use crate::room::Registry;
use crate::session::Now;
use crate::socket::Bounds;

/// State that the connections of a server share.
pub(crate) struct Hub {
    pub(crate) config: Arc<Config>,
    pub(crate) clock: Clock,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Hub {
    /// The features of the server and its store.
    pub(super) fn features(&self) -> Vec<Feature> {
        [Feature::MemberPrefix].into_iter().chain(self.registry.features().iter().copied()).collect()
    }

    /// The current time.
    pub(super) fn now(&self) -> Now {
        Now { instant: Instant::now(), wall: self.clock.now() }
    }

    /// Bounds on a client's frames and messages.
    pub(crate) fn bounds(&self) -> Bounds {
        let bytes = self.config.limits.max_frame_bytes;
        Bounds { frame_bytes: bytes, message_bytes: bytes, binary: false }
    }
}
