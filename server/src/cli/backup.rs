//! `realtime-server backup`: copies the store.

use std::path::PathBuf;

use clap::Args;
use realtime_server::store::Archive;
use realtime_shell::keep_lines;

use super::data::{DataArgs, ToolError};
use super::progress::Progress;

const EXAMPLES: &str = "\
Examples:
  realtime-server backup /backups/rooms-$(date +%F).db
      A copy of all rooms at this moment; the server may run

To restore: stop the server, put the copy into the data directory as store.db, remove store.db-wal \
and store.db-shm there, and start the server. Rooms in Redis are not copied: with REALTIME_REDIS_URL \
the command ends with an error.";

#[derive(Debug, Args)]
#[command(after_help = keep_lines(EXAMPLES))]
pub(crate) struct BackupArgs {
    /// File to write; it must not exist
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[command(flatten)]
    data: DataArgs,
}

impl BackupArgs {
    /// Writes the copy; returns a summary for the operator.
    pub(crate) fn run(self) -> Result<String, ToolError> {
        let archive = Archive::open(&self.data.directory("backup")?)?;
        let mut bar = Progress::new("pages");
        archive.backup(&self.file, &mut |done, of| bar.at(done, of))?;
        drop(bar);
        Ok(format!("copied to {}", self.file.display()))
    }
}
