//! Command line: arguments of each command, and their conversion into checked types.
//!
//! Every flag of `serve` can also be given in the environment, as `REALTIME_` and the name of the flag in capitals; the
//! command line has precedence. To add a subcommand: a variant of [`Command`] and a module here.

#![expect(clippy::doc_markdown, reason = "--help shows the doc comment of a flag as it is")]

mod backup;
mod data;
mod environment;
mod export;
mod greeting;
mod import;
mod progress;
mod redis;
mod reload;
mod secret;
mod serve;
mod shell;
mod token;
mod units;
mod usage;
mod vacuum;

use std::fmt;
use std::io::{self, IsTerminal};

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use realtime_shell::{CompletionsArgs, completions_examples, keep_lines, man_examples, printable};

pub(crate) use backup::BackupArgs;
pub(crate) use data::ToolError;
pub(crate) use environment::unknown_variables;
pub(crate) use export::ExportArgs;
pub(crate) use greeting::greeting;
pub(crate) use import::ImportArgs;
pub(crate) use reload::ReloadTrigger;
pub(crate) use secret::Origin;
pub(crate) use serve::{Plan, ServeArgs};
pub(crate) use shell::ManArgs;
pub(crate) use token::TokenArgs;
pub(crate) use usage::UsageError;
pub(crate) use vacuum::VacuumArgs;

const EXAMPLES: &str = "\
Examples:
  realtime-server serve
      Rooms for this host, at ws://127.0.0.1:8000/api/v1/ws
  realtime-server token --user alice
      A token for alice, for use in a client
  REALTIME_TOKEN=$(realtime-server token --user alice) realtime-tui --room dev
      Alice, in the terminal
  realtime-server backup /backups/rooms.db
      A copy of all rooms; the server may run

`realtime-server COMMAND --help` describes each command in full.";

/// Chat hub: rooms over WebSocket
#[derive(Debug, Parser)]
#[command(name = "realtime-server", version, after_help = keep_lines(EXAMPLES), max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server until SIGTERM or Ctrl-C
    Serve(Box<ServeArgs>),
    /// Print a token for a user
    Token(TokenArgs),
    /// Print rooms as lines of JSON
    Export(ExportArgs),
    /// Add rooms from lines of JSON
    Import(ImportArgs),
    /// Copy all rooms to a file; the server may run
    Backup(BackupArgs),
    /// Write the store anew, without remnants of dropped messages; no server may run
    Vacuum(VacuumArgs),
    /// Print a completion script for a shell
    #[command(after_help = completions_examples("realtime-server"))]
    Completions(CompletionsArgs),
    /// Print a manual page
    #[command(after_help = man_examples("realtime-server", "serve"))]
    Man(ManArgs),
}

/// Result of parsing that is not a command.
pub(crate) enum Stop {
    /// Help or version text.
    Shown(String),
    Usage(UsageError),
}

/// Parses the arguments and the environment of this process.
pub(crate) fn parse() -> Result<Cli, Stop> {
    Cli::try_parse().map_err(|fault| match fault.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Stop::Shown(shown(&fault)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Stop::Usage(UsageError::Arguments("no command; see `realtime-server --help`".to_owned()))
        }
        _ => Stop::Usage(UsageError::Arguments(one_line(&fault.render()))),
    })
}

/// Help or version as it is printed, with styles on a terminal.
fn shown(text: &clap::Error) -> String {
    let text = text.render();
    printable(&if io::stdout().is_terminal() { text.ansi().to_string() } else { text.to_string() })
}

/// Fault and tip in one line, without the usage text of clap.
fn one_line(fault: &impl fmt::Display) -> String {
    let text = fault.to_string();
    let paragraphs = text.split("\n\n").take_while(|paragraph| !paragraph.starts_with("Usage:"));
    let lines: Vec<_> = paragraphs
        .filter(|paragraph| !paragraph.trim_start().starts_with("For more information"))
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.join("; ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_has_a_variable_and_a_heading() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").expect("serve");
        for flag in serve.get_arguments().filter_map(|argument| Some((argument.get_long()?, argument))) {
            let variable = format!("REALTIME_{}", flag.0.to_uppercase().replace('-', "_"));
            assert_eq!(flag.1.get_env(), Some(variable.as_ref()), "--{}", flag.0);
            assert!(flag.1.get_help_heading().is_some(), "--{} is under no heading", flag.0);
        }
    }

    #[test]
    fn examples_keep_their_lines_in_the_help_and_the_man_pages() {
        assert_eq!(realtime_shell::broken_examples(&Cli::command()), Vec::<String>::new());
    }

    /// Rows of a table in a section of the README: flag, variable and default, without quotes.
    fn documented(section: &str) -> Vec<[String; 3]> {
        let readme = include_str!("../../README.md");
        let (_, section) = readme.split_once(&format!("\n## {section}\n")).expect("a section");
        let section = section.split("\n## ").next().unwrap_or(section);
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `--"));
        rows.map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().replace('`', ""));
            std::array::from_fn(|_| cells.next().expect("three cells"))
        })
        .collect()
    }

    #[test]
    fn the_readme_lists_every_flag_with_its_variable_and_default() {
        for subcommand in ["serve", "token", "export", "import", "backup", "vacuum"] {
            let section = format!("Flags of `{subcommand}`");
            let mut command = Cli::command();
            command.build();
            let command = command.find_subcommand(subcommand).expect("a subcommand");
            let flags: Vec<_> = command
                .get_arguments()
                .filter(|argument| argument.get_id() != "help" && argument.get_long().is_some())
                .collect();
            let documented = documented(&section);
            assert_eq!(flags.len(), documented.len(), "{section}");
            for (flag, [name, variable, default]) in flags.into_iter().zip(documented) {
                assert_eq!(flag.get_long(), Some(name.as_str()), "the order of --help");
                assert_eq!(flag.get_env().and_then(OsStr::to_str).unwrap_or_default(), variable, "--{name}");
                // A flag without a value describes its default in words, and clap does not know every default.
                let default_value =
                    flag.get_default_values().first().filter(|_| flag.get_action().takes_values());
                assert!(default_value.is_none_or(|value| **value == *default.as_str()), "--{name}");
            }
        }
    }

    #[test]
    fn usage_errors_are_one_line() {
        for words in [
            &["serve", "--listne", "x"][..],
            &["serve", "--listen", "nowhere"],
            &["serve", "--workers", "0"],
            &["serve", "--log-format", "xml"],
            &["token"],
            &["token", "--user", ""],
            &["token", "--user", "a\nb"],
            &["srve"],
        ] {
            let all = [&["realtime-server"], words].concat();
            let line = one_line(&Cli::try_parse_from(all).expect_err("wrong").render());
            assert!(!line.contains('\n') && !line.contains("Usage") && !line.is_empty(), "{line}");
            assert!(words.len() < 2 || line.contains(words[1]), "{line}");
        }
    }
}
