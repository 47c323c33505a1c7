//! `realtime-server man`: manual pages.

/// Commands with a page of their own.
const PAGES: [&str; 8] = ["serve", "token", "export", "import", "backup", "vacuum", "completions", "man"];

/// Arguments of the command `man`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Command whose page to print [default: the program itself]
    #[arg(value_name = "COMMAND", value_parser = PAGES)]
    command: Option<String>,
}

impl ManArgs {
    /// Page of `program` as roff.
    pub(crate) fn page(&self, program: clap::Command) -> Vec<u8> {
        realtime_shell::man_page(program, self.command.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;

    #[test]
    fn each_command_has_its_page() {
        let program = Cli::command();
        assert_eq!(program.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>(), PAGES);
        for name in PAGES {
            let page = ManArgs { command: Some(name.to_owned()) }.page(Cli::command());
            let page = String::from_utf8(page).expect("UTF-8");
            assert!(page.contains(&format!(".TH realtime-server-{name} 1")), "{page}");
        }
    }
}
