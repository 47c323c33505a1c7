//! The command line, and its `--help`.

use std::time::Duration;

use clap::Parser;

use crate::process::can_pin;
use crate::redis::Aof;
use crate::scene::{Scene, SceneName};
use crate::target::{Setup, Target};
use crate::tokens::Tokens;

/// Signs the tokens of servers that the load starts itself; one that is running has its own.
const DEFAULT_SECRET: &str = "the load generator's own servers only";

const EXAMPLES: &str = "\
Examples:
  cargo bench --bench load
      Builds our server, starts it for each scene with an empty memory, and prints a line a scene.
  cargo bench --bench load -- --scene burst --scene bigroom --seconds 10
  cargo bench --bench load -- --durable --scene chat --scene burst --scene posts
      Ours with rooms in memory and in a file, and the ratios at the end.
  cargo bench --bench load -- --url ws://127.0.0.1:8000/ws --pid 4711 --secret \"$REALTIME_JWT_SECRET\"
      A server that is running already (lift its limits first). Without --pid: no CPU, no memory.
  cargo bench --bench load -- --target 'peer=cmd:bun peer.ts {port}'
      Ours, and another server beside it, started and pinned alike; the ratios at the end.
  cargo bench --bench load -- --redis always --instances 2 --target 'peer=socket.io:node peer.mjs {port} {redis}'
      The same with two instances of each on a Redis, every room's members spread over both.
  cargo bench --bench load -- --redis everysec --scene posts
      What it costs Redis to order a message: a million divided by `rds us/d` is what one can order a second.

Columns:
  deliv/s     messages received by members a second, all members together
  srv us/d    CPU time of the server process (user and system, all threads) for each delivery; of all instances
              together
  rds us/d    with --redis: that of Redis
  p50…p99.9   round trip: from sending a message until its sender has its own copy. Closed loops measure from
              the send; the open loop from when the message was due, so that a stall is not left out
  other p50…  with --redis: the same, until a member on another instance has it. A server may show a message to
              its sender before that; closed loops then do not wait for the others, and where these fall behind,
              what is measured is a queue that grows: compare at the even load of `steady`
  KiB/conn    resident memory of the server, of all instances together, once all have joined, less that before, by connections
  load us/d   CPU time of the load for each delivery. Where it comes near the server's, the load is what is
              measured
  check       `ok`: every message reached every member of its room once, and every window came back

Exit code 1: a scene failed or its check did.";

/// Load for a server that speaks the base dialect of the protocol: one thread, raw sockets.
#[derive(Parser)]
#[command(name = "load", bin_name = "cargo bench --bench load --", after_help = EXAMPLES, args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Options {
    /// A scene to run (repeatable). Without: all, in the order below
    #[arg(long = "scene", value_enum, value_name = "NAME")]
    scenes: Vec<SceneName>,

    /// Seconds measured in a scene
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// Seconds of traffic before that
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub(crate) warm_up: Duration,

    /// Messages a second of `steady`, all senders together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// Connections of `idle`
    #[arg(long, default_value_t = 9000)]
    idle_connections: usize,

    /// Length of a message's text
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(32..=4000))]
    pub(crate) text_bytes: u16,

    /// Give each message a `client_msg_id`, as clients do that want to know that it is stored. Acks are not counted as
    /// deliveries
    #[arg(long)]
    pub(crate) tracked: bool,

    /// A running server, instead of starting ours
    #[arg(long, value_name = "ws://HOST:PORT/PATH")]
    url: Option<String>,

    /// The process of --url, for its CPU time and memory
    #[arg(long, requires = "url")]
    pid: Option<u32>,

    /// A server to compare with (repeatable): `NAME=ws://HOST:PORT/PATH[,pid=PID]`, or `NAME=cmd:COMMAND`, which
    /// is started for each scene and serves `/ws` on 127.0.0.1:{port}; it also finds {data}, a directory of its
    /// own, {redis}, the URL of a Redis, and `REALTIME_JWT_SECRET`. `NAME=socket.io:COMMAND` is one that speaks
    /// Socket.IO 4: each frame is an event with the frame's type as its name and the frame as its argument
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<Target>,

    /// Our own server also with rooms in a file, as `durable`
    #[arg(long, conflicts_with_all = ["url", "targets_only"])]
    durable: bool,

    /// Start a Redis for each scene, with its log on the disk (of TMPDIR) before it answers or within a second. Our
    /// server then has its rooms there
    #[arg(long, value_enum, value_name = "AOF", conflicts_with_all = ["url", "durable"])]
    redis: Option<Aof>,

    /// Start so many instances of each server on that Redis, and deal the connections of each room to them in turn
    #[arg(long, default_value_t = 1, requires = "redis", value_parser = clap::value_parser!(u8).range(1..=64))]
    instances: u8,

    /// Leave our own server out, and compare the --target servers with the first of them
    #[arg(long, requires = "targets", conflicts_with = "url")]
    targets_only: bool,

    /// A further argument for our own server (repeatable), such as `--server-arg=--log-format=json`
    #[arg(long = "server-arg", value_name = "ARG", allow_hyphen_values = true)]
    server_args: Vec<String>,

    /// Cores of servers that the load starts, as `taskset -c` takes them
    #[arg(long, default_value = "0", value_name = "LIST")]
    server_cores: String,

    /// Cores of Redis [default: those of the servers]
    #[arg(long, value_name = "LIST")]
    redis_cores: Option<String>,

    /// Cores of the load
    #[arg(long, default_value = "1", value_name = "LIST")]
    pub(crate) load_cores: String,

    /// Pin nothing
    #[arg(long)]
    no_pin: bool,

    /// Secret that signs the tokens (HS256), one user a connection
    #[arg(long, env = "REALTIME_JWT_SECRET", default_value = DEFAULT_SECRET, hide_env_values = true)]
    secret: String,

    /// One ready-made token for all connections, instead
    #[arg(long)]
    token: Option<String>,

    /// Print a line of JSON for each scene on standard output; the table then goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn scenes(&self) -> Vec<Scene> {
        let names = if self.scenes.is_empty() { &SceneName::ALL } else { self.scenes.as_slice() };
        let interval = Duration::from_secs(1) / self.rate;
        names.iter().map(|name| name.scene(interval, self.idle_connections)).collect()
    }

    /// The servers, the one that the others are compared with first.
    pub(crate) fn targets(&self) -> Result<Vec<Target>, String> {
        let first = match &self.url {
            _ if self.targets_only => None,
            Some(url) => Some(Target::running("server", url, self.pid)?),
            None => Some(Target::ours(self.redis, &self.server_args)),
        };
        let durable = self.durable.then(|| Target::durable(&self.server_args));
        Ok(first.into_iter().chain(durable).chain(self.targets.iter().cloned()).collect())
    }

    pub(crate) fn tokens(&self) -> Tokens {
        match &self.token {
            Some(token) => Tokens::One(token.clone()),
            None => Tokens::Minted { secret: self.secret.clone() },
        }
    }

    /// How servers are started, pinned where processes can be.
    pub(crate) fn setup(&self) -> Setup<'_> {
        let pinned = !self.no_pin && can_pin();
        let redis_cores = self.redis_cores.as_ref().unwrap_or(&self.server_cores);
        Setup {
            instances: self.instances.into(),
            redis: self.redis,
            server_cores: pinned.then_some(&self.server_cores),
            redis_cores: pinned.then_some(redis_cores),
            secret: &self.secret,
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|fault| fault.to_string())
}
