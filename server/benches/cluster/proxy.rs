//! A proxy between an instance and its Redis that counts the bytes from Redis.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::Failure;

const BUFFER_BYTES: usize = 64 * 1024;

/// A proxy on a port of its own. It and its connections end on drop.
pub(crate) struct Proxy {
    url: String,
    carried: Arc<AtomicU64>,
    /// The accepting task, which owns the tasks of the connections.
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(redis: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("redis://{}", listener.local_addr()?);
        let carried = Arc::new(AtomicU64::new(0));
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, redis, Arc::clone(&carried)));
        Ok(Self { url, carried, _accepting: accepting })
    }

    /// The URL for the instance.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes from Redis so far, on all connections, without the headers of TCP.
    pub(crate) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }
}

async fn accept(listener: TcpListener, redis: SocketAddr, carried: Arc<AtomicU64>) {
    let mut connections = JoinSet::new();
    while let Ok((instance, _)) = listener.accept().await {
        let carried = Arc::clone(&carried);
        connections.spawn(async move {
            // An error ends the connection, which is all that a proxy can pass on.
            let _ = carry(instance, redis, &carried).await;
        });
    }
}

async fn carry(mut instance: TcpStream, redis: SocketAddr, carried: &AtomicU64) -> std::io::Result<()> {
    let mut redis = TcpStream::connect(redis).await?;
    instance.set_nodelay(true)?;
    redis.set_nodelay(true)?;
    let (mut from_instance, mut to_instance) = instance.split();
    let (mut from_redis, mut to_redis) = redis.split();
    let count = async {
        let mut bytes = vec![0; BUFFER_BYTES];
        loop {
            let read = from_redis.read(&mut bytes).await?;
            if read == 0 {
                return to_instance.shutdown().await;
            }
            carried.fetch_add(read as u64, Ordering::Relaxed);
            to_instance.write_all(&bytes[..read]).await?;
        }
    };
    let pass = async {
        tokio::io::copy(&mut from_instance, &mut to_redis).await?;
        to_redis.shutdown().await
    };
    tokio::try_join!(count, pass).map(drop)
}
