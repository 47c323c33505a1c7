//! Shell completions and man pages of a program, generated from its clap command.
//!
//! Both programs print them. The crate is separate from `realtime-shared`, because bots use that crate and need no
//! clap.

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// Arguments of the command `completions`.
#[derive(Debug, Clone, clap::Args)]
pub struct CompletionsArgs {
    /// Shell to print the script for
    pub shell: Shell,
}

/// Generates the completion script of `program` for a shell.
#[must_use]
pub fn completions(mut program: Command, shell: Shell) -> Vec<u8> {
    let name = program.get_name().to_owned();
    let mut script = Vec::new();
    generate(shell, &mut program, &name, &mut script);
    if shell == Shell::Bash { unify_names(&script, &name) } else { script }
}

/// Gives the program's name one spelling in a bash script.
///
/// `clap_complete` 4.6 spells the hyphen of the name in two ways, so bash finds no command's options
/// (<https://github.com/clap-rs/clap/issues/6421>). Once that is fixed, this function changes nothing and can be
/// removed.
fn unify_names(script: &[u8], name: &str) -> Vec<u8> {
    let (wrong, right) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
    String::from_utf8_lossy(script).replace(&wrong, &right).into_bytes()
}

/// Renders the man page of `program`, or of one of its commands, as roff.
#[must_use]
pub fn man_page(program: Command, command: Option<&str>) -> Vec<u8> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let source = format!("{} {}", program.get_name(), program.get_version().unwrap_or_default());
    let command = command.and_then(|name| program.find_subcommand(name));
    let mut page = Vec::new();
    let man = Man::new(command.unwrap_or(&program).clone());
    // Writing to a buffer does not fail.
    let _ = man.source(source).render(&mut page);
    page
}

/// Examples for the help of the command `completions`.
#[must_use]
pub fn completions_examples(name: &str) -> String {
    format!(
        "\
Examples:
  {name} completions bash > ~/.local/share/bash-completion/completions/{name}
  {name} completions zsh > ~/.zfunc/_{name}
  {name} completions fish > ~/.config/fish/completions/{name}.fish"
    )
}

/// Examples for the help of the command `man`; `command` is the command in the second example.
#[must_use]
pub fn man_examples(name: &str, command: &str) -> String {
    format!(
        "\
Examples:
  {name} man > ~/.local/share/man/man1/{name}.1
  {name} man {command} > ~/.local/share/man/man1/{name}-{command}.1"
    )
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ValueEnum};

    use super::*;

    fn program() -> Command {
        let token = Command::new("token").about("Print a token").arg(Arg::new("ttl").long("ttl"));
        Command::new("a-program").version("1.2.3").after_help("Exit codes: 0").subcommand(token)
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn the_script_of_each_shell_has_commands_and_options() {
        for shell in Shell::value_variants() {
            let script = text(completions(program(), *shell));
            assert!(script.contains("token") && script.contains("ttl"), "{shell}");
        }
    }

    #[test]
    fn bash_completes_commands_and_their_options() {
        let script = text(completions(program(), Shell::Bash));
        let complete = |words: &[&str]| {
            let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
            let run = format!(
                "{script}\nCOMP_WORDS=({}); COMP_CWORD={}\n_a__program a-program {last} {before}; echo \"${{COMPREPLY[@]}}\"",
                words.join(" "),
                words.len() - 1,
            );
            let output =
                std::process::Command::new("bash").args(["--norc", "-c", &run]).output().expect("bash");
            text(output.stdout).trim().to_owned()
        };
        assert_eq!(complete(&["a-program", "toke"]), "token");
        assert_eq!(complete(&["a-program", "token", "--tt"]), "--ttl");
    }

    #[test]
    fn the_program_and_its_commands_have_man_pages() {
        let page = text(man_page(program(), None));
        assert!(page.contains("a\\-program\\-token(1)") && page.contains("Exit codes"), "{page}");
        assert!(page.contains("a-program 1.2.3") && !page.contains("help(1)"), "{page}");
        let page = text(man_page(program(), Some("token")));
        assert!(page.contains(".TH a-program-token 1"), "{page}");
    }
}
