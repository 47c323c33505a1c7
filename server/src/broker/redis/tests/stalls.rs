//! Stalled connections: open, but without any transfer, while the others work.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;

use tokio::runtime::Handle;

use super::*;
use crate::broker::contract::metrics;
use crate::broker::redis::transport::health::{Health, Probe};

/// A proxy between an instance and its Redis. Ends with the test.
struct StallProxy {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<ProxiedConnection>>>>,
}

/// A connection through the proxy.
#[derive(Default)]
struct ProxiedConnection {
    /// The client name that the engine has set.
    name: OnceLock<String>,
    stalled: AtomicBool,
}

impl StallProxy {
    async fn start(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::<Mutex<Vec<Arc<ProxiedConnection>>>>::default();
        let (all, to) = (connections.clone(), redis.port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let passed = Arc::<ProxiedConnection>::default();
                all.lock().push(passed.clone());
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await {
                        passed.pass(client, server).await;
                    }
                });
            }
        });
        Self { address, connections }
    }

    /// The connections of this client name, oldest first.
    fn named(&self, name: &str) -> Vec<Arc<ProxiedConnection>> {
        let connections = self.connections.lock();
        connections.iter().filter(|passed| passed.name.get().is_some_and(|is| is == name)).cloned().collect()
    }
}

impl ProxiedConnection {
    /// Passes bytes in both directions until one side ends. A stalled connection drops them.
    async fn pass(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut requests, mut replies) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            let (read, to, bytes) = select! {
                read = client.read(&mut requests) => (read, &mut server, &requests),
                read = server.read(&mut replies) => (read, &mut client, &replies),
            };
            let Ok(read @ 1..) = read else { return };
            if let Some((_, name)) = String::from_utf8_lossy(&bytes[..read]).split_once("SETNAME\r\n") {
                let name = name.lines().nth(1).expect("a name behind its length");
                let _ = self.name.set(name.to_owned());
            }
            if !self.stalled.load(Ordering::Relaxed) && to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }
}

/// Under load the first attempts to connect may time out, so there may be several connections of this name.
#[tokio::test]
async fn a_connection_for_commands_that_does_not_answer_is_replaced() {
    let redis = Redis::start();
    let between = StallProxy::start(&redis).await;
    let one = EngineFixture::new(|feed| {
        let url = format!("redis://{}", between.address);
        let (broker, engine) = redis_at(&url, feed, Retain::default(), RoomLimits::none());
        (broker, Box::new(engine))
    });
    eventually("the instance is ready", async || one.broker.readiness().is_ok()).await;
    let stalled = between.named("realtime-asks");
    for connection in &stalled {
        connection.stalled.store(true, Ordering::Relaxed);
    }
    eventually("the connection is replaced", async || between.named("realtime-asks").len() > stalled.len())
        .await;
    eventually("the instance is ready", async || one.broker.readiness().is_ok()).await;
}

fn connector(port: u16) -> Connector {
    let client = target(&format!("redis://127.0.0.1:{port}")).client;
    Connector::new(client, Handle::current(), metrics())
}

/// The connection for announcements is replaced only if Redis has answered on the other one.
#[tokio::test]
async fn a_probe_blames_the_connection_that_does_not_work() {
    let keys = Keys::new("realtime");
    let health = |port| Health::new("probe".into(), None, connector(port));
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let mute = health(port).probe(&connector(port).link("asks"), &keys, "one", 1).await;
    assert_eq!(mute, Probe::Mute("no connection in time".to_owned()));
    // The channel has no subscriber.
    let redis = Redis::start_with(&[]);
    let (health, link) = (health(redis.port()), connector(redis.port()).link("asks"));
    eventually("Redis answers", async || health.probe(&link, &keys, "one", 2).await == Probe::Deaf).await;
}
