//! Storms: concurrent joins and leaves of thousands of rooms, while a bystander sends.
//!
//! An instance stays subscribed to a room for a while after its last member left, so a join soon after needs no new
//! subscription. Both kinds are measured: the third round waits until Redis reports no subscriptions.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::bystander::Bystander;
use crate::client::{Client, Received};
use crate::format::{float, micros_each, nanos, times};
use crate::{Failure, Setting};
use realtime_load::histogram::Histogram;
use realtime_load::process::cpu_time;
use realtime_load::program::Program;
use realtime_load::redis;

/// The prefix of the names of rooms.
const ROOMS: &str = "storm-";
/// Time in which only the bystander sends.
const CALM: Duration = Duration::from_secs(2);
/// Interval and limit of the wait for the end of subscriptions.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
const TIMEOUT: Duration = Duration::from_mins(1);

/// One instance, its Redis, and the bystander.
struct StormScene {
    // Fields drop in this order.
    bystander: Bystander,
    instance: Program,
    redis: Program,
}

/// Clients with rooms of their own.
struct Crowd(Vec<Member>);

struct Member {
    client: Client,
    rooms: Vec<String>,
}

/// The action of all clients of a crowd.
#[derive(Clone, Copy)]
enum Act {
    Join,
    Leave,
}

/// Runs the storms in `rooms` rooms: with one client in all of them, then with a client in each.
pub(crate) async fn run(setting: Setting, rooms: usize) -> Result<(), Failure> {
    let redis = setting.redis()?;
    let limit = format!("--max-rooms-per-connection={rooms}");
    let instance = setting.instance(&redis::url(&redis), &[limit]).await?;
    let bystander = Bystander::start(instance.address).await?;
    let scene = StormScene { bystander, instance, redis };

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

impl StormScene {
    async fn rounds(&self, crowd: &mut Crowd) -> Result<(), Failure> {
        self.storm("  join", crowd, Act::Join).await?;
        self.storm("  leave", crowd, Act::Leave).await?;
        self.storm("  join, subscribed", crowd, Act::Join).await?;
        self.storm("  leave", crowd, Act::Leave).await?;
        let began = Instant::now();
        self.unsubscribed().await?;
        let unsubscribed = Instant::now();
        let meanwhile = self.bystander.between(began, unsubscribed).await?;
        let took = format!("{:8.3} s", (unsubscribed - began).as_secs_f64());
        println!("{:24} {took:60} bystander {}", "  unsubscribed after", times(&meanwhile));
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

    /// Waits until no room of a storm has a subscription.
    async fn unsubscribed(&self) -> Result<(), Failure> {
        let client = ::redis::Client::open(redis::url(&self.redis))?;
        let mut redis = client.get_connection()?;
        let unsubscribed = async {
            loop {
                let channels: Vec<String> = ::redis::cmd("PUBSUB").arg("SHARDCHANNELS").query(&mut redis)?;
                if !channels.iter().any(|channel| channel.contains(ROOMS)) {
                    return Ok(());
                }
                sleep(POLL_INTERVAL).await;
            }
        };
        timeout(TIMEOUT, unsubscribed).await.map_err(|_| "rooms without members still have subscriptions")?
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

    /// Runs an action of all clients in all of their rooms. Returns the times until each answer.
    async fn act(&mut self, act: Act) -> Result<Histogram, Failure> {
        let members = self.0.drain(..).map(|member| member.act(act));
        let acting: JoinSet<Result<(Member, Vec<Duration>), Failure>> = members.collect();
        let mut answered = Histogram::new();
        let done = timeout(TIMEOUT, acting.join_all()).await.map_err(|_| "answers are missing")?;
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
        let Client { requests, frames } = &mut self.client;
        let began = Instant::now();
        let ask = async {
            match act {
                Act::Join => requests.join(&self.rooms).await,
                Act::Leave => requests.leave(&self.rooms).await,
            }
        };
        let receive = async {
            let answer = if matches!(act, Act::Join) { Received::Joined } else { Received::Left };
            let mut times = Vec::with_capacity(self.rooms.len());
            for _ in &self.rooms {
                frames.wait_for(answer).await?;
                times.push(began.elapsed());
            }
            Ok(times)
        };
        let ((), times) = tokio::try_join!(ask, receive)?;
        Ok((self, times))
    }
}
