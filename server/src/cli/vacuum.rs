//! `realtime-server vacuum`: rewrites the store without the space that entries have left.

use clap::Args;
use realtime_server::store::Store;
use realtime_shell::keep_lines;

use super::data::{DataArgs, ToolError};

const EXAMPLES: &str = "\
Examples:
  systemctl stop realtime && realtime-server vacuum && systemctl start realtime
      The smallest file, without remnants of what was deleted or dropped

The file has space that dropped messages have left, and a store of a version before format 4 has \
remnants of their texts there. This command writes the file anew. No server may use the data directory \
meanwhile. It needs twice the size of the store on its disk, and once in the directory for temporary \
files (SQLITE_TMPDIR, or /var/tmp). A command that is interrupted leaves the store as it was.";

#[derive(Debug, Args)]
#[command(after_help = keep_lines(EXAMPLES))]
pub(crate) struct VacuumArgs {
    #[command(flatten)]
    data: DataArgs,
}

impl VacuumArgs {
    /// Rewrites the store; returns a summary for the operator.
    pub(crate) fn run(self) -> Result<String, ToolError> {
        let directory = self.data.directory("vacuum")?;
        if !directory.join(realtime_server::store::FILE).exists() {
            return Err(ToolError::NoStore(directory));
        }
        let (before, after) = Store::open(&directory)?.vacuum().map_err(ToolError::Vacuum)?;
        Ok(format!("rewrote {}: {before} bytes before, {after} after", directory.display()))
    }
}
