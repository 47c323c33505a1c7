//! The command line and its `--help`.

use std::time::Duration;

use clap::Parser;

use crate::process::can_pin;
use crate::redis::Aof;
use crate::scene::{Scene, SceneName, SceneSettings};
use crate::target::{Setup, Target};
use crate::tokens::Tokens;

/// The secret of servers that the load starts. A running server has its own.
const DEFAULT_SECRET: &str = "the load generator's own servers only";

const EXAMPLES: &str = "\
Examples:
  cargo bench --bench load
      Builds this repository's server, starts it anew for each scene, and prints a line for each.
  cargo bench --bench load -- --scene burst --scene bigroom --seconds 10
  cargo bench --bench load -- --durable --scene chat --scene burst --scene posts
      The server with rooms in memory and in a file, and their ratios at the end.
  cargo bench --bench load -- --url ws://127.0.0.1:8000/ws --pid 4711 --secret \"$REALTIME_JWT_SECRET\"
      A running server (raise its limits first). Without --pid there are no figures of CPU and memory.
  cargo bench --bench load -- --target 'peer=cmd:bun peer.ts {port}'
      The server and another one, started and pinned alike, and their ratios at the end.
  cargo bench --bench load -- --redis always --instances 2 --target 'peer=socket.io:node peer.mjs {port} {redis}'
      The same with two instances of each on a Redis; the members of each room are on both.
  cargo bench --bench load -- --redis everysec --scene posts
      The cost of ordering a message in Redis: one Redis orders a million divided by `rds us/d` per second.

Columns:
  deliv/s     deliveries per second, to all members together
  srv us/d    CPU time of the server for each delivery (user and system, all threads, all instances)
  rds us/d    with --redis: CPU time of Redis for each delivery
  p50…p99.9   round trip: from sending a message until its sender receives its own copy. Closed loops measure from
              the send; the open loop measures from the due time, so that a stall counts
  other p50…  with --redis: the same, until a member on another instance receives it. Closed loops wait for the
              sender's copy only: if the other instance falls behind, this measures a growing queue. Compare it
              at the even load of `steady`
              In `many-rooms`: from a join to its answer, while p50…p99.9 are those of lists, which count as deliveries
  KiB/conn    growth of the server's resident memory (all instances) while all connections joined, by connections
  load us/d   CPU time of the load for each delivery. If it is close to the server's, the load is the bottleneck
  check       `ok`: every message reached every member of its room once, and every sender received its own

Exit code 1: a scene failed or its check did.";

/// Load for a server that speaks the base dialect of the protocol: one thread, raw sockets.
#[derive(Parser)]
#[command(name = "load", bin_name = "cargo bench --bench load --", after_help = EXAMPLES, args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Options {
    /// A scene to run (repeatable) [default: all, in the order below]
    #[arg(long = "scene", value_enum, value_name = "NAME")]
    scenes: Vec<SceneName>,

    /// Seconds measured in a scene
    #[arg(long, default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// Seconds of traffic before that
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub(crate) warm_up: Duration,

    /// Messages per second of `steady`, all senders together
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// Connections of `idle`, `connects`, `new-joins` and `join-storm`
    #[arg(long, default_value_t = 9000)]
    idle_connections: usize,

    /// Connections in a room of `idle`
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    idle_members: u16,

    /// Rooms of `many-rooms`
    #[arg(long, default_value_t = 1_000_000, value_name = "COUNT")]
    rooms: u32,

    /// Length of a message's text
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(32..=4000))]
    pub(crate) text_bytes: u16,

    /// Give each message a `client_msg_id`, which requests an ack. Acks do not count as deliveries
    #[arg(long)]
    pub(crate) tracked: bool,

    /// A running server, instead of this repository's
    #[arg(long, value_name = "ws://HOST:PORT/PATH")]
    url: Option<String>,

    /// The process of --url, for its CPU time and memory
    #[arg(long, requires = "url")]
    pid: Option<u32>,

    /// A server to compare with (repeatable): `NAME=ws://HOST:PORT/PATH[,pid=PID]`, or `NAME=cmd:COMMAND`. The command
    /// is started for each scene and serves `/ws` on 127.0.0.1:{port}. In it, {data} is a temporary directory, and
    /// {redis} the URL of a Redis; `REALTIME_JWT_SECRET` has the secret. `NAME=socket.io:COMMAND` is a server that
    /// speaks Socket.IO 4: each frame is an event, named by the frame's type, with the frame as its argument
    #[arg(long = "target", value_name = "TARGET")]
    targets: Vec<Target>,

    /// Also measure this repository's server with rooms in a file, as `durable`
    #[arg(long, conflicts_with_all = ["url", "targets_only"])]
    durable: bool,

    /// Start a Redis for each scene, which syncs its log (in TMPDIR) before it answers or within a second. This
    /// repository's server then stores its rooms there
    #[arg(long, value_enum, value_name = "AOF", conflicts_with_all = ["url", "durable"])]
    redis: Option<Aof>,

    /// Instances of each server on that Redis. The connections of each room are assigned to them in turn
    #[arg(long, default_value_t = 1, requires = "redis", value_parser = clap::value_parser!(u8).range(1..=64))]
    instances: u8,

    /// Leave this repository's server out, and compare the --target servers with the first of them
    #[arg(long, requires = "targets", conflicts_with = "url")]
    targets_only: bool,

    /// A further argument for this repository's server (repeatable), for example `--server-arg=--log-format=json`
    #[arg(long = "server-arg", value_name = "ARG", allow_hyphen_values = true)]
    server_args: Vec<String>,

    /// Cores of servers that the load starts, in the syntax of `taskset -c`
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

    /// Secret that signs the tokens (HS256), one user for each connection
    #[arg(long, env = "REALTIME_JWT_SECRET", default_value = DEFAULT_SECRET, hide_env_values = true)]
    secret: String,

    /// One token for all connections, instead of tokens signed with --secret
    #[arg(long)]
    token: Option<String>,

    /// Print a line of JSON for each scene on standard output; the table then goes to standard error
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn scenes(&self) -> Vec<Scene> {
        let names = if self.scenes.is_empty() { &SceneName::ALL } else { self.scenes.as_slice() };
        let settings = SceneSettings {
            interval: Duration::from_secs(1) / self.rate,
            connections: self.idle_connections,
            idle_members: self.idle_members.into(),
            many_rooms: self.rooms as usize,
        };
        names.iter().map(|name| name.scene(&settings)).collect()
    }

    /// The targets. The others are compared with the first.
    pub(crate) fn targets(&self, server: &str) -> Result<Vec<Target>, String> {
        let first = match &self.url {
            _ if self.targets_only => None,
            Some(url) => Some(Target::running("server", url, self.pid)?),
            None => Some(Target::ours(server, self.redis, &self.server_args)),
        };
        let durable = self.durable.then(|| Target::durable(server, &self.server_args));
        Ok(first.into_iter().chain(durable).chain(self.targets.iter().cloned()).collect())
    }

    pub(crate) fn tokens(&self) -> Tokens {
        match &self.token {
            Some(token) => Tokens::One(token.clone()),
            None => Tokens::Minted { secret: self.secret.clone() },
        }
    }

    /// Settings for starting servers, pinned if processes can be.
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
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
