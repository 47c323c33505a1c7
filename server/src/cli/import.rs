//! `realtime-server import`: adds rooms from lines of JSON.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use realtime_server::store::Store;

use super::data::{DataArgs, ToolError};
use super::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  realtime-server import lobby.ndjson
            The rooms of an export. No server may use this data directory meanwhile
  gunzip --stdout rooms.ndjson.gz | realtime-server import

Rooms keep their epochs, seqs and ids, so the positions of clients stay valid. A room is imported completely or not
at all. A room that exists with the same messages stays unchanged, so an import can be repeated. The import ends at
a room that exists with other messages, and at the first line that is not in the format of an export.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// Output of `realtime-server export` [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    data: DataArgs,
}

impl ImportArgs {
    /// Imports the rooms; returns a summary for the operator.
    pub(crate) fn run(self) -> Result<String, ToolError> {
        let mut input: Box<dyn BufRead> = match &self.file {
            Some(path) => {
                let file = File::open(path).map_err(|fault| ToolError::Input(path.clone(), fault))?;
                Box::new(BufReader::new(file))
            }
            None => Box::new(io::stdin().lock()),
        };
        let store = Store::open(&self.data.directory("import")?)?;
        let (mut new, mut messages, mut existing) = (0_u64, 0_u64, 0_u64);
        let mut bar = Progress::new("messages");
        let result = store.import(
            &mut input,
            &mut |imported| {
                if imported.new {
                    new += 1;
                    messages += imported.entries;
                } else {
                    existing += 1;
                }
            },
            &mut |room, done, of| bar.at_of(room.as_str(), done, of),
        );
        drop(bar);
        let so_far = format!("imported {new} rooms with {messages} messages; {existing} existed already");
        result.map(|()| so_far.clone()).map_err(|fault| ToolError::Import(fault, so_far))
    }
}
