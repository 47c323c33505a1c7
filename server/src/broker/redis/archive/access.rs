//! Access to the rooms in a Redis without a server.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::broker::redis::log::history::{EntrySize, History};
use crate::broker::redis::log::redis_clock::RedisClock;
use crate::broker::redis::log::room_index::RoomIndex;
use crate::broker::redis::transport::Transport;
use crate::broker::redis::transport::keys::Keys;
use crate::broker::redis::transport::link::Connector;
use crate::clock::Clock;
use crate::config::Retain;
use crate::metrics::Metrics;
use crate::redis_endpoint::RedisEndpoint;

/// The rooms in a Redis, without a server.
pub struct RedisArchive {
    pub(super) transport: Arc<Transport>,
    pub(super) index: RoomIndex,
    pub(super) history: History,
}

impl RedisArchive {
    /// Connects with the first request. Must be called in a tokio runtime.
    #[must_use]
    pub fn new(endpoint: &RedisEndpoint) -> Self {
        let clock = Clock::system();
        let metrics = Arc::new(Metrics::new(1, clock.now()));
        let connector = Connector::new(endpoint.client(), Handle::current(), metrics);
        let transport = Arc::new(Transport::new(connector, Keys::new(&endpoint.options().prefix), None));
        Self {
            index: RoomIndex::new(transport.clone()),
            history: History {
                transport: transport.clone(),
                clock: Arc::new(RedisClock::new(clock)),
                retain: Retain::default(),
                entry_size: EntrySize::default(),
            },
            transport,
        }
    }
}
