//! Arguments of the command `man`.

/// Commands that have their own page.
const PAGES: [&str; 4] = ["tail", "send", "completions", "man"];

/// Arguments of the command `man`.
#[derive(Debug, Clone, clap::Args)]
pub struct ManArgs {
    /// The page of this command [default: the program's]
    #[arg(value_name = "COMMAND", value_parser = PAGES)]
    pub command: Option<String>,
}

impl ManArgs {
    /// Page of `program` as roff.
    #[must_use]
    pub fn page(&self, program: clap::Command) -> Vec<u8> {
        realtime_shell::man_page(program, self.command.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Args;
    use super::*;

    #[test]
    fn each_command_has_a_page() {
        let program = Args::command();
        assert_eq!(program.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>(), PAGES);
        for name in PAGES {
            let page = ManArgs { command: Some(name.to_owned()) }.page(Args::command());
            let page = String::from_utf8(page).expect("UTF-8");
            assert!(page.contains(&format!(".TH realtime-tui-{name} 1")), "{page}");
        }
    }
}
