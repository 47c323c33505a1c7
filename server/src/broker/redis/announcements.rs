//! The receiver of all pushed messages: it lists the channels, and routes payloads by channel.

use std::sync::Arc;

use super::broadcasts::Broadcasts;
use super::comparison::Comparison;
use super::log::Logs;
use super::relay_channel::RelayChannel;
use super::spending_channel::SpendingChannel;
use super::transport::Transport;
use super::transport::subscriptions::{Receiver, Subscription};

/// Routes announcements to their owners.
pub(crate) struct Announcements {
    pub(crate) transport: Arc<Transport>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) broadcasts: Arc<Broadcasts>,
    pub(crate) spending: Arc<SpendingChannel>,
    pub(crate) comparison: Arc<Comparison>,
    pub(crate) relay: Option<Arc<RelayChannel>>,
}

impl Receiver for Announcements {
    fn channels(&self) -> Vec<Arc<str>> {
        let mut channels = self.logs.replicas.channels();
        let others = [
            self.broadcasts.channel(),
            self.spending.channel(),
            self.logs.changes.channel(),
            self.transport.health.channel(),
        ];
        channels.extend(others.map(Arc::clone));
        channels
    }

    fn plain_channel(&self) -> Option<Arc<str>> {
        self.relay.as_ref().map(|relay| relay.channel().clone())
    }

    fn on_announcement(&self, channel: &str, payload: &str) {
        if *channel == **self.transport.health.channel() {
            self.transport.health.receive(payload);
        } else if *channel == **self.broadcasts.channel() {
            self.broadcasts.receive(payload);
        } else if *channel == **self.spending.channel() {
            self.spending.receive(payload);
        } else if *channel == **self.logs.changes.channel() {
            self.logs.changes.receive(payload);
        } else {
            self.logs.on_announcement(channel, payload);
        }
    }

    fn on_plain(&self, payload: &str, subscription: Subscription) {
        if let Some(relay) = &self.relay {
            relay.receive(payload, subscription);
        }
    }

    fn on_reconnect(&self) {
        self.transport.health.on_reconnect();
        let comparison = self.comparison.clone();
        self.transport.runtime.spawn(async move { comparison.compare_all().await });
    }
}
