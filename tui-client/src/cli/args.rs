//! Arguments of the whole command line: flags of the screen, and the commands without a screen.

use std::ffi::OsString;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};
use realtime_shell::{CompletionsArgs, completions_examples, man_examples};

use super::connection::Connection;
use super::pipe::{SendArgs, TailArgs};
use super::shell::ManArgs;
use crate::app::Theme;

/// What is given on the command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "realtime-tui",
    version,
    about = "Rooms in a terminal.",
    after_help = EXAMPLES,
    max_term_width = 100,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// What to do instead of drawing a screen.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// The server, and as whom.
    #[command(flatten)]
    pub connection: Connection,

    /// A room to be in; give it again for more. The first one is shown.
    #[arg(long = "room", value_name = "ROOM")]
    pub rooms: Vec<String>,

    /// Keep nothing on this machine. Otherwise how far each room is read is kept in `$XDG_STATE_HOME/realtime`, which
    /// is below `~/.local/state` by default.
    #[arg(long)]
    pub no_state: bool,

    /// Leave the mouse to the terminal. Otherwise it scrolls, chooses and selects; Alt-M changes that while it runs.
    #[arg(long)]
    pub no_mouse: bool,

    /// How the screen looks.
    #[command(flatten)]
    pub looks: Looks,
    /// What is asked about the configuration.
    #[command(flatten)]
    pub asked: ConfigQuestion,

    /// Look around: a server and four users who talk, inside this program. Nothing else is needed. `/net` breaks its
    /// network, to see what becomes of messages.
    #[cfg(feature = "demo")]
    #[arg(long, conflicts_with_all = ["token", "token_file", "url"])]
    pub demo: bool,
}

/// How the screen looks.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Looks {
    /// How the screen is to look: `auto` asks the terminal whether it is light or dark, `16` uses the terminal's own
    /// colours only. Without it `auto`, or `none` where `NO_COLOR` is set; /theme changes it while it runs.
    #[arg(long, value_name = "THEME", value_parser = themes())]
    pub theme: Option<Theme>,

    /// Draw rules, arrows and signs with ASCII, as where the locale is not one of UTF-8. What others write stays as it
    /// is.
    #[arg(long)]
    pub ascii: bool,
}

/// What is asked about the configuration. The answer is printed, and nothing else is done.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigQuestion {
    /// Print a `config.toml` with all its keys, none of which is set, and end.
    #[arg(long)]
    pub print_config: bool,

    /// Say what is wrong in the configuration, and end: with 0 where it is nothing, or else with 2.
    #[arg(long, conflicts_with = "print_config")]
    pub check_config: bool,
}

/// What to do without a screen.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Print what is said in a room, a line for each message
    Tail(TailArgs),
    /// Post in a room, and wait until it is stored
    Send(SendArgs),
    /// Print what completes this program's words in a shell
    #[command(after_help = completions_examples("realtime-tui"))]
    Completions(CompletionsArgs),
    /// Print a page of the manual
    #[command(after_help = man_examples("realtime-tui", "tail"))]
    Man(ManArgs),
}

/// Reads a theme by its name.
fn themes() -> impl TypedValueParser<Value = Theme> {
    let names = Theme::ALL.map(|(theme, does)| PossibleValue::new(theme.name()).help(does));
    PossibleValuesParser::new(names).map(|name| Theme::named(&name).unwrap_or_default())
}

const EXAMPLES: &str = "\
Examples:
  realtime-tui --demo                              # a living chat room, to look around
  realtime-server serve                            # in one terminal: a server
  realtime-server token --user alice > alice.token && chmod 600 alice.token
  realtime-tui --token-file alice.token --room chat-general --room dev
  REALTIME_TOKEN=$(realtime-server token --user bob) realtime-tui --room chat-general
  realtime-tui --print-config > ~/.config/realtime/config.toml
  make 2>&1 | tail -n 1 | realtime-tui send --token-file alice.token --room builds
  realtime-tui tail --token-file alice.token --room chat-general --json >> chat.ndjson

Once it runs: F1 shows the keys and commands, /join ROOM enters a room, Ctrl-C quits.
/theme shows how it may look; colours are left out where NO_COLOR is set.

Exit codes: 0 you quit · 1 something failed while it ran · 2 wrong arguments, or not a terminal
  3 the server does not take the token · 4 the server cannot be reached
  5 send: not everything is stored · 128+n ended by signal n";

/// Why there are no arguments to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Help or the version was asked for: print it.
    Print(String),
    /// They are wrong, in one line.
    Wrong(String),
}

impl Args {
    /// Reads the command line, the program's name first.
    pub fn read(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, Answer> {
        Self::try_parse_from(arguments).map_err(|error| {
            let text = error.render().to_string();
            if error.use_stderr() { Answer::Wrong(one_line(&text)) } else { Answer::Print(text) }
        })
    }
}

/// clap's error without the usage that follows it.
fn one_line(text: &str) -> String {
    let error = text.split("\n\nUsage:").next().unwrap_or(text);
    let words: Vec<&str> = error.split_whitespace().collect();
    let sentence = words.join(" ");
    let sentence = sentence.strip_prefix("error: ").unwrap_or(&sentence);
    let sentence =
        sentence.strip_suffix("For more information, try '--help'.").unwrap_or(sentence).trim_end();
    format!("{sentence} (--help explains)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(arguments: &[&str]) -> String {
        match Args::read(["realtime-tui"].iter().chain(arguments)) {
            Err(Answer::Wrong(line)) => line,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn faults_are_one_line() {
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
    fn help_teaches() {
        let Err(Answer::Print(help)) = Args::read(["realtime-tui", "--help"]) else { panic!("no help") };
        for part in [
            "--token-file",
            "REALTIME_TOKEN",
            "REALTIME_URL",
            "--room",
            "--no-state",
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
