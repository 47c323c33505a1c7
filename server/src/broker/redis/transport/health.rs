//! The probe of Redis: this instance writes a number, publishes it, and must receive it.
//!
//! A Redis that answers may refuse writes: its memory or disk is full, or it is a replica. An open socket proves nothing:
//! a firewall may have dropped the connection hours ago. If a published number is not received, the connection for
//! announcements is replaced. The log has one line when Redis becomes unavailable, and one when it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::Pipeline;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::link::Link;
use super::subscriptions::Subscriptions;
use super::{reply, scripts};
use crate::metrics::Metrics;

/// Interval of probes.
const PROBE_INTERVAL: Duration = Duration::from_secs(3);
/// Time limit for writing and publishing the number.
const PUBLISH_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Time limit from the publication to the receipt of the number.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(2);
/// Lifetime of the written number.
const KEY_LIFETIME: Duration = Duration::from_mins(1);

/// The state of the probe.
pub(crate) struct Health {
    up: AtomicBool,
    received: watch::Sender<u64>,
    /// Notified when the connection for announcements was replaced.
    reconnected: Notify,
    /// The channel of the probe, and its key.
    channel: Arc<str>,
    metrics: Arc<Metrics>,
}

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probe {
    Received,
    /// The number was published, and not received.
    Deaf,
    /// The number was not published: Redis is unavailable or refuses writes.
    Mute,
}

impl Health {
    pub(crate) fn new(channel: Arc<str>, metrics: Arc<Metrics>) -> Self {
        Self {
            up: AtomicBool::new(false),
            received: watch::Sender::new(0),
            reconnected: Notify::new(),
            channel,
            metrics,
        }
    }

    /// True if the last probe was received.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// The channel on which [`Health::receive`] expects numbers.
    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Takes a number from the channel.
    pub(crate) fn receive(&self, payload: &str) {
        if let Ok(number) = payload.parse() {
            self.received.send_replace(number);
        }
    }

    /// Starts the next probe immediately, after the connection for announcements was replaced.
    pub(crate) fn on_reconnect(&self) {
        self.reconnected.notify_one();
    }

    /// Probes for as long as the engine runs.
    pub(crate) async fn run(&self, commands: &Link, subscriptions: &Subscriptions) {
        // A former instance with this channel used other numbers.
        let mut number = u64::from(fastrand::u32(..));
        loop {
            let next = Instant::now() + PROBE_INTERVAL;
            number += 1;
            let probe = tokio::select! {
                probe = self.probe(commands, number) => probe,
                // The number may have been published between two connections.
                () = self.reconnected.notified() => continue,
            };
            self.set_up(matches!(probe, Probe::Received));
            if matches!(probe, Probe::Deaf) {
                subscriptions.reconnect();
            }
            tokio::select! {
                () = sleep_until(next) => {}
                // Redis is back.
                () = self.reconnected.notified() => {}
            }
        }
    }

    /// Writes and publishes `number`, and waits until it is received.
    pub(crate) async fn probe(&self, commands: &Link, number: u64) -> Probe {
        let mut received = self.received.subscribe();
        let mut probe = scripts::PROBE.on(&[&*self.channel]);
        probe.arg(&*self.channel).arg(number).arg(KEY_LIFETIME.as_secs());
        let mut pipeline = Pipeline::new();
        pipeline.add_command(probe);
        match commands.attempt_until(Instant::now() + PUBLISH_TIMEOUT, &pipeline).await {
            Ok(answers) if !answers.iter().any(reply::is_refusal) => {}
            _ => return Probe::Mute,
        }
        // The connection for commands works: a failure from here on is that of the other connection.
        match timeout(RECEIVE_TIMEOUT, received.wait_for(|received| *received == number)).await {
            Ok(Ok(_)) => Probe::Received,
            _ => Probe::Deaf,
        }
    }

    fn set_up(&self, up: bool) {
        let was = self.up.swap(up, Ordering::Relaxed);
        self.metrics.redis_up.set(i64::from(up));
        match (was, up) {
            (true, false) => tracing::error!(
                "Redis does not answer or accepts no writes: clients stay connected, and their messages are refused for now (unavailable)"
            ),
            (false, true) => tracing::info!("Redis answers and accepts writes"),
            _ => {}
        }
    }
}
