//! Broadcasts: frames for connections of all instances, independent of rooms.

use std::sync::Arc;

use ::redis::Pipeline;

use super::transport::{Transport, wire};
use crate::broker::Recipients;
use crate::broker::feed_slot::FeedSlot;

/// The channel of broadcasts.
pub(crate) struct Broadcasts {
    transport: Arc<Transport>,
    feed: FeedSlot,
    channel: Arc<str>,
}

impl Broadcasts {
    pub(crate) fn new(transport: Arc<Transport>, feed: FeedSlot) -> Self {
        let channel = transport.keys.broadcasts().into();
        Self { transport, feed, channel }
    }

    pub(crate) fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Publishes a frame to all instances.
    pub(crate) fn send(&self, to: &Recipients, json: &str) {
        let mut publishing = Pipeline::new();
        publishing.cmd("SPUBLISH").arg(&*self.channel).arg(wire::broadcast(to, json));
        self.transport.send_in_background(publishing);
    }

    /// Takes a frame from the channel.
    pub(crate) fn receive(&self, payload: &str) {
        if let (Some((to, json)), Some(feed)) = (wire::parse_broadcast(payload), self.feed.get()) {
            feed.broadcast(&to, &json.into());
        }
    }
}
