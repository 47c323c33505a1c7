//! The data directory, and the commands that work on its store.

#![expect(clippy::doc_markdown, reason = "--help shows the doc comment of a flag as it is")]

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use realtime_server::files::Exposure;
use realtime_server::redis_endpoint::{RedisEndpoint, RedisOpenError};
use realtime_server::store::{BackupError, ExportError, ImportError, StoreOpenError};
use realtime_server::transfer::{RedisArchive, RedisExportError};
use tokio::runtime::Builder;

use super::redis::{RedisAccessArgs, RedisFault, RedisPlan, URL_VARIABLE};

/// Environment variable with the data directory.
const DATA_VARIABLE: &str = "REALTIME_DATA_DIR";

/// The place of the rooms.
pub(super) enum Place {
    Directory(PathBuf),
    Redis(Box<RedisPlan>),
}

/// Flags of the data directory.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// Data directory of the server [default: realtime in the user's data directory, which is ~/.local/share, or
    /// $XDG_DATA_HOME]
    #[arg(long, env = DATA_VARIABLE, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

impl DataArgs {
    /// The place of the rooms: that of a server with the same environment and flags.
    pub(super) fn place(&self, redis: &RedisAccessArgs) -> Result<Place, ToolError> {
        let Some(plan) = redis.check(Exposure::Secret)? else {
            return data_dir(self.data_dir.as_deref()).map(Place::Directory).ok_or(ToolError::NoHome);
        };
        // A server keeps its secret there, so the variable may be set. A flag has no other purpose here.
        let is_flag = self.data_dir.is_some()
            && self.data_dir.as_deref().map(Path::as_os_str) != std::env::var_os(DATA_VARIABLE).as_deref();
        if is_flag { Err(ToolError::TwoPlaces) } else { Ok(Place::Redis(Box::new(plan))) }
    }

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
        "the rooms are in Redis ({URL_VARIABLE} is set), and `{0}` works on the file of a data directory only; use \
         `realtime-server export --all`, or copy the files of Redis; for the rooms in a data directory, empty the variable: \
         {URL_VARIABLE}= realtime-server {0}"
    )]
    InRedis(&'static str),
    #[error(
        "--data-dir and a Redis ({URL_VARIABLE} or --redis-url) are two places of rooms; for those in the directory, empty \
         the variable: {URL_VARIABLE}= realtime-server …"
    )]
    TwoPlaces,
    #[error(transparent)]
    Redis(#[from] RedisFault),
    #[error(transparent)]
    RedisOpen(#[from] RedisOpenError),
    #[error(transparent)]
    RedisExport(#[from] RedisExportError),
    #[error("cannot start: {0}")]
    Start(io::Error),
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
    #[error("there is no store in {path}; name the server's data directory with --data-dir", path = .0.display())]
    NoStore(PathBuf),
    #[error("cannot rewrite the store: {0}; it is as it was")]
    Vacuum(rusqlite::Error),
}

/// Runs a command on the rooms in Redis, which has the given address.
pub(super) fn run_on_redis<T>(
    plan: RedisPlan,
    command: impl AsyncFnOnce(&RedisArchive, String) -> Result<T, ToolError>,
) -> Result<T, ToolError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ToolError::Start)?;
    runtime.block_on(async {
        let address = plan.options.address();
        let endpoint = RedisEndpoint::open(plan.options, plan.wait).await?;
        command(&RedisArchive::new(&endpoint), address).await
    })
}

/// The data directory: `named`, or `realtime` in the user's data directory; `None` without a home directory.
pub(super) fn data_dir(named: Option<&Path>) -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let default = || Some(etcetera::choose_base_strategy().ok()?.data_dir().join("realtime"));
    named.map(Path::to_owned).or_else(default)
}
