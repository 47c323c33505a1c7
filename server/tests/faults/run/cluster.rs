//! What servers share: a Redis, and the way of each of them to it.

use std::net::SocketAddr;
use std::path::Path;

use crate::proxy::{Flow, Proxy};
use crate::redis::Redis;
use crate::server::Site;

/// What a server says on its connection for announcements when that begins.
const SUBSCRIBER: &[u8] = b"realtime-subscriber";

pub(crate) struct Cluster {
    redis: Redis,
    /// For each server its way to Redis.
    links: Vec<Proxy>,
}

impl Cluster {
    /// A way to that Redis for each of so many servers.
    pub(crate) async fn start(redis: Redis, servers: usize) -> Self {
        let address: SocketAddr = ([127, 0, 0, 1], redis.port()).into();
        let mut links = Vec::with_capacity(servers);
        for _ in 0..servers {
            links.push(Proxy::marking(address, Some(SUBSCRIBER)).await);
        }
        Self { redis, links }
    }

    /// Leads a site's servers to Redis, on the way of that server.
    pub(crate) fn lead(&self, server: usize, site: Site) -> Site {
        site.flag(&format!("--redis-url=redis://{}", self.links[server].address()))
    }

    /// Ends Redis as a crash would, and starts it again. Nothing else of the run stands still meanwhile.
    pub(crate) fn crash(&mut self) {
        self.kill();
        self.restart();
    }

    /// Ends Redis as a crash would.
    pub(crate) fn kill(&mut self) {
        tokio::task::block_in_place(|| self.redis.kill());
    }

    /// Starts it again.
    pub(crate) fn restart(&mut self) {
        tokio::task::block_in_place(|| self.redis.restart());
    }

    /// Stops Redis from doing anything, or lets it go on.
    pub(crate) fn pause(&self, paused: bool) {
        if paused { self.redis.stop() } else { self.redis.cont() }
    }

    /// Does something to the connection for announcements of a server.
    pub(crate) fn set_subscriber(&self, server: usize, how: Flow) {
        self.links[server].set_marked(how);
    }

    /// Where Redis has its files.
    pub(crate) fn dir(&self) -> &Path {
        self.redis.dir()
    }
}
