//! The binary: arguments → configuration → [`realtime_tui::runtime`] or [`realtime_tui::pipe`] → exit code.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use realtime_tui::cli::{Answer, Args, Command, Connection};
use realtime_tui::config::{Config, ConfigFile};
#[cfg(feature = "demo")]
use realtime_tui::demo::{self, Demo, DemoError};
use realtime_tui::pipe::{self, PlanError, SendPlan, TailPlan};
use realtime_tui::runtime::{self, End, Extensions, Outcome};
use realtime_tui::settings;
use realtime_tui::state::unsent;
use realtime_tui::terminal;

const NO_TERMINAL: &str = "not a terminal: standard input and output must be one; \
    `realtime-tui tail` and `realtime-tui send` work without a screen (--help explains)";

const DUMB: &str = "a dumb terminal (TERM=dumb) cannot show a screen; \
    `realtime-tui tail` and `realtime-tui send` work without a screen (--help explains)";

fn main() -> ExitCode {
    let args = match Args::read(std::env::args_os()) {
        Ok(args) => args,
        Err(Answer::Print(text)) => {
            return print(text.as_bytes());
        }
        Err(Answer::Wrong(line)) => return fail(2, &line),
    };
    match args.command {
        Some(Command::Tail(args)) => without_screen(&args.target.connection, |file| {
            TailPlan::check(&args, &file.settings, variable).map(pipe::tail)
        }),
        Some(Command::Send(args)) => without_screen(&args.target.connection, |file| {
            SendPlan::check(&args, &file.settings, variable).map(pipe::send)
        }),
        Some(Command::Completions(args)) => print(&realtime_shell::completions(Args::command(), args.shell)),
        Some(Command::Man(args)) => print(&args.page(Args::command())),
        None if args.config_action.print_config => print(settings::example().as_bytes()),
        None if args.config_action.check_config => check_config(&args.connection),
        None => with_screen(args),
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn without_screen(
    connection: &Connection,
    run: impl FnOnce(&ConfigFile) -> Result<Outcome, PlanError>,
) -> ExitCode {
    let file = match config_file(connection) {
        Ok(file) => file,
        Err(code) => return code,
    };
    match run(&file) {
        Ok(outcome) => exit_code(outcome),
        Err(error) => fail(2, &error.to_string()),
    }
}

/// Loads the user's file. Prints its warnings at once, because they may explain a later failure.
fn config_file(connection: &Connection) -> Result<ConfigFile, ExitCode> {
    let file = ConfigFile::load(connection.config.as_deref(), variable)
        .map_err(|error| fail(2, &error.to_string()))?;
    for warning in file.warnings() {
        report(&warning);
    }
    Ok(file)
}

fn check_config(connection: &Connection) -> ExitCode {
    match ConfigFile::load(connection.config.as_deref(), variable) {
        Ok(file) if file.faults.is_empty() => print(format!("{}\n", file.no_faults_line()).as_bytes()),
        Ok(file) => {
            print(file.report().as_bytes());
            ExitCode::from(2)
        }
        Err(error) => fail(2, &error.to_string()),
    }
}

/// Prints to standard output. A reader that closes the pipe early is not an error.
fn print(text: &[u8]) -> ExitCode {
    let mut output = std::io::stdout();
    match output.write_all(text).and_then(|()| output.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            fail(1, &format!("cannot write to standard output: {error}"))
        }
        _ => ExitCode::SUCCESS,
    }
}

#[cfg_attr(not(feature = "demo"), expect(clippy::needless_pass_by_value, reason = "the demo changes them"))]
fn with_screen(args: Args) -> ExitCode {
    #[cfg(feature = "demo")]
    let (args, demo) = match with_demo(args) {
        Ok(both) => both,
        Err(error) => return fail(1, &error.to_string()),
    };
    let file = match config_file(&args.connection) {
        Ok(file) => file,
        Err(code) => return code,
    };
    let config = match Config::check(&args, &file, variable) {
        Ok(config) => config,
        Err(error) => return fail(2, &error.to_string()),
    };
    #[cfg(feature = "demo")]
    let extensions = match &demo {
        Some(demo) => Extensions {
            commands: demo::EXTENSIONS,
            hook: Box::new(demo.hook()),
            network_up: demo.network_up(),
        },
        None => Extensions { commands: demo::UNAVAILABLE, ..Extensions::default() },
    };
    #[cfg(not(feature = "demo"))]
    let extensions = Extensions::default();
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return fail(2, NO_TERMINAL);
    }
    if terminal::is_dumb(&std::env::var("TERM").unwrap_or_default()) {
        return fail(2, DUMB);
    }
    let state = config.state.as_ref().map(|location| location.directory.clone());
    let end = runtime::start(config, extensions);
    report_unsent(&end, state.as_deref());
    exit_code(end.outcome)
}

fn exit_code(outcome: Outcome) -> ExitCode {
    match outcome {
        Outcome::Quit => ExitCode::SUCCESS,
        Outcome::Failed(line) => fail(1, &line),
        Outcome::Rejected(line) => fail(3, &line),
        Outcome::Unreachable(line) => fail(4, &line),
        Outcome::NotStored => ExitCode::from(5),
        // The panic hook has printed the panic.
        Outcome::Panicked => ExitCode::from(101),
        Outcome::Signal(number) => ExitCode::from(128_u8.saturating_add(number)),
    }
}

/// Starts the demo if it was requested, and points the arguments at it. It runs until it is dropped.
#[cfg(feature = "demo")]
fn with_demo(mut args: Args) -> Result<(Args, Option<Demo>), DemoError> {
    if !args.demo {
        return Ok((args, None));
    }
    let demo = demo::start()?;
    args.connection.url = Some(demo.url.clone());
    args.connection.token = Some(demo.token.clone());
    args.no_state = true;
    if args.rooms.is_empty() {
        args.rooms = demo.rooms.iter().map(ToString::to_string).collect();
    }
    Ok((args, Some(demo)))
}

/// Prints texts that were not sent. If the terminal is gone, closing or does not read, and the next start does not have
/// the texts, saves them in the directory of the state as well.
fn report_unsent(end: &End, state: Option<&Path>) {
    if end.unsent.is_empty() {
        return;
    }
    let lines = end.unsent.iter().map(|text| format!("  {}\n", text.as_str().replace('\n', "\n    ")));
    let lines: String = lines.collect();
    let kept = if end.is_kept { "realtime-tui: the next start has these texts again\n" } else { "" };
    let text = format!("realtime-tui: not sent:\n{lines}{kept}");
    let is_reported = print_error(&text);
    if end.is_kept {
        return;
    }
    if is_reported && !end.outcome.is_hangup() && !terminal::has_stalled() {
        return;
    }
    let Some(directory) = state else { return };
    let dated = format!("{}\n{lines}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M"));
    match unsent::keep(directory, &dated) {
        Ok(path) => report(&format!("these texts are saved in {}", path.display())),
        Err(error) => {
            if !is_reported {
                let _ = terminal::print(&text);
            }
            report(&format!("these texts cannot be saved in {}: {error}", directory.display()));
        }
    }
}

fn fail(code: u8, line: &str) -> ExitCode {
    report(line);
    ExitCode::from(code)
}

fn report(line: &str) {
    // If standard error is closed, the line is lost.
    let _ = print_error(&format!("realtime-tui: {line}\n"));
}

/// Prints to standard error, or to a terminal that does not read, for a bounded time.
fn print_error(text: &str) -> bool {
    if terminal::has_stalled() {
        terminal::print(text)
    } else {
        std::io::stderr().write_all(text.as_bytes()).is_ok()
    }
}
