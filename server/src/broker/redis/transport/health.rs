//! Whether Redis serves us: this instance writes something and says it, and has to hear it, all the way around.
//!
//! A Redis that answers may take nothing: it is full, cannot write to its disk, or is a replica now. An open socket
//! says nothing: one that a firewall forgot is open for hours. Where what is said is not heard, the connection for
//! announcements is made anew. The log says once that Redis is away, and once that it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::Pipeline;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use crate::broker::redis::Shared;
use crate::broker::redis::transport::{reply, scripts};

/// How often it is tried.
const PROBE: Duration = Duration::from_secs(3);
/// How soon it has to be said, which is when Redis has answered.
const SAID: Duration = Duration::from_millis(2_500);
/// How soon it has to be heard after that.
const HEARD: Duration = Duration::from_secs(2);

/// For how long it is kept.
const KEPT: Duration = Duration::from_mins(1);

/// Whether what is written is taken, and what is said is heard.
pub(crate) struct Health {
    up: AtomicBool,
    heard: watch::Sender<u64>,
}

impl Default for Health {
    fn default() -> Self {
        Self { up: AtomicBool::new(false), heard: watch::Sender::new(0) }
    }
}

impl Health {
    /// Whether the last probe came around.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// A probe was heard.
    pub(crate) fn heard(&self, number: u64) {
        self.heard.send_replace(number);
    }
}

/// What came of a probe.
enum Probe {
    Heard,
    /// It was said, and not heard.
    Deaf,
    /// It could not be said: Redis is away, or refuses it.
    Mute,
}

impl Shared {
    async fn probe(&self, number: u64) -> Probe {
        let mut heard = self.health.heard.subscribe();
        let mut probe = scripts::PROBE.on(&[&*self.probe_channel]);
        probe.arg(&*self.probe_channel).arg(number).arg(KEPT.as_secs());
        let mut saying = Pipeline::new();
        saying.add_command(probe);
        match self.asks.attempt_until(Instant::now() + SAID, &saying).await {
            Ok(answers) if !answers.iter().any(reply::is_refusal) => {}
            _ => return Probe::Mute,
        }
        // From here on it is not the connection for commands that is to blame.
        match timeout(HEARD, heard.wait_for(|heard| *heard == number)).await {
            Ok(Ok(_)) => Probe::Heard,
            _ => Probe::Deaf,
        }
    }

    fn set_up(&self, up: bool) {
        let was = self.health.up.swap(up, Ordering::Relaxed);
        self.metrics.redis_up.set(i64::from(up));
        match (was, up) {
            (true, false) => tracing::error!(
                "Redis does not answer, or takes nothing: clients stay connected, and what they send is refused for now (unavailable)"
            ),
            (false, true) => tracing::info!("Redis answers"),
            _ => {}
        }
    }
}

/// Runs for as long as the broker.
pub(crate) async fn run(shared: Arc<Shared>) {
    // Another number than those of whoever had this channel before.
    let mut number = u64::from(fastrand::u32(..));
    loop {
        let next = Instant::now() + PROBE;
        number += 1;
        let probe = tokio::select! {
            probe = shared.probe(number) => probe,
            // What was said before may be lost, and says nothing of this connection.
            () = shared.heard_again.notified() => continue,
        };
        shared.set_up(matches!(probe, Probe::Heard));
        if matches!(probe, Probe::Deaf) {
            shared.subscriptions.is_deaf();
        }
        tokio::select! {
            () = sleep_until(next) => {}
            // It is known at once when it is back.
            () = shared.heard_again.notified() => {}
        }
    }
}
