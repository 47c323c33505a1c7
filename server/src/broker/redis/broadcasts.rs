//! Broadcasts: frames for connections of all instances, whatever rooms they are in.

use std::sync::Arc;

use ::redis::Pipeline;

use super::feed::FeedSlot;
use super::transport::{Transport, wire};
use crate::broker::Recipients;

/// The channel of broadcasts.
pub(crate) struct Broadcasts {
    transport: Arc<Transport>,
    feed: Arc<FeedSlot>,
    channel: Arc<str>,
}

impl Broadcasts {
    pub(crate) fn new(transport: Arc<Transport>, feed: Arc<FeedSlot>) -> Self {
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
