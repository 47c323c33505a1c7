//! `realtime-server import`: adds rooms from lines of JSON.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use realtime_server::store::{Imported, Store};
use realtime_shared::RoomName;
use realtime_shell::keep_lines;

use super::data::{DataArgs, Place, ToolError, run_on_redis};
use super::progress::Progress;
use super::redis::RedisAccessArgs;

const EXAMPLES: &str = "\
Examples:
  realtime-server import lobby.ndjson
      The rooms of an export. No server may use this data directory meanwhile
  gunzip --stdout rooms.ndjson.gz | realtime-server import
      The rooms of a compressed export
  REALTIME_REDIS_URL= realtime-server export --all \\
    | realtime-server import --redis-url redis://10.0.0.1
      From a file to Redis

Rooms keep their epochs, seqs and ids, so the positions of clients stay valid. A room is imported \
completely or not at all. A room that exists with the same messages stays unchanged, so an import can \
be repeated. The import ends at a room that exists with other messages, and at the first line that is \
not in the format of an export. With --redis-url, or REALTIME_REDIS_URL as for `serve`, the rooms are \
added to Redis, also while servers use it; rooms without a stored message are left out.";

#[derive(Debug, Args)]
#[command(after_help = keep_lines(EXAMPLES))]
pub(crate) struct ImportArgs {
    /// Output of `realtime-server export` [default: standard input]
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    redis: RedisAccessArgs,
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
        let mut counts = Counts::default();
        let mut bar = Progress::new("messages");
        let mut progress = |room: &RoomName, done, of| bar.at_of(room.as_str(), done, of);
        let (result, place) = match self.data.place(&self.redis)? {
            Place::Directory(directory) => {
                let store = Store::open(&directory)?;
                let result = store.import(&mut input, &mut |imported| counts.add(&imported), &mut progress);
                (result, String::new())
            }
            Place::Redis(plan) => run_on_redis(*plan, async |archive, address| {
                let mut add = |imported| counts.add(&imported);
                let result = archive.import(&mut input, &mut add, &mut progress).await;
                Ok((result, format!(" (Redis at {address})")))
            })?,
        };
        drop(bar);
        let Counts { new, messages, existing } = counts;
        let so_far =
            format!("imported {new} rooms with {messages} messages; {existing} existed already{place}");
        result.map(|()| so_far.clone()).map_err(|fault| ToolError::Import(fault, so_far))
    }
}

/// Rooms of the input so far.
#[derive(Default)]
struct Counts {
    new: u64,
    /// Messages of the new rooms.
    messages: u64,
    existing: u64,
}

impl Counts {
    fn add(&mut self, imported: &Imported) {
        if imported.new {
            self.new += 1;
            self.messages += imported.entries;
        } else {
            self.existing += 1;
        }
    }
}
