//! `realtime-server export`: prints rooms as lines of JSON.

use std::io::{self, BufWriter, ErrorKind};
use std::path::Path;

use clap::Args;
use realtime_server::store::{Archive, ExportError};
use realtime_server::transfer::RedisExportError;
use realtime_shared::RoomName;
use realtime_shell::keep_lines;

use super::data::{DataArgs, Place, ToolError, run_on_redis};
use super::progress::Progress;
use super::redis::{RedisAccessArgs, RedisPlan};

const EXAMPLES: &str = "\
Examples:
  realtime-server export --room lobby > lobby.ndjson
      One room, one message per line; the server may run
  realtime-server export --all | gzip > rooms.ndjson.gz
      All rooms, one after the other
  realtime-server export --room lobby \\
    | jq -r 'select(.type == \"message\") | \"\\(.from): \\(.text)\"'
      The messages as readable text

Each room begins with a header line that identifies its log. Its messages follow, as clients receive \
them, oldest first. `realtime-server import` reads this format. To copy the whole store, \
`realtime-server backup` is faster. With --redis-url, or REALTIME_REDIS_URL as for `serve`, the rooms \
are those in Redis, each as of one moment.";

#[derive(Debug, Args)]
#[command(after_help = keep_lines(EXAMPLES))]
pub(crate) struct ExportArgs {
    /// Room to export (repeatable)
    #[arg(long, value_name = "NAME", required_unless_present = "all")]
    room: Vec<RoomName>,

    /// Export all rooms
    #[arg(long, conflicts_with = "room")]
    all: bool,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    redis: RedisAccessArgs,
}

impl ExportArgs {
    /// Prints the rooms; returns a summary for the operator.
    pub(crate) fn run(self) -> Result<String, ToolError> {
        match self.data.place(&self.redis)? {
            Place::Directory(directory) => self.export_directory(&directory),
            Place::Redis(plan) => self.export_redis(*plan),
        }
    }

    fn export_directory(&self, directory: &Path) -> Result<String, ToolError> {
        let archive = Archive::open(directory)?;
        let mut bar = Progress::new("messages");
        let mut out = BufWriter::new(io::stdout().lock());
        let exported = archive.export(&self.room, &mut out, &mut |done, of| bar.at(done, of));
        match exported {
            Ok(messages) => Ok(format!("exported {messages} messages")),
            // The reader has closed the pipe.
            Err(ExportError::Output(fault)) if fault.kind() == ErrorKind::BrokenPipe => Ok(String::new()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn export_redis(&self, plan: RedisPlan) -> Result<String, ToolError> {
        run_on_redis(plan, async |archive, address| {
            let mut bar = Progress::new("messages");
            let mut out = BufWriter::new(io::stdout().lock());
            let exported = archive.export(&self.room, &mut out, &mut |done, of| bar.at(done, of)).await;
            match exported {
                Ok(messages) => Ok(format!("exported {messages} messages from Redis at {address}")),
                // The reader has closed the pipe.
                Err(RedisExportError::Output(fault)) if fault.kind() == ErrorKind::BrokenPipe => {
                    Ok(String::new())
                }
                Err(fault) => Err(fault.into()),
            }
        })
    }
}
