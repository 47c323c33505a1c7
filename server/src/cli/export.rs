//! `realtime-server export`: rooms as lines of JSON on standard output.

use std::io::{self, BufWriter, ErrorKind};

use clap::Args;
use realtime_server::store::{Archive, ExportError};
use realtime_shared::RoomName;

use super::data::{DataArgs, ToolError};
use super::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  realtime-server export --room lobby > lobby.ndjson
      A room, a message a line. The server may be running
  realtime-server export --all | gzip > rooms.ndjson.gz
      All rooms, one after the other
  realtime-server export --room lobby | jq -r 'select(.type == \"message\") | \"\\(.from): \\(.text)\"'
      What was said, for people

For each room there is first a line that says which log it is, and then its messages as clients get them, oldest
first. `realtime-server import` reads it. For all that is in the store, `realtime-server backup` is quicker.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// A room (repeatable)
    #[arg(long, value_name = "NAME", required_unless_present = "all")]
    room: Vec<RoomName>,

    /// All rooms
    #[arg(long, conflicts_with = "room")]
    all: bool,

    #[command(flatten)]
    data: DataArgs,
}

impl ExportArgs {
    /// Writes them; a line for people.
    pub(crate) fn run(self) -> Result<String, ToolError> {
        let archive = Archive::open(&self.data.directory()?)?;
        let mut bar = Progress::new("messages");
        let mut out = BufWriter::new(io::stdout().lock());
        let exported = archive.export(&self.room, &mut out, &mut |done, of| bar.at(done, of));
        match exported {
            Ok(messages) => Ok(format!("exported {messages} messages")),
            // Who reads has had enough.
            Err(ExportError::Output(fault)) if fault.kind() == ErrorKind::BrokenPipe => Ok(String::new()),
            Err(fault) => Err(fault.into()),
        }
    }
}
