//! Arguments for the connection to the server.

use std::path::PathBuf;

/// Flags for the server, the token and the configuration file. All modes of the program share them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Connection {
    /// Your token. Every user of this machine can see it in the list of processes: prefer --token-file. Without
    /// either, `REALTIME_TOKEN` is used.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub token: Option<String>,

    /// A file with your token, which nobody else may read. It is read again for each connection.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// The server: `ws://host:port`, or `wss://host` where a proxy before it speaks TLS. Without it `REALTIME_URL` is
    /// used, or else `ws://127.0.0.1:8000`. The path is `/api/v1/ws` where none is given.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// The configuration. Without it `$XDG_CONFIG_HOME/realtime/config.toml` is read where it is there, which is below
    /// `~/.config` by default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
