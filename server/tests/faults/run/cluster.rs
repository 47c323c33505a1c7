//! What servers share: a Redis, and the way of each of them to it.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;

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

    /// Ends Redis as a crash would. Nothing else of the run stands still meanwhile.
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

    /// How much Redis has written of what it took.
    pub(crate) fn written(&self) -> u64 {
        fs::metadata(self.log()).expect("it is there").len()
    }

    /// While Redis is dead: takes from its file all that it has written since, but for a rest that was half-way.
    pub(crate) fn cut(&self, written: u64) {
        const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";
        let bytes = fs::read(self.log()).expect("it is there");
        let from = usize::try_from(written).expect("a small file");
        let next = bytes[from..].windows(EXEC.len()).position(|window| window == EXEC);
        let end = from + next.expect("more was written") + EXEC.len();
        let file = OpenOptions::new().write(true).open(self.log()).expect("it is there");
        file.set_len(end as u64).expect("cut");
    }

    /// The part of its append-only file to which Redis adds.
    fn log(&self) -> PathBuf {
        let files = fs::read_dir(self.redis.dir().join("appendonlydir")).expect("it is there");
        let mut paths = files.map(|file| file.expect("a file").path());
        paths.find(|path| path.to_string_lossy().ends_with(".incr.aof")).expect("one")
    }
}
