//! A connection that is open and does nothing any more, while the others work.

use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::select;

use super::*;

/// Stands between an instance and its Redis. Ends with the test.
struct Between {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Arc<Passed>>>>,
}

/// A connection that is passed on.
#[derive(Default)]
struct Passed {
    /// The name that its client gave it.
    name: OnceLock<String>,
    stalled: AtomicBool,
}

impl Between {
    async fn to(redis: &Redis) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::<Mutex<Vec<Arc<Passed>>>>::default();
        let (all, to) = (connections.clone(), redis.port());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let passed = Arc::<Passed>::default();
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

    /// The connections of that name, the oldest one first.
    fn named(&self, name: &str) -> Vec<Arc<Passed>> {
        let connections = self.connections.lock();
        connections.iter().filter(|passed| passed.name.get().is_some_and(|is| is == name)).cloned().collect()
    }
}

impl Passed {
    /// Passes on what both say, until one of them ends; nothing any more once it is stalled.
    async fn pass(&self, mut client: TcpStream, mut server: TcpStream) {
        let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        loop {
            let (read, to, bytes) = select! {
                read = client.read(&mut asked) => (read, &mut server, &asked),
                read = server.read(&mut answered) => (read, &mut client, &answered),
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

/// It is made anew, and the one that hears is left alone: nothing is wrong with it.
#[tokio::test]
async fn a_connection_for_commands_that_answers_no_more_is_made_anew() {
    let redis = Redis::start();
    let between = Between::to(&redis).await;
    let one = Subject::new(|feed| {
        let url = format!("redis://{}", between.address);
        let (broker, engine) = redis_at(&url, feed, Retain::default());
        (broker, Box::new(engine))
    });
    eventually("it is ready", async || one.broker.is_ready()).await;
    let [asks] = &*between.named("realtime-asks") else { panic!("one for commands") };
    asks.stalled.store(true, Ordering::Relaxed);
    eventually("it is made anew", async || between.named("realtime-asks").len() == 2).await;
    eventually("it is ready", async || one.broker.is_ready()).await;
    assert_eq!(between.named("realtime-subscriber").len(), 1);
}
