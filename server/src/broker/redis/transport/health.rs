//! The probe of Redis: this instance writes a number, publishes it, and must receive it.
//!
//! A Redis that answers may refuse writes: its memory or disk is full, or it is a replica. An open socket proves nothing:
//! a firewall may have dropped the connection hours ago. If a published number is not received, the connection for
//! announcements is replaced. The probe also looks at the keys that every new connection and every join needs: a key of
//! another type stops them. After a refusal that concerns more than one key, it tries everything that the engine needs.
//!
//! The log has a line when Redis becomes unavailable, when the reason changes, and when Redis is back.

use std::sync::Arc;
use std::time::Duration;

use ::redis::{Pipeline, Value};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::instance::InstanceName;
use super::keys::Keys;
use super::link::{Broken, Connector, Link};
use super::scripts;
use super::subscriptions::Subscriptions;
use crate::redis_endpoint::fault::refusal_text;

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
    /// Reason why Redis cannot be used; empty before the first probe, `None` while it can be used.
    fault: Mutex<Option<Arc<str>>>,
    received: watch::Sender<u64>,
    /// Notified when the connection for announcements was replaced.
    reconnected: Notify,
    /// The channel of the probe, and its key.
    channel: Arc<str>,
    relay_channel: Option<Arc<str>>,
    connector: Connector,
}

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probe {
    Received,
    /// The number was published, and not received.
    Deaf,
    /// The number was not published, for this reason: Redis is unavailable or refuses a command.
    Mute(String),
}

impl Health {
    pub(crate) fn new(channel: Arc<str>, relay_channel: Option<Arc<str>>, connector: Connector) -> Self {
        Self {
            fault: Mutex::new(Some("".into())),
            received: watch::Sender::new(0),
            reconnected: Notify::new(),
            channel,
            relay_channel,
            connector,
        }
    }

    /// The reason why Redis cannot be used, which is empty before the first probe; `None` if the last probe was received.
    pub(crate) fn fault(&self) -> Option<Arc<str>> {
        self.fault.lock().clone()
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
    pub(crate) async fn run(
        &self,
        commands: &Link,
        subscriptions: &Subscriptions,
        keys: &Keys,
        instance: &InstanceName,
    ) {
        // A former instance with this channel used other numbers.
        let mut number = u64::from(fastrand::u32(..));
        loop {
            let next = Instant::now() + PROBE_INTERVAL;
            number += 1;
            let name = instance.get();
            let probe = tokio::select! {
                probe = self.probe(commands, keys, &name, number) => probe,
                // The number may have been published between two connections.
                () = self.reconnected.notified() => continue,
            };
            let fault = match probe {
                Probe::Received => self.recheck(keys).await.err(),
                // The trial names what is missing.
                Probe::Mute(fault) => Some(self.recheck(keys).await.err().unwrap_or(fault)),
                Probe::Deaf => {
                    let fault = subscriptions.fault();
                    subscriptions.reconnect();
                    Some(fault.unwrap_or_else(|| "it does not announce".to_owned()))
                }
            };
            self.set_fault(fault);
            tokio::select! {
                () = sleep_until(next) => {}
                // Redis is back.
                () = self.reconnected.notified() => {}
            }
        }
    }

    /// Writes and publishes `number`, and waits until it is received.
    pub(crate) async fn probe(&self, commands: &Link, keys: &Keys, instance: &str, number: u64) -> Probe {
        let mut received = self.received.subscribe();
        let mut probe =
            scripts::PROBE.on(&[&*self.channel, &keys.beats(), &keys.online(), &keys.rooms_at(instance)]);
        probe.arg(&*self.channel).arg(number).arg(KEY_LIFETIME.as_secs()).arg(keys.online_prefix());
        let mut pipeline = Pipeline::new();
        pipeline.add_command(probe);
        // Every join adds its room to this set.
        pipeline.cmd("SCARD").arg(keys.rooms());
        match commands.attempt_until(Instant::now() + PUBLISH_TIMEOUT, &pipeline).await {
            Ok(answers) => match &*answers {
                [Value::ServerError(error), ..] => return Probe::Mute(refusal_text(error)),
                [_, Value::ServerError(error)] => {
                    return Probe::Mute(format!("{} ({})", refusal_text(error), keys.rooms()));
                }
                _ => {}
            },
            Err(Broken(fault)) => return Probe::Mute(fault),
        }
        // The connection for commands works: a failure from here on is that of the other connection.
        match timeout(RECEIVE_TIMEOUT, received.wait_for(|received| *received == number)).await {
            Ok(Ok(_)) => Probe::Received,
            _ => Probe::Deaf,
        }
    }

    /// Tries everything that the engine needs, if a refusal makes it doubtful. The error is the reason why Redis cannot
    /// be used; then the next probe tries again.
    async fn recheck(&self, keys: &Keys) -> Result<(), String> {
        if !self.connector.take_suspicion() {
            return Ok(());
        }
        let checked = self.connector.recheck(keys.prefix(), self.relay_channel.as_deref()).await;
        checked.inspect_err(|_| self.connector.suspect())
    }

    fn set_fault(&self, fault: Option<String>) {
        let fault: Option<Arc<str>> = fault.map(Into::into);
        let was = std::mem::replace(&mut *self.fault.lock(), fault.clone());
        self.connector.metrics.redis_up.set(i64::from(fault.is_none()));
        match (was, fault) {
            (Some(_), None) => tracing::info!("Redis answers and accepts writes"),
            (None, Some(error)) => tracing::error!(
                %error,
                "Redis does not answer or accepts no writes: clients stay connected, and their messages are refused for now (unavailable)"
            ),
            (Some(was), Some(error)) if *was != *error && self.connector.is_log_due(&error) => {
                tracing::error!(%error, "Redis is still unavailable");
            }
            _ => {}
        }
    }
}
