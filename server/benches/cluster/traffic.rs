//! What an instance gets from Redis: with nobody there, with talk in rooms of another instance, and in its own.
//!
//! Each instance has its Redis behind a proxy that counts. What comes whether somebody talks or not, beats and probes, is
//! what the first line shows.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::client::{Client, Heard};
use crate::figures::float;
use crate::proxy::Proxy;
use crate::{Failure, Setting};

const ROOMS: usize = 100;
const TEXT: &str = "64 bytes, as a line of talk may well have: the quick brown fox j";
/// Before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);

/// Two instances, and the proxies before their Redis.
struct Pair {
    addresses: [SocketAddr; 2],
    proxies: [Proxy; 2],
    /// Messages that have come back to their senders.
    messages: Arc<AtomicU64>,
    /// Whoever talks and listens. None of them ends by itself.
    people: JoinSet<Result<(), Failure>>,
}

pub(crate) async fn run(setting: Setting, counted: Duration) -> Result<(), Failure> {
    let redis = setting.redis()?;
    let proxies = [Proxy::start(redis.address).await?, Proxy::start(redis.address).await?];
    let a = setting.instance(proxies[0].url(), &[]).await?;
    let b = setting.instance(proxies[1].url(), &[]).await?;
    let mut pair =
        Pair { addresses: [a.address, b.address], proxies, messages: Arc::default(), people: JoinSet::new() };

    println!("From Redis to instances A and B, in {} s each:", counted.as_secs());
    pair.count("nobody there", counted).await?;
    pair.listen_at(0).await?;
    pair.talk_at(0).await?;
    pair.count("100 rooms, members on A", counted).await?;
    pair.listen_at(1).await?;
    pair.count("100 rooms, members on both", counted).await
}

impl Pair {
    /// In each room somebody who says the next thing when the last one came back.
    async fn talk_at(&mut self, instance: usize) -> Result<(), Failure> {
        for number in 0..ROOMS {
            let room = room(number);
            let user = format!("talker-{number}");
            let mut client = Client::connect(self.addresses[instance], &user).await?;
            client.join(&room).await?;
            let messages = Arc::clone(&self.messages);
            self.people.spawn(async move {
                loop {
                    client.asks.say(&room, TEXT).await?;
                    client.hears.wait_for(Heard::Said).await?;
                    messages.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Ok(())
    }

    /// In each room somebody who listens.
    async fn listen_at(&mut self, instance: usize) -> Result<(), Failure> {
        for number in 0..ROOMS {
            let user = format!("listener-{instance}-{number}");
            let mut client = Client::connect(self.addresses[instance], &user).await?;
            client.join(&room(number)).await?;
            self.people.spawn(client.hears.listen());
        }
        Ok(())
    }

    async fn count(&mut self, what: &str, counted: Duration) -> Result<(), Failure> {
        sleep(WARM_UP).await;
        let began = Instant::now();
        let before = self.so_far();
        sleep(counted).await;
        let after = self.so_far();
        let elapsed = began.elapsed();
        if let Some(ended) = self.people.try_join_next() {
            ended??;
        }
        let [messages, a, b] = [0, 1, 2].map(|figure| after[figure] - before[figure]);
        let per_second = |count: u64| float(count) / elapsed.as_secs_f64();
        print!("{what:28} {:>8.0} messages/s", per_second(messages));
        for (name, bytes) in [("A", a), ("B", b)] {
            print!("   {name} {:>9.0} B/s", per_second(bytes));
            if messages > 0 {
                print!(", {:>8.3} B a message", float(bytes) / float(messages));
            }
        }
        println!();
        Ok(())
    }

    /// Messages, and bytes to each instance.
    fn so_far(&self) -> [u64; 3] {
        let [a, b] = &self.proxies;
        [self.messages.load(Ordering::Relaxed), a.brought(), b.brought()]
    }
}

fn room(number: usize) -> String {
    format!("talk-{number:03}")
}
