//! Arguments of the whole command line: flags of the screen, and the commands without a screen.

use std::ffi::OsString;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use realtime_shell::{CompletionsArgs, completions_examples, keep_lines, man_examples, printable};

use super::connection::Connection;
use super::pipe::{SendArgs, TailArgs};
use super::shell::ManArgs;
use super::word_order;
use crate::app::Theme;
use crate::sanitize;

/// The parsed command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "realtime-tui",
    version,
    about = "Rooms in a terminal.",
    after_help = keep_lines(EXAMPLES),
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
#[cfg_attr(feature = "demo", expect(clippy::struct_excessive_bools, reason = "each is a flag of its own"))]
pub struct Args {
    /// Command that replaces the screen.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub connection: Connection,

    /// Room to join; repeat the option for more rooms. The first one is shown. The rooms of the last run are joined too,
    /// until you leave them with `/leave`.
    #[arg(long = "room", value_name = "ROOM")]
    pub rooms: Vec<String>,

    /// Do not join the rooms of the last run.
    #[arg(long)]
    pub no_rejoin: bool,

    /// Store no files. Otherwise read positions, joined rooms and unsent texts are stored in `$XDG_STATE_HOME/realtime`, by default
    /// below `~/.local/state`.
    #[arg(long)]
    pub no_state: bool,

    /// Leave the mouse to the terminal. Otherwise it scrolls, chooses, selects and opens links. Alt-M switches between both.
    #[arg(long)]
    pub no_mouse: bool,

    #[command(flatten)]
    pub looks: Looks,
    #[command(flatten)]
    pub config_action: ConfigAction,

    /// Try the client with a server and four users inside this program; nothing else is needed. `/net` simulates
    /// network faults.
    #[cfg(feature = "demo")]
    #[arg(long, conflicts_with_all = ["token", "token_file", "url"])]
    pub demo: bool,
}

/// Flags for colours and signs.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Looks {
    /// Colours: `auto` asks the terminal for its background, `16` uses only the terminal's own colours. Default:
    /// `auto`, or `none` if `NO_COLOR` is set. /theme changes it while the program runs.
    #[arg(long, value_name = "THEME", value_parser = themes())]
    pub theme: Option<Theme>,

    /// Draw rules, arrows and signs in ASCII, as in a locale without UTF-8. Text of others is not changed.
    #[arg(long)]
    pub ascii: bool,
}

/// Flags that print about the configuration and end.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigAction {
    /// Print a `config.toml` with all keys commented out, and exit.
    #[arg(long)]
    pub print_config: bool,

    /// Print the faults of the configuration, and exit with 2, or with 0 if there are none.
    #[arg(long, conflicts_with = "print_config")]
    pub check_config: bool,
}

/// Commands that need no screen.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Print the messages of a room, one per line
    Tail(TailArgs),
    /// Send messages to a room and wait until they are stored
    Send(SendArgs),
    /// Print a script that completes commands and options in a shell
    #[command(after_help = completions_examples("realtime-tui"))]
    Completions(CompletionsArgs),
    /// Print a manual page
    #[command(after_help = man_examples("realtime-tui", "tail"))]
    Man(ManArgs),
}

/// Parser of theme names.
fn themes() -> impl TypedValueParser<Value = Theme> {
    let names = Theme::ALL.map(|(theme, does)| PossibleValue::new(theme.name()).help(does));
    PossibleValuesParser::new(names).map(|name| Theme::named(&name).unwrap_or_default())
}

const EXAMPLES: &str = "\
Examples:
  realtime-tui --demo                    # a chat room to try the client
  realtime-server serve                  # in one terminal: a server
  realtime-server token --user alice > alice.token && chmod 600 alice.token
  realtime-tui --token-file alice.token --room chat-general --room dev
  REALTIME_TOKEN=$(realtime-server token --user bob) realtime-tui --room dev
  realtime-tui --print-config > ~/.config/realtime/config.toml
  make 2>&1 | tail -n 1 | realtime-tui send --room builds
  realtime-tui tail --room dev --json >> dev.ndjson

While it runs: F1 shows the keys and commands, /join ROOM enters a room, Ctrl-C quits. /theme shows the themes; \
NO_COLOR turns colours off.

Exit codes:
  0  you quit                            1  failed while running
  2  wrong arguments, or not a terminal  3  the server refused the token
  4  the server cannot be reached        5  send: not all messages are stored
  128+n  ended by signal n";

/// Reason that there are no arguments to run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Help or version to print.
    Print(String),
    /// Error in one line.
    Wrong(String),
}

impl Args {
    /// Parses the command line, the program's name first.
    pub fn read(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, Answer> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        if let [_, command, words @ ..] = arguments.as_slice()
            && command == "send"
        {
            word_order::check(words).map_err(Answer::Wrong)?;
        }
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            if error.use_stderr() { Answer::Wrong(one_line(&text)) } else { Answer::Print(printable(&text)) }
        })
    }
}

/// Error of clap in one line, without the usage.
fn one_line(text: &str) -> String {
    let error = text.split("\n\nUsage:").next().unwrap_or(text);
    let words: Vec<&str> = error.split_whitespace().collect();
    let sentence = words.join(" ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
    let sentence =
        sentence.strip_suffix("For more information, try '--help'.").unwrap_or(sentence).trim_end();
    // The error repeats words of the command line, which a script may have from others.
    format!("{} (--help explains)", sanitize::line(sentence))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn wrong(arguments: &[&str]) -> String {
        match Args::read(["realtime-tui"].iter().chain(arguments)) {
            Err(Answer::Wrong(line)) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn errors_are_one_line() {
        for (arguments, part) in [
            (&["--rom", "x"][..], "unexpected argument '--rom'"),
            (&["--room"], "--room"),
            (&["--theme", "beige"], "auto, dark, light, 16, none"),
            (&["chat"], "unrecognized subcommand 'chat'"),
            (&["tail"], "--room"),
            (&["tail", "--room", "a", "--room", "b"], "--room"),
            (&["tail", "--room", "a", "--last", "1001"], "1001"),
            (&["tail", "--room", "a", "--last", "1", "--since", ""], "--since"),
            (&["send", "hi"], "--room"),
            (&["send", "--room", "a", "--timeout", "0"], "--timeout"),
            (&["--room", "a", "tail", "--room", "a"], "tail"),
        ] {
            let line = wrong(arguments);
            assert!(line.contains(part) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn examples_keep_their_lines_in_the_help_and_the_man_pages() {
        assert_eq!(realtime_shell::broken_examples(&Args::command()), Vec::<String>::new());
    }

    #[test]
    fn help_names_the_options_and_variables() {
        let Err(Answer::Print(help)) = Args::read(["realtime-tui", "--help"]) else { panic!("no help") };
        for part in [
            "--token-file",
            "REALTIME_TOKEN",
            "REALTIME_URL",
            "--room",
            "--no-state",
            "--no-rejoin",
            "--config",
            "--theme",
            "--ascii",
            "Examples:",
            "Exit codes:",
            "F1",
        ] {
            assert!(help.contains(part), "{part}");
        }
    }
}
