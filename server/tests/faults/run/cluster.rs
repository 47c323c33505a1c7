//! A shared Redis, and a proxy to it for each server.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::proxy::{Flow, Proxy};
use crate::redis::Redis;
use crate::server::Site;

/// Name that a server sets on its subscription connection, and the mark of that connection for the proxy.
const SUBSCRIBER: &[u8] = b"realtime-subscriber";

pub(crate) struct Cluster {
    redis: Redis,
    /// One proxy per server.
    links: Vec<Proxy>,
}

impl Cluster {
    /// Creates a proxy to Redis for each server.
    pub(crate) async fn start(redis: Redis, servers: usize) -> Self {
        let address: SocketAddr = ([127, 0, 0, 1], redis.port()).into();
        let mut links = Vec::with_capacity(servers);
        for _ in 0..servers {
            links.push(Proxy::marking(address, Some(SUBSCRIBER)).await);
        }
        Self { redis, links }
    }

    /// Adds the address of the server's proxy to a site.
    pub(crate) fn route(&self, server: usize, site: Site) -> Site {
        site.flag(&format!("--redis-url=redis://{}", self.links[server].address()))
    }

    /// Kills Redis. The rest of the run continues meanwhile.
    pub(crate) fn kill(&mut self) {
        tokio::task::block_in_place(|| self.redis.kill());
    }

    /// Restarts Redis.
    pub(crate) fn restart(&mut self) {
        tokio::task::block_in_place(|| self.redis.restart());
    }

    /// Suspends or resumes the Redis process.
    pub(crate) fn pause(&self, paused: bool) {
        if paused { self.redis.stop() } else { self.redis.cont() }
    }

    /// Sets the flow of a server's subscription connection.
    pub(crate) fn set_subscription_flow(&self, server: usize, how: Flow) {
        self.links[server].set_marked_flow(how);
    }

    /// Bytes in the append-only file of Redis.
    pub(crate) fn written(&self) -> u64 {
        fs::metadata(self.log()).expect("an append-only file").len()
    }

    /// Cuts the append-only file, while Redis is dead, to the first whole transaction that ends after `written` bytes.
    pub(crate) fn cut(&self, written: u64) {
        const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
        let bytes = fs::read(self.log()).expect("an append-only file");
        let from = usize::try_from(written).expect("a small file");
        let next = bytes[from..].windows(EXEC.len()).position(|window| window == EXEC);
        let end = from + next.expect("more was written") + EXEC.len();
        let file = OpenOptions::new().write(true).open(self.log()).expect("an append-only file");
        file.set_len(end as u64).expect("cut");
    }

    /// The part of the append-only file that Redis appends to.
    fn log(&self) -> PathBuf {
        let files = fs::read_dir(self.redis.dir().join("appendonlydir")).expect("an append-only file");
        let mut paths = files.map(|file| file.expect("a file").path());
        paths.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("one")
    }
}
