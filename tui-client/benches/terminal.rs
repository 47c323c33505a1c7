//! Cost of the client on a terminal, beside `irssi` and `weechat` (Debian), measured the same way.
//!
//! ```text
//! stub server ─▶ client in a pseudo-terminal of 120 × 40 ─▶ this program, which reads the output into a screen
//! ```
//!
//! Each client joins one room, receives 10,000 messages as fast as it reads them, and is then left idle. The first screen
//! is the time from the start of the process to the first visible character, for this client including its connection.
//! Memory is resident memory after the flood. Wake-ups are context switches of all threads. The benchmark prints figures
//! and judges nothing. Linux only, because it reads `/proc`.
//!
//! After the flood, messages arrive at the pace of a busy room, most of them in a frame of their own. Arguments are paths
//! of other builds of the client, which are measured before and after this one, so that a drift of the machine shows.

#[path = "terminal/chat.rs"]
mod chat;
#[path = "terminal/client.rs"]
mod client;
#[path = "terminal/irc.rs"]
mod irc;
#[path = "terminal/process.rs"]
mod process;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use client::{Client, Program};

/// Messages of the flood.
const MESSAGES: usize = 10_000;
/// Messages at the pace of a busy room, and the time between two of them.
const PACED: usize = 1_000;
const PACE: Duration = Duration::from_millis(20);
/// Time in which wake-ups are counted.
const QUIET: Duration = Duration::from_secs(10);
/// Number of starts; the first screen is their median.
const STARTS: usize = 11;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Figures of a client.
struct Figures {
    first_screen: Duration,
    resident_before: u64,
    resident: u64,
    cpu: Duration,
    flood: Duration,
    written: usize,
    paced_cpu: Duration,
    wake_ups: u64,
}

fn main() -> ExitCode {
    if !cfg!(target_os = "linux") {
        eprintln!("the benchmark reads /proc, which only Linux has");
        return ExitCode::FAILURE;
    }
    println!(
        "{:<9} {:>12} {:>9} {:>9} {:>10} {:>8} {:>9} {:>10} {:>9}",
        "", "first screen", "at start", "resident", "flood CPU", "took", "written", "paced CPU", "wake-ups"
    );
    let mut failed = false;
    for program in Program::all(std::env::args().skip(1)) {
        match measure(&program) {
            Ok(None) => println!("{:<9} not installed", program.name()),
            Ok(Some(figures)) => print(program.name(), &figures),
            Err(failure) => {
                failed = true;
                println!("{:<9} {failure}", program.name());
            }
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print(name: &str, figures: &Figures) {
    println!(
        "{name:<9} {:>9.1} ms {:>6.1} MB {:>6.1} MB {:>7.0} ms {:>6.1} s {:>6.2} MB {:>7.0} ms {:>9}",
        figures.first_screen.as_secs_f64() * 1e3,
        megabytes(figures.resident_before),
        megabytes(figures.resident),
        figures.cpu.as_secs_f64() * 1e3,
        figures.flood.as_secs_f64(),
        megabytes(figures.written as u64),
        figures.paced_cpu.as_secs_f64() * 1e3,
        figures.wake_ups,
    );
}

#[expect(clippy::cast_precision_loss, reason = "to be read")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// `None` if the program is not installed.
fn measure(program: &Program) -> Result<Option<Figures>, Failure> {
    if !program.is_installed() {
        return Ok(None);
    }
    let mut starts = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let room = program.room()?;
        let mut client = Client::start(program, &*room)?;
        starts.push(client.first_screen()?);
    }
    starts.sort();

    let mut room = program.room()?;
    let mut client = Client::start(program, &*room)?;
    client.first_screen()?;
    client.enter()?;
    room.wait_for_member()?;
    client.wait_quiet()?;
    let before = process::Sample::of(client.pid())?;
    let (written, flood) = (client.written(), Instant::now());
    room.send(1..=MESSAGES, Duration::ZERO)?;
    client.wait_for(&chat::text(MESSAGES))?;
    let flood = flood.elapsed();
    client.wait_quiet()?;
    let after = process::Sample::of(client.pid())?;
    let written = client.written() - written;
    room.send(MESSAGES + 1..=MESSAGES + PACED, PACE)?;
    client.wait_for(&chat::text(MESSAGES + PACED))?;
    client.wait_quiet()?;
    let paced = process::Sample::of(client.pid())?;
    std::thread::sleep(QUIET);
    let wake_ups = process::Sample::of(client.pid())?.switches - paced.switches;
    Ok(Some(Figures {
        first_screen: starts[STARTS / 2],
        resident_before: before.resident,
        resident: after.resident,
        cpu: after.cpu.saturating_sub(before.cpu),
        flood,
        written,
        paced_cpu: paced.cpu.saturating_sub(after.cpu),
        wake_ups,
    }))
}
