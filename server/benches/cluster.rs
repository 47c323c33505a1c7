//! What instances on one Redis cost beside deliveries, which are `load`'s: traffic for rooms of others, and storms of
//! joins.
//!
//! ```text
//! traffic:  senders ─▶ A ─▶ proxy ─▶ Redis ─▶ proxy ─▶ B      bytes that each proxy brought, by messages
//! storm:    joins and leaves, all at once ─▶ A ─▶ Redis       until each is answered; a bystander goes on talking
//! ```
//!
//! Everything is asked of real processes from outside. Nothing is judged: the figures are for who reads them. A scene
//! is a file in `cluster/`.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use ours::Rooms;
use redis::Aof;
use started::{HTTP, Started};

#[path = "cluster/bystander.rs"]
mod bystander;
#[path = "cluster/client.rs"]
mod client;
#[path = "cluster/figures.rs"]
mod figures;
#[path = "load/histogram.rs"]
mod histogram;
#[path = "load/ours.rs"]
#[expect(dead_code, reason = "the load has rooms elsewhere, too")]
mod ours;
#[path = "load/process.rs"]
#[expect(dead_code, reason = "the load uses more of it")]
mod process;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "load/redis.rs"]
mod redis;
#[path = "load/started.rs"]
mod started;
#[path = "cluster/storm.rs"]
mod storm;
#[path = "load/tokens.rs"]
#[expect(dead_code, reason = "the load may be given a token")]
mod tokens;
#[path = "cluster/traffic.rs"]
mod traffic;

/// Where processes are pinned to, if they can be.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
const SECRET: &str = "the cluster benchmark's own servers only";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measure what instances on one Redis cost each other, and how they take storms of joins.
#[derive(Parser)]
#[command(name = "cluster", bin_name = "cargo bench --bench cluster --")]
struct Options {
    /// A scene to run (repeatable). Without: all
    #[arg(long = "scene", value_enum, value_name = "NAME")]
    scenes: Vec<Scene>,

    /// When Redis has its log on the disk (of TMPDIR)
    #[arg(long, value_enum, value_name = "AOF", default_value = "always")]
    redis: Aof,

    /// Rooms of a storm
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    rooms: u16,

    /// Seconds over which traffic is counted
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..))]
    seconds: u8,

    /// Pin nothing. Otherwise servers and Redis have core 0, the load core 1
    #[arg(long)]
    no_pin: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Scene {
    /// Two instances, 100 rooms full of talk: bytes that each gets from Redis, with all members on the first, and
    /// with some on both
    Traffic,
    /// One instance, --rooms rooms joined at once, by one client and by one each: how long that takes, and what it does
    /// to somebody who talks meanwhile
    Storm,
}

/// How processes are started.
#[derive(Clone, Copy)]
struct Setting {
    aof: Aof,
    cores: Option<&'static str>,
}

fn main() -> ExitCode {
    // `cargo bench` passes `--bench`; test runners do not, and must not start a load.
    let (bench, arguments): (Vec<_>, Vec<_>) = std::env::args().partition(|argument| argument == "--bench");
    if bench.is_empty() {
        return ExitCode::SUCCESS;
    }
    match run(&Options::parse_from(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("cluster: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    process::raise_open_files();
    process::sharpen_timers();
    let pinned = !options.no_pin && process::can_pin();
    if pinned {
        process::pin_self(LOAD_CORE)?;
    }
    let setting = Setting { aof: options.redis, cores: pinned.then_some(SERVER_CORE) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let scenes = if options.scenes.is_empty() { Scene::value_variants() } else { &options.scenes };
    for scene in scenes {
        match scene {
            Scene::Traffic => {
                let counted = Duration::from_secs(options.seconds.into());
                runtime.block_on(traffic::run(setting, counted))?;
            }
            Scene::Storm => runtime.block_on(storm::run(setting, options.rooms.into()))?,
        }
    }
    Ok(())
}

impl Setting {
    fn redis(self) -> Result<Started, Failure> {
        Ok(redis::start(self.aof, self.cores)?)
    }

    /// One of our servers, with its rooms in the Redis at `url`. That may be a proxy of this thread: waiting blocks
    /// another one.
    async fn instance(self, url: &str, further_arguments: &[String]) -> Result<Started, Failure> {
        let command = ours::command(Rooms::Redis { url, aof: self.aof }, further_arguments);
        let start = move || Started::run(&command, self.cores, &[("REALTIME_JWT_SECRET", SECRET)], HTTP);
        Ok(tokio::task::spawn_blocking(start).await??)
    }
}
