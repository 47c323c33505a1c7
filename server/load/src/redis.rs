//! A Redis for a measurement, on a free port, with its files in a temporary directory.

use clap::ValueEnum;

use crate::program::{Program, REDIS};

/// Durability of a Redis, in the words of its `appendfsync` and of the server's `--redis-aof`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Aof {
    /// Before it answers
    Always,
    /// Within a second
    Everysec,
}

impl Aof {
    /// The word of `appendfsync`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
        }
    }
}

/// Starts a Redis without snapshots, pinned to `cores`.
pub fn start(aof: Aof, cores: Option<&str>) -> Result<Program, String> {
    let words = "redis-server --port {port} --bind 127.0.0.1 --dir {data} --daemonize no --appendonly yes --appendfsync";
    let command = words.split(' ').chain([aof.word(), "--save", ""]).map(str::to_owned);
    Program::run(&command.collect::<Vec<_>>(), cores, &[], REDIS)
        .map_err(|error| format!("{error} (Debian and Ubuntu have it as redis-server)"))
}

/// The URL of a Redis.
#[must_use]
pub fn url(redis: &Program) -> String {
    format!("redis://{}", redis.address)
}
