//! The data directory, and the commands that work on its store.

#![expect(clippy::doc_markdown, reason = "--help shows the doc comment of a flag as it is")]

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use realtime_server::store::{BackupError, ExportError, ImportError, StoreOpenError};

use super::redis::URL_VARIABLE;

/// Flags of the data directory.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Data directory of the server [default: realtime in the user's data directory, which is ~/.local/share, or
    /// $XDG_DATA_HOME]
    #[arg(long, env = "REALTIME_DATA_DIR", value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

impl DataArgs {
    /// The directory with the rooms, unless a server with this environment has its rooms in Redis: a command on the file
    /// would then miss all of them, and report success.
    pub(super) fn directory(&self, command: &'static str) -> Result<PathBuf, ToolError> {
        if std::env::var_os(URL_VARIABLE).is_some_and(|url| !url.is_empty()) {
            return Err(ToolError::InRedis(command));
        }
        data_dir(self.data_dir.as_deref()).ok_or(ToolError::NoHome)
    }
}

/// Errors of the commands that work on the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("there is no home directory with rooms; name a directory with --data-dir")]
    NoHome,
    /// The name of the command.
    #[error(
        "the rooms are in Redis ({URL_VARIABLE} is set), and `{0}` works on the file of a data directory only; for the \
         rooms in such a file, empty the variable: {URL_VARIABLE}= realtime-server {0}"
    )]
    InRedis(&'static str),
    #[error("cannot read {path}: {cause}", path = .0.display(), cause = .1)]
    Input(PathBuf, io::Error),
    #[error(transparent)]
    Open(#[from] StoreOpenError),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error("{0} ({1})")]
    Import(ImportError, String),
    #[error(transparent)]
    Backup(#[from] BackupError),
}

/// The data directory: `named`, or `realtime` in the user's data directory; `None` without a home directory.
pub(super) fn data_dir(named: Option<&Path>) -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let default = || Some(etcetera::choose_base_strategy().ok()?.data_dir().join("realtime"));
    named.map(Path::to_owned).or_else(default)
}
