//! Arguments for the connection to the server.

use std::path::PathBuf;

/// Flags for the server, the token and the configuration file. All modes of the program share them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Connection {
    /// Your token. Every user of this machine can see it in the list of processes; prefer --token-file. Without either
    /// option, `REALTIME_TOKEN` is used.
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub token: Option<String>,

    /// File with your token; only you may have access to it. It is read again for each connection.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Server: `ws://host:port`, or `wss://host` behind a TLS proxy. Default: `REALTIME_URL`, or else
    /// `ws://127.0.0.1:8000`. The default path is `/api/v1/ws`.
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,

    /// Configuration file. Default: `$XDG_CONFIG_HOME/realtime/config.toml`, or `~/.config/realtime/config.toml`, if it
    /// exists.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}
