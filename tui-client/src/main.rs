//! Arguments → configuration → [`realtime_tui::runtime`] → exit code.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use realtime_tui::cli::{Answer, Args};
use realtime_tui::config::Config;
#[cfg(feature = "demo")]
use realtime_tui::demo::{self, Demo, DemoError};
use realtime_tui::runtime::{self, Outcome};
use realtime_tui::sanitize::Block;

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(Answer::Print(text)) => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(Answer::Wrong(line)) => return fail(2, &line),
    };
    #[cfg(feature = "demo")]
    let (args, _demo) = match with_demo(args) {
        Ok(both) => both,
        Err(error) => return fail(1, &error.to_string()),
    };
    let config = match Config::check(&args, |name| std::env::var(name).ok()) {
        Ok(config) => config,
        Err(error) => return fail(2, &error.to_string()),
    };
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return fail(2, "not a terminal: standard input and output have to be one");
    }
    let end = runtime::start(config);
    tell_unsent(&end.unsent);
    match end.outcome {
        Outcome::Quit => ExitCode::SUCCESS,
        Outcome::Failed(line) => fail(1, &line),
        Outcome::Rejected(line) => fail(3, &line),
        Outcome::Unreachable(line) => fail(4, &line),
        Outcome::Signal(number) => ExitCode::from(128_u8.saturating_add(number)),
    }
}

/// Starts the demo where it is asked for, and lets the arguments be its visitor's. It lasts until it is dropped.
#[cfg(feature = "demo")]
fn with_demo(mut args: Args) -> Result<(Args, Option<Demo>), DemoError> {
    if !args.demo {
        return Ok((args, None));
    }
    let demo = demo::start()?;
    args.url = Some(demo.url.clone());
    args.token = Some(demo.token.clone());
    args.no_state = true;
    if args.rooms.is_empty() {
        args.rooms = demo.rooms.iter().map(ToString::to_string).collect();
    }
    Ok((args, Some(demo)))
}

/// Prints what would be lost otherwise, where there still is a terminal.
fn tell_unsent(unsent: &[Block]) {
    if unsent.is_empty() {
        return;
    }
    let lines = unsent.iter().map(|text| format!("  {}\n", text.as_str().replace('\n', "\n    ")));
    let text = format!("realtime-tui: what you wrote and is not sent:\n{}", lines.collect::<String>());
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn fail(code: u8, line: &str) -> ExitCode {
    eprintln!("realtime-tui: {line}");
    ExitCode::from(code)
}
