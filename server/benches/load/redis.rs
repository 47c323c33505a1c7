//! A Redis of a measurement's own: on a free port, with its files in a directory that goes with it.

use clap::ValueEnum;

use crate::started::{REDIS, Started};

/// When Redis has its log on the disk: the words of its `appendfsync`, and of our server's `--redis-aof`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Aof {
    /// Before it answers
    Always,
    /// Within a second
    Everysec,
}

impl Aof {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Everysec => "everysec",
        }
    }
}

/// Starts one without snapshots, pinned to `cores`.
pub(crate) fn start(aof: Aof, cores: Option<&str>) -> Result<Started, String> {
    let words = "redis-server --port {port} --bind 127.0.0.1 --dir {data} --daemonize no --appendonly yes --appendfsync";
    let command = words.split(' ').chain([aof.word(), "--save", ""]).map(str::to_owned);
    Started::run(&command.collect::<Vec<_>>(), cores, &[], REDIS)
        .map_err(|fault| format!("{fault} (Debian and Ubuntu have it as redis-server)"))
}

/// How clients are told where it is.
pub(crate) fn url(redis: &Started) -> String {
    format!("redis://{}", redis.address)
}
