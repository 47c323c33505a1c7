//! `realtime-server export`: prints rooms as lines of JSON.

use std::io::{self, BufWriter, ErrorKind};

use clap::Args;
use realtime_server::store::{Archive, ExportError};
use realtime_shared::RoomName;

use super::data::{DataArgs, ToolError};
use super::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  realtime-server export --room lobby > lobby.ndjson
            One room, one message per line; the server may run
  realtime-server export --all | gzip > rooms.ndjson.gz
      All rooms, one after the other
  realtime-server export --room lobby | jq -r 'select(.type == \"message\") | \"\\(.from): \\(.text)\"'
            The messages as readable text

Each room begins with a header line that identifies its log. Its messages follow, as clients receive them, oldest
first. `realtime-server import` reads this format. To copy the whole store, `realtime-server backup` is faster.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// Room to export (repeatable)
    #[arg(long, value_name = "NAME", required_unless_present = "all")]
    room: Vec<RoomName>,

    /// Export all rooms
    #[arg(long, conflicts_with = "room")]
    all: bool,

    #[command(flatten)]
    data: DataArgs,
}

impl ExportArgs {
    /// Prints the rooms; returns a summary for the operator.
    pub(crate) fn run(self) -> Result<String, ToolError> {
        let archive = Archive::open(&self.data.directory("export")?)?;
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
}
