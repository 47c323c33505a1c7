//! Timer of the loop.

use tokio::time::{Instant, sleep_until};

/// Sleeps until `wake`; without it, for ever.
pub(super) async fn sleep(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
