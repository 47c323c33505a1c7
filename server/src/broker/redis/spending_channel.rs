//! The channel on which instances exchange what users have spent of their budgets.

use std::sync::Arc;

use ::redis::Pipeline;
use realtime_shared::UserId;

use super::transport::instance::unused_name;
use super::transport::{Transport, wire};
use crate::broker::feed_slot::FeedSlot;
use crate::budget::Spending;

/// Users of one publication.
const USERS: usize = 1_000;

/// The channel, and the name by which this instance recognizes its own publications.
pub(crate) struct SpendingChannel {
    transport: Arc<Transport>,
    feed: FeedSlot,
    channel: Arc<str>,
    /// Not the name of the instance, which may change while a publication is under way.
    sender: Arc<str>,
}

impl SpendingChannel {
    pub(crate) fn new(transport: Arc<Transport>, feed: FeedSlot) -> Self {
        let channel = transport.keys.spending().into();
        Self { transport, feed, channel, sender: unused_name() }
    }

    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Publishes to all instances.
    pub(crate) fn publish(&self, spending: &[(UserId, Spending)]) {
        let mut publishing = Pipeline::new();
        for users in spending.chunks(USERS) {
            publishing.cmd("SPUBLISH").arg(&*self.channel).arg(wire::spending(&self.sender, users));
        }
        self.transport.send_in_background(publishing);
    }

    /// Takes what another instance has published.
    pub(crate) fn receive(&self, payload: &str) {
        let Some(feed) = self.feed.get() else { return };
        let Some((sender, spending)) = wire::parse_spending(payload) else { return };
        if *sender != *self.sender {
            for (user, spending) in spending {
                feed.spent(&user, &spending);
            }
        }
    }
}
