//! Joins and leaves of thousands of rooms, all at once, while a bystander talks.
//!
//! A room that nobody of an instance is in any more is heard for a while longer, so a join that follows soon needs no
//! subscription. Both kinds are measured: the third round waits until Redis says that nothing is heard any more.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::bystander::Bystander;
use crate::client::{Client, Heard};
use crate::figures::{float, micros_each, nanos, times};
use crate::histogram::Histogram;
use crate::process::cpu_time;
use crate::redis;
use crate::started::Started;
use crate::{Failure, Setting};

/// What rooms of a storm begin with.
const ROOMS: &str = "storm-";
/// How long the bystander is listened to alone.
const CALM: Duration = Duration::from_secs(2);
/// How often Redis is asked what is heard, and for how long.
const LOOK: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_mins(1);

/// One instance, its Redis, and who is there.
struct Scene {
    // In this order, in which they end.
    bystander: Bystander,
    instance: Started,
    redis: Started,
}

/// Clients with rooms of their own.
struct Crowd(Vec<Member>);

struct Member {
    client: Client,
    rooms: Vec<String>,
}

/// What all of a crowd does at once.
#[derive(Clone, Copy)]
enum Act {
    Join,
    Leave,
}

/// With `rooms` rooms: first one client in all of them, then one client in each.
pub(crate) async fn run(setting: Setting, rooms: usize) -> Result<(), Failure> {
    let redis = setting.redis()?;
    let limit = format!("--max-rooms-per-connection={rooms}");
    let instance = setting.instance(&redis::url(&redis), &[limit]).await?;
    let bystander = Bystander::start(instance.address).await?;
    let scene = Scene { bystander, instance, redis };

    let began = Instant::now();
    sleep(CALM).await;
    let calm = scene.bystander.between(began, Instant::now()).await?;
    println!("{:24} {:60} bystander {}", "before any storm", "", times(&calm));
    for (name, clients, rooms_each) in [("one client", 1, rooms), ("a client each", rooms, 1)] {
        println!("{rooms} rooms, {name}:");
        scene.rounds(&mut Crowd::gather(scene.instance.address, clients, rooms_each).await?).await?;
    }
    Ok(())
}

impl Scene {
    async fn rounds(&self, crowd: &mut Crowd) -> Result<(), Failure> {
        self.storm("  join", crowd, Act::Join).await?;
        self.storm("  leave", crowd, Act::Leave).await?;
        self.storm("  join, still heard", crowd, Act::Join).await?;
        self.storm("  leave", crowd, Act::Leave).await?;
        let began = Instant::now();
        self.nothing_heard().await?;
        let silent = Instant::now();
        let meanwhile = self.bystander.between(began, silent).await?;
        let took = format!("{:8.3} s", (silent - began).as_secs_f64());
        println!("{:24} {took:60} bystander {}", "  nothing heard after", times(&meanwhile));
        self.storm("  join", crowd, Act::Join).await?;
        self.storm("  leave", crowd, Act::Leave).await
    }

    async fn storm(&self, name: &str, crowd: &mut Crowd, act: Act) -> Result<(), Failure> {
        let cpu = || [&self.instance, &self.redis].map(|process| cpu_time(process.pid()));
        let [server_before, redis_before] = cpu();
        let began = Instant::now();
        let answered = crowd.act(act).await?;
        let all_answered = Instant::now();
        let [server_after, redis_after] = cpu();
        let meanwhile = self.bystander.between(began, all_answered).await?;

        let seconds = (all_answered - began).as_secs_f64();
        let count = answered.total();
        let each_second = float(count) / seconds;
        println!(
            "{name:24} {seconds:8.3} s {each_second:>7.0}/s   {}   CPU us each: server {}, redis {}   bystander {}",
            times(&answered),
            micros_each(server_before, server_after, count),
            micros_each(redis_before, redis_after, count),
            times(&meanwhile),
        );
        Ok(())
    }

    /// Waits until nobody hears a room of a storm.
    async fn nothing_heard(&self) -> Result<(), Failure> {
        let client = ::redis::Client::open(redis::url(&self.redis))?;
        let mut redis = client.get_connection()?;
        let silence = async {
            loop {
                let heard: Vec<String> = ::redis::cmd("PUBSUB").arg("SHARDCHANNELS").query(&mut redis)?;
                if !heard.iter().any(|channel| channel.contains(ROOMS)) {
                    return Ok(());
                }
                sleep(LOOK).await;
            }
        };
        timeout(PATIENCE, silence).await.map_err(|_| "rooms that nobody is in are still heard")?
    }
}

impl Crowd {
    async fn gather(address: SocketAddr, clients: usize, rooms_each: usize) -> Result<Self, Failure> {
        let mut members = Vec::with_capacity(clients);
        for number in 0..clients {
            let client = Client::connect(address, &format!("member-{number}")).await?;
            let rooms = number * rooms_each..(number + 1) * rooms_each;
            let rooms = rooms.map(|room| format!("{ROOMS}{clients}-{room:05}")).collect();
            members.push(Member { client, rooms });
        }
        Ok(Self(members))
    }

    /// Has all do it, each in all of its rooms, and returns how long each answer took.
    async fn act(&mut self, act: Act) -> Result<Histogram, Failure> {
        let members = self.0.drain(..).map(|member| member.act(act));
        let acting: JoinSet<Result<(Member, Vec<Duration>), Failure>> = members.collect();
        let mut answered = Histogram::new();
        let done = timeout(PATIENCE, acting.join_all()).await.map_err(|_| "answers that never come")?;
        for member in done {
            let (member, times) = member?;
            times.into_iter().map(nanos).for_each(|time| answered.record(time));
            self.0.push(member);
        }
        Ok(answered)
    }
}

impl Member {
    async fn act(mut self, act: Act) -> Result<(Self, Vec<Duration>), Failure> {
        let Client { asks, hears } = &mut self.client;
        let began = Instant::now();
        let ask = async {
            match act {
                Act::Join => asks.join(&self.rooms).await,
                Act::Leave => asks.leave(&self.rooms).await,
            }
        };
        let hear = async {
            let answer = if matches!(act, Act::Join) { Heard::Joined } else { Heard::Left };
            let mut times = Vec::with_capacity(self.rooms.len());
            for _ in &self.rooms {
                hears.wait_for(answer).await?;
                times.push(began.elapsed());
            }
            Ok(times)
        };
        let ((), times) = tokio::try_join!(ask, hear)?;
        Ok((self, times))
    }
}
