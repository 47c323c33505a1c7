//! Arguments of `tail` and `send`.

use realtime_shell::keep_lines;

use super::connection::Connection;

/// Arguments of both commands.
#[derive(Debug, Clone, clap::Args)]
pub struct RoomArgs {
    #[command(flatten)]
    pub connection: Connection,

    /// Room
    #[arg(long, value_name = "ROOM")]
    pub room: String,
}

/// Arguments of `tail`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = keep_lines(TAIL))]
pub struct TailArgs {
    #[command(flatten)]
    pub target: RoomArgs,

    /// Print messages and changes of them as JSON, one per line, as on the wire.
    #[arg(long)]
    pub json: bool,

    /// Print this many earlier messages first.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1_000))]
    pub last: u32,

    /// Continue after this message, a line of `tail --json`, with the messages that the server replays. An empty text
    /// means the beginning of the room.
    #[arg(long, value_name = "LINE", conflicts_with = "last")]
    pub since: Option<String>,
}

/// Arguments of `send`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = keep_lines(SEND), override_usage = "realtime-tui send [OPTIONS] --room <ROOM> [--] [TEXT]...")]
pub struct SendArgs {
    #[command(flatten)]
    pub target: RoomArgs,

    /// Fail if messages wait this many seconds without any ack.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    pub timeout: u32,

    /// Answer the message with this number, which `tail --json` prints as `seq`.
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["edit", "react"])]
    pub reply_to: Option<u64>,

    /// Replace the text of your message with this number.
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..), requires = "text", conflicts_with = "react")]
    pub edit: Option<u64>,

    /// React to the message with this number; the text is one emoji, or a name such as `:ship:`.
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..), requires = "text")]
    pub react: Option<u64>,

    /// Message; words are joined with spaces. It comes after the room. `--` goes before a text that may begin with `-`,
    /// such as the text of another program. Without it, each line of standard input that is not empty is a message.
    #[arg(value_name = "TEXT")]
    pub text: Vec<String>,
}

const TAIL: &str = "\
Each line has the time, the sender (white space in the name becomes _) and the text (newlines become spaces). Edits, \
deletions, reactions, pins and new settings are lines too, with brackets: [edit of 120] the new text. \
Standard error reports changes of the connection. After a lost connection the command reconnects and prints the missed \
messages.

Examples:
  realtime-tui tail --room dev --json >> dev.ndjson
  realtime-tui tail --json --room dev \\
    --since \"$(tail -n 1 dev.ndjson)\" >> dev.ndjson

It exits with 0 when the reader closes its output. The other exit codes are those of `realtime-tui --help`.";

const SEND: &str = "\
Options come before --room. After the room, a word that begins with - is refused unless -- comes first: an option in a \
text from others could send your token to another server.

After a lost connection the command reconnects; each message is stored once. Standard error reports refused messages \
and those without an ack; the exit code is then 5. The other exit codes are those of `realtime-tui --help`.

Examples:
  realtime-tui send --room dev -- 'the build is green'
  realtime-tui send --timeout 10 --room dev -- \"$text\"
  realtime-tui send --react 120 --room dev -- 👍
  journalctl -fu backup -o cat | realtime-tui send --room ops";
