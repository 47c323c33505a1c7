//! Arguments → configuration → [`realtime_tui::runtime`] → exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use realtime_tui::cli::{Answer, Args};
use realtime_tui::config::Config;
use realtime_tui::runtime::{self, Outcome};

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(Answer::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Answer::Wrong(line)) => return fail(2, &line),
    };
    let config = match Config::check(&args, |name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return fail(2, &error.to_string()),
    };
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return fail(2, "not a terminal: standard input and output have to be one");
    }
    match runtime::start(config) {
        Outcome::Quit => ExitCode::SUCCESS,
        Outcome::Failed(line) => fail(1, &line),
        Outcome::Rejected(line) => fail(3, &line),
        Outcome::Unreachable(line) => fail(4, &line),
        Outcome::Signal(number) => ExitCode::from(128_u8.saturating_add(number)),
    }
}

fn fail(code: u8, line: &str) -> ExitCode {
    eprintln!("realtime-tui: {line}");
    ExitCode::from(code)
}
