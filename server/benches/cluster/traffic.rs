//! Bytes that an instance receives from Redis: idle, with traffic in rooms of another instance, and in its own.
//!
//! Each instance reaches Redis through a proxy that counts. The first line shows the idle traffic: heartbeats and probes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Received};
use crate::format::float;
use crate::proxy::Proxy;
use crate::{Failure, Setting};

const ROOMS: usize = 100;
const TEXT: &str = "64 bytes, the length of a line in a chat: the quick brown fox jum";
/// Time between a change of the load and the start of a count.
const WARM_UP: Duration = Duration::from_secs(1);

/// Two instances and their proxies.
struct Pair {
    addresses: [SocketAddr; 2],
    proxies: [Proxy; 2],
    /// Messages whose senders have received their own copy.
    messages: Arc<AtomicU64>,
    /// Tasks of the clients. None of them ends by itself.
    clients: JoinSet<Result<(), Failure>>,
}

pub(crate) async fn run(setting: Setting, counted: Duration) -> Result<(), Failure> {
    let redis = setting.redis()?;
    let proxies = [Proxy::start(redis.address).await?, Proxy::start(redis.address).await?];
    let a = setting.instance(proxies[0].url(), &[]).await?;
    let b = setting.instance(proxies[1].url(), &[]).await?;
    let mut pair = Pair {
        addresses: [a.address, b.address],
        proxies,
        messages: Arc::default(),
        clients: JoinSet::new(),
    };

    println!("From Redis to instances A and B, in {} s each:", counted.as_secs());
    pair.count("no members", counted).await?;
    pair.receive_at(0).await?;
    pair.send_at(0).await?;
    pair.count("100 rooms, members on A", counted).await?;
    pair.receive_at(1).await?;
    pair.count("100 rooms, members on both", counted).await
}

impl Pair {
    /// Adds a client to each room that sends the next message when it has received the last one.
    async fn send_at(&mut self, instance: usize) -> Result<(), Failure> {
        for number in 0..ROOMS {
            let room = room(number);
            let user = format!("sender-{number}");
            let mut client = Client::connect(self.addresses[instance], &user).await?;
            client.join(&room).await?;
            let messages = Arc::clone(&self.messages);
            self.clients.spawn(async move {
                loop {
                    client.requests.send(&room, TEXT).await?;
                    client.frames.wait_for(Received::OwnMessage).await?;
                    messages.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Ok(())
    }

    /// Adds a client to each room that only receives.
    async fn receive_at(&mut self, instance: usize) -> Result<(), Failure> {
        for number in 0..ROOMS {
            let user = format!("reader-{instance}-{number}");
            let mut client = Client::connect(self.addresses[instance], &user).await?;
            client.join(&room(number)).await?;
            self.clients.spawn(client.frames.receive_all());
        }
        Ok(())
    }

    async fn count(&mut self, name: &str, counted: Duration) -> Result<(), Failure> {
        sleep(WARM_UP).await;
        let began = Instant::now();
        let before = self.totals();
        sleep(counted).await;
        let after = self.totals();
        let elapsed = began.elapsed();
        if let Some(ended) = self.clients.try_join_next() {
            ended??;
        }
        let [messages, a, b] = [0, 1, 2].map(|figure| after[figure] - before[figure]);
        let per_second = |count: u64| float(count) / elapsed.as_secs_f64();
        print!("{name:28} {:>8.0} messages/s", per_second(messages));
        for (instance, bytes) in [("A", a), ("B", b)] {
            print!("   {instance} {:>9.0} B/s", per_second(bytes));
            if messages > 0 {
                print!(", {:>8.3} B a message", float(bytes) / float(messages));
            }
        }
        println!();
        Ok(())
    }

    /// Messages, and bytes to each instance.
    fn totals(&self) -> [u64; 3] {
        let [a, b] = &self.proxies;
        [self.messages.load(Ordering::Relaxed), a.carried(), b.carried()]
    }
}

fn room(number: usize) -> String {
    format!("talk-{number:03}")
}
