//! `realtime-server completions` and `man`: completion scripts and manual pages.

use clap::Args;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// Commands with a manual page of their own.
const PAGES: [&str; 7] = ["serve", "token", "export", "import", "backup", "completions", "man"];

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS)]
pub(crate) struct CompletionsArgs {
    /// Shell to print the script for
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = MAN)]
pub(crate) struct ManArgs {
    /// Command whose page to print [default: the program itself]
    #[arg(value_name = "COMMAND", value_parser = PAGES)]
    command: Option<String>,
}

const COMPLETIONS: &str = "\
Examples:
  realtime-server completions bash > ~/.local/share/bash-completion/completions/realtime-server
  realtime-server completions zsh > ~/.zfunc/_realtime-server
  realtime-server completions fish > ~/.config/fish/completions/realtime-server.fish";

const MAN: &str = "\
Examples:
  realtime-server man > ~/.local/share/man/man1/realtime-server.1
  realtime-server man serve > ~/.local/share/man/man1/realtime-server-serve.1";

impl CompletionsArgs {
    /// Completion script of `program`.
    pub(crate) fn script(&self, mut program: clap::Command) -> Vec<u8> {
        let mut script = Vec::new();
        generate(self.shell, &mut program, "realtime-server", &mut script);
        if self.shell == Shell::Bash { with_one_spelling(&script) } else { script }
    }
}

/// Works around `clap_complete` 4.6, which spells the hyphen of the program's name in two ways, so that bash finds no
/// options of a command (<https://github.com/clap-rs/clap/issues/6421>). It changes nothing once that is fixed.
fn with_one_spelling(script: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(script).replace("realtime__subcmd__server", "realtime__server").into_bytes()
}

impl ManArgs {
    /// Manual page of `program`, as roff.
    pub(crate) fn page(&self, program: clap::Command) -> Vec<u8> {
        let mut program = program.disable_help_subcommand(true);
        program.build();
        let command = self.command.as_ref().and_then(|name| program.find_subcommand(name));
        let mut page = Vec::new();
        let man = Man::new(command.unwrap_or(&program).clone());
        // Writing to a buffer does not fail.
        let _ = man.source(concat!("realtime-server ", env!("CARGO_PKG_VERSION"))).render(&mut page);
        page
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use clap::{CommandFactory, ValueEnum};

    use super::super::Cli;
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn each_script_contains_commands_and_options() {
        for shell in Shell::value_variants() {
            let script = text(CompletionsArgs { shell: *shell }.script(Cli::command()));
            for word in ["serve", "token", "retain", "ttl", "jwt-secret-file"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn bash_completes_commands_and_their_options() {
        let script = text(CompletionsArgs { shell: Shell::Bash }.script(Cli::command()));
        let complete = |words: &[&str]| {
            let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
            let ask = format!(
                "{script}\nCOMP_WORDS=({}); COMP_CWORD={}\n_realtime__server realtime-server {last} {before}; echo \"${{COMPREPLY[@]}}\"",
                words.join(" "),
                words.len() - 1,
            );
            let output = Command::new("bash").args(["--norc", "-c", &ask]).output().expect("bash");
            text(output.stdout).trim().to_owned()
        };
        assert_eq!(complete(&["realtime-server", "toke"]), "token");
        assert_eq!(complete(&["realtime-server", "token", "--tt"]), "--ttl");
    }

    #[test]
    fn each_command_has_a_manual_page() {
        let program = Cli::command();
        assert_eq!(program.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>(), PAGES);
        let page = text(ManArgs { command: None }.page(Cli::command()));
        for name in PAGES {
            assert!(page.contains(&format!("realtime\\-server\\-{name}(1)")), "{name}: {page}");
            let page = text(ManArgs { command: Some(name.to_owned()) }.page(Cli::command()));
            assert!(page.contains(&format!(".TH realtime-server-{name} 1")), "{page}");
        }
        assert!(!page.contains("help(1)") && page.contains("Examples:"), "{page}");
    }
}
