//! Benchmark of the server under attack: two users with ordinary tokens against 500 others.
//!
//! ```text
//! users:      500 residents post and 25 visitors come and go, at an even pace      in both phases
//! attackers:  up to 32 connections each; sockets without a token                   in the second phase
//! ```
//!
//! The server has its default limits, except those for an address, because all clients have one address here. With
//! `--redis` there are two instances, and every second connection goes to the other one. The figures are not judged. The
//! users run on one thread and all attackers on another, so the machine's cores are shared by the servers, the users and
//! the attackers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use tempfile::TempDir;
use tokio::time::sleep;

use realtime_load::program::{HTTP, Program};
use realtime_load::redis::{self, Aof};
use realtime_load::{bench_arguments, process};

use crate::attackers::{AttackKind, Attackers};
use crate::figures::PhaseFigures;
use crate::hall::Hall;
use crate::reading::Reading;
use crate::users::Users;

mod attacker;
mod attackers;
mod figures;
mod fragments;
mod hall;
mod offender;
mod reading;
mod report;
mod slow_reader;
mod socket;
mod spending;
mod tokenless;
mod users;

/// The server of this build.
const SERVER: &str = env!("CARGO_BIN_EXE_realtime-server");
const SECRET: &str = "the attack benchmark's own server only";
/// Time between a change of the load and the start of a phase.
const WARM_UP: Duration = Duration::from_secs(2);

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Measure the latency of users without and with attackers that have a token each
#[derive(Parser)]
#[command(name = "attack", bin_name = "cargo bench --bench attack --")]
struct Options {
    /// Seconds of each phase
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,

    /// An attack to run (repeatable) [default: all at once]
    #[arg(long = "attack", value_enum, value_name = "NAME")]
    attacks: Vec<AttackKind>,

    /// Attackers, with a token and all connections of a user each
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    attackers: u8,

    /// Members of one more room, who only read: the target of `hall`
    #[arg(long, default_value_t = 0, value_name = "MEMBERS")]
    hall: u16,

    /// Run two instances on one Redis, which syncs its append-only file so often
    #[arg(long, value_enum, value_name = "AOF")]
    redis: Option<Aof>,

    /// Cores of the server, a list in the syntax of `taskset -c`
    #[arg(long, default_value = "0,1", value_name = "CORES")]
    server_cores: String,

    /// Pin nothing
    #[arg(long)]
    no_pin: bool,

    /// The server to measure [default: that of this build]
    #[arg(long, value_name = "PATH", default_value = SERVER, hide_default_value = true)]
    server: String,

    /// A further argument of the server (repeatable)
    #[arg(long = "server-argument", value_name = "ARGUMENT", allow_hyphen_values = true)]
    server_arguments: Vec<String>,
}

/// The figures of a phase.
struct Phase {
    users: PhaseFigures,
    before: Reading,
    after: Reading,
}

fn main() -> ExitCode {
    let Some(arguments) = bench_arguments() else { return ExitCode::SUCCESS };
    match run(&Options::parse_from(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("attack: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let _ = process::raise_open_files();
    process::sharpen_timers();
    let data = TempDir::new()?;
    let cores = (!options.no_pin && process::can_pin()).then_some(&*options.server_cores);
    let servers = Servers::start(options, data.path(), cores)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = runtime.block_on(measure(options, &servers.instances, data.path()));
    run.map_err(|error| {
        let logs: Vec<_> = servers.instances.iter().map(Program::log_tail).collect();
        format!("{error}; the ends of the servers' logs:\n{}", logs.join("\n")).into()
    })
}

/// The server, or two instances and their Redis.
struct Servers {
    instances: Vec<Program>,
    _redis: Option<Program>,
}

impl Servers {
    fn start(options: &Options, data: &Path, cores: Option<&str>) -> Result<Self, Failure> {
        let redis =
            options.redis.map(|aof| Ok::<_, Failure>((redis::start(aof, cores)?, aof))).transpose()?;
        let storage = redis.as_ref().map(|(redis, aof)| {
            ["--redis-url", &redis::url(redis), "--redis-aof", aof.word()].map(str::to_owned)
        });
        let mut instances = Vec::new();
        for number in 0..=usize::from(redis.is_some()) {
            let mut command = server_command(options, &data.join(number.to_string()));
            command.extend(storage.iter().flatten().cloned());
            instances.push(Program::run(&command, cores, &[("REALTIME_JWT_SECRET", SECRET)], HTTP)?);
        }
        Ok(Self { instances, _redis: redis.map(|(redis, _)| redis) })
    }
}

async fn measure(options: &Options, servers: &[Program], data: &Path) -> Result<(), Failure> {
    let seconds = Duration::from_secs(options.seconds.into());
    let addresses = Addresses(servers.iter().map(|server| server.address).collect());
    let users = Users::start(addresses.clone()).await?;
    let _hall = Hall::start(&addresses, options.hall).await?;
    let calm = measure_phase(&users, servers, data, seconds).await?;
    let mut kinds = kinds(&options.attacks).to_vec();
    kinds.retain(|kind| *kind != AttackKind::Hall || options.hall > 0);
    let attackers = Attackers::start(&addresses, options.attackers, &kinds)?;
    let attacked = measure_phase(&users, servers, data, seconds).await?;
    report::print(&calm, &attacked, &attackers.counts(), seconds + WARM_UP);
    Ok(())
}

async fn measure_phase(
    users: &Users,
    servers: &[Program],
    data: &Path,
    time: Duration,
) -> Result<Phase, Failure> {
    sleep(WARM_UP).await;
    let before = Reading::take(servers, data).await;
    let phase = users.begin_phase();
    sleep(time).await;
    // The users go on, and record in a phase that is not printed.
    drop(users.begin_phase());
    let after = Reading::take(servers, data).await;
    Ok(Phase { users: phase.finish().await?, before, after })
}

fn kinds(named: &[AttackKind]) -> &[AttackKind] {
    use clap::ValueEnum;
    if named.is_empty() { AttackKind::value_variants() } else { named }
}

/// The server with its default limits, except those for an address.
fn server_command(options: &Options, data: &Path) -> Vec<String> {
    let data = data.to_string_lossy();
    let listen = ["serve", "--listen", "127.0.0.1:{port}"];
    [&*options.server]
        .into_iter()
        .chain(listen)
        .chain(["--data-dir", &data, "--max-connections-per-address", "0"])
        .map(str::to_owned)
        .chain(options.server_arguments.iter().cloned())
        .collect()
}

/// Addresses of the instances.
#[derive(Clone)]
struct Addresses(Arc<[SocketAddr]>);

impl Addresses {
    /// The instance of a connection. They take turns.
    fn of(&self, connection: usize) -> SocketAddr {
        self.0[connection % self.0.len()]
    }
}

/// The rooms of the users.
const ROOMS: usize = 25;

fn room(number: usize) -> String {
    format!("talk-{:02}", number % ROOMS)
}
