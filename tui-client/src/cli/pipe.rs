//! The arguments of the commands that need no screen.

use super::connection::Connection;

/// What the pipe commands have in common.
#[derive(Debug, Clone, clap::Args)]
pub struct RoomArgs {
    /// The server, and as whom.
    #[command(flatten)]
    pub connection: Connection,

    /// The room.
    #[arg(long, value_name = "ROOM")]
    pub room: String,
}

/// What `tail` is given.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = TAIL)]
pub struct TailArgs {
    /// Where.
    #[command(flatten)]
    pub target: RoomArgs,

    /// Print the messages as JSON, one a line, as they are on the wire.
    #[arg(long)]
    pub json: bool,

    /// Begin with so many messages that are there already.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub last: u32,

    /// Begin after this message, a line that `tail --json` printed: what came since is printed, as far as the server
    /// replays it. An empty one: from the room's beginning.
    #[arg(long, value_name = "LINE", conflicts_with = "last")]
    pub since: Option<String>,
}

/// What `send` is given.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = SEND)]
pub struct SendArgs {
    /// Where.
    #[command(flatten)]
    pub target: RoomArgs,

    /// Give up when nothing was acknowledged for so many seconds although something was to be.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: u32,

    /// The message; words are joined with spaces. Without it every line of standard input is a message, but for empty
    /// ones.
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
}

const TAIL: &str = "\
A line is the time, who said it (white space in a name becomes _) and the text, newlines as
spaces. What happens to the connection is said on standard error. A lost connection is made again,
and what was missed is printed then.

Examples:
  realtime-tui tail --room dev --json >> dev.ndjson
  realtime-tui tail --room dev --json --since \"$(tail -n 1 dev.ndjson)\" >> dev.ndjson

It ends with 0 when nobody reads what it prints any more. The other exit codes are those of
`realtime-tui --help`.";

const SEND: &str = "\
A lost connection is made again; what is sent again then is stored once. What is refused or not
acknowledged is said on standard error, and the exit code is 5. The other exit codes are those of
`realtime-tui --help`.

Examples:
  realtime-tui send --room dev 'the build is green'
  journalctl -fu backup -o cat | realtime-tui send --room ops";
