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

/// Space of a line that keeps its words together. clap breaks lines at ASCII spaces only.
const KEPT_SPACE: char = '\u{a0}';

/// Protects the indented lines of a help text, such as examples, from being wrapped. Paragraphs are wrapped to the width of
/// the terminal, so each is one line of the text. [`printable`] restores the spaces.
#[must_use]
pub fn keep_lines(text: &str) -> String {
    let kept = |line: &str| line.replace(' ', KEPT_SPACE.encode_utf8(&mut [0; 2]));
    let lines = text.lines().map(|line| if line.starts_with(' ') { kept(line) } else { line.to_owned() });
    lines.collect::<Vec<_>>().join("\n")
}

/// Restores the spaces of a help that clap has rendered.
#[must_use]
pub fn printable(help: &str) -> String {
    help.replace(KEPT_SPACE, " ")
}

/// Encloses kept lines in the requests that turn filling off and on.
fn keep_lines_in_roff(page: &str) -> String {
    let mut kept = String::with_capacity(page.len());
    let mut is_filling = true;
    for line in page.lines() {
        let fills = !line.contains(KEPT_SPACE);
        if fills != is_filling {
            kept.push_str(if fills { ".fi\n" } else { ".nf\n" });
            is_filling = fills;
        }
        kept.push_str(&printable(line));
        kept.push('\n');
    }
    kept
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
    keep_lines_in_roff(&String::from_utf8_lossy(&page)).into_bytes()
}

/// Examples for the help of the command `completions`.
#[must_use]
pub fn completions_examples(name: &str) -> String {
    keep_lines(&format!(
        "\
Examples:
  {name} completions bash \\
    > ~/.local/share/bash-completion/completions/{name}
  {name} completions zsh > ~/.zfunc/_{name}
  {name} completions fish \\
    > ~/.config/fish/completions/{name}.fish"
    ))
}

/// Examples for the help of the command `man`; `command` is the command in the second example.
#[must_use]
pub fn man_examples(name: &str, command: &str) -> String {
    keep_lines(&format!(
        "\
Examples:
  {name} man > ~/.local/share/man/man1/{name}.1
  {name} man {command} > ~/.local/share/man/man1/{name}-{command}.1"
    ))
}

/// Lines of examples that the help or the man page of a command breaks or joins, or that are wider than 80 columns, each
/// with the name of its command. The help is that of terminals of 40 and of 200 columns. For the tests of a program.
#[must_use]
pub fn broken_examples(program: &Command) -> Vec<String> {
    let mut built = program.clone();
    built.build();
    let commands = std::iter::once((None, &built))
        .chain(built.get_subcommands().map(|command| (Some(command.get_name()), command)));
    commands
        .flat_map(|(name, command)| {
            let examples =
                command.get_after_help().map(|text| printable(&text.to_string())).unwrap_or_default();
            let page = String::from_utf8_lossy(&man_page(program.clone(), name)).into_owned();
            let page = unfilled_lines(&page.replace("\\-", "-").replace("\\*(Aq", "'").replace("\\\\", "\\"));
            let helps = [40, 200]
                .map(|width| printable(&command.clone().term_width(width).render_long_help().to_string()));
            let is_whole = |line: &str| {
                let has = |text: &str| text.lines().any(|shown| shown == line);
                line.chars().count() <= 80 && has(&page) && helps.iter().all(|help| has(help))
            };
            let lines = examples.lines().filter(|line| line.starts_with(' ') && !is_whole(line));
            lines.map(|line| format!("{}: {line}", command.get_name())).collect::<Vec<_>>()
        })
        .collect()
}

/// The lines of a man page that are shown as they are, without filling.
fn unfilled_lines(page: &str) -> String {
    let parts = page.split(".nf\n").skip(1).filter_map(|part| part.split(".fi\n").next());
    parts.collect()
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

    const EXAMPLE: &str =
        "  a-program token --ttl 12h   > 'a long name of a file that does not fit into a row of 80'";

    #[test]
    fn an_example_keeps_its_line_in_help_and_man_page() {
        let paragraph = "word ".repeat(30);
        let program =
            || program().after_help(keep_lines(&format!("{paragraph}\nExamples:\n{EXAMPLE}\n\nEnd")));
        for width in [40, 80, 100, 200] {
            let help = printable(&program().term_width(width).render_long_help().to_string());
            assert!(help.lines().any(|line| line == EXAMPLE), "{width}: {help}");
            let mut rows = help.lines().filter(|line| line.starts_with("word"));
            assert!(rows.all(|line| line.trim_end().len() <= width), "{width}: {help}");
        }
        let page = text(man_page(program(), None));
        let example = EXAMPLE.replace('-', "\\-").replace('\'', "\\*(Aq");
        assert!(page.contains(&format!("Examples:\n.nf\n{example}\n.fi\n\nEnd")), "{page}");
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
