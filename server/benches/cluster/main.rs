//! Benchmark of several instances on one Redis: traffic for rooms of other instances, and storms of joins.
//!
//! ```text
//! traffic:  senders ─▶ A ─▶ proxy ─▶ Redis ─▶ proxy ─▶ B      bytes that each proxy carried, by messages
//! storm:    joins and leaves, all at once ─▶ A ─▶ Redis       until each is answered, while a bystander sends
//! ```
//!
//! The processes are real, and are measured from outside. The figures are not judged. Each scene has a file here.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use realtime_load::program::{HTTP, Program};
use realtime_load::redis::{self, Aof};
use realtime_load::server_command::{self, Storage};
use realtime_load::{bench_arguments, process};

mod bystander;
mod client;
mod format;
mod proxy;
mod storm;
mod traffic;

/// Cores of processes, if they can be pinned.
const SERVER_CORE: &str = "0";
const LOAD_CORE: &str = "1";
/// The server of this build.
const SERVER: &str = env!("CARGO_BIN_EXE_realtime-server");
const SECRET: &str = "the cluster benchmark's own servers only";

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measure the traffic that instances on one Redis cause for each other, and storms of joins
#[derive(Parser)]
#[command(name = "cluster", bin_name = "cargo bench --bench cluster --")]
struct Options {
    /// A scene to run (repeatable) [default: all]
    #[arg(long = "scene", value_enum, value_name = "NAME")]
    scenes: Vec<Scene>,

    /// Sync of the append-only file of Redis (in TMPDIR)
    #[arg(long, value_enum, value_name = "AOF", default_value = "always")]
    redis: Aof,

    /// Rooms of a storm
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u16).range(1..=20_000))]
    rooms: u16,

    /// Seconds in which traffic is counted
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..))]
    seconds: u8,

    /// Pin nothing. Otherwise servers and Redis run on core 0, the load on core 1
    #[arg(long)]
    no_pin: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Scene {
    /// Two instances, 100 busy rooms: bytes that each receives from Redis, with all members on the first, and with
    /// members on both
    Traffic,
    /// One instance, --rooms rooms joined at once, by one client and by one client for each room: the duration, and the
    /// latency of a bystander in another room
    Storm,
}

/// Settings for starting processes.
#[derive(Clone, Copy)]
struct Setting {
    aof: Aof,
    cores: Option<&'static str>,
}

fn main() -> ExitCode {
    let Some(arguments) = bench_arguments() else { return ExitCode::SUCCESS };
    match run(&Options::parse_from(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cluster: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let _ = process::raise_open_files();
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
    fn redis(self) -> Result<Program, Failure> {
        Ok(redis::start(self.aof, self.cores)?)
    }

    /// An instance with its rooms in the Redis at `url`. The wait for it blocks another thread: `url` may be a proxy that runs
    /// on this one.
    async fn instance(self, url: &str, further_arguments: &[String]) -> Result<Program, Failure> {
        let command =
            server_command::command(SERVER, Storage::Redis { url, aof: self.aof }, further_arguments);
        let start = move || Program::run(&command, self.cores, &[("REALTIME_JWT_SECRET", SECRET)], HTTP);
        Ok(tokio::task::spawn_blocking(start).await??)
    }
}
