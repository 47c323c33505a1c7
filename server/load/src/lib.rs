//! The load generator: it measures the cost of a delivery, the latency of messages, and the memory of a connection.
//!
//! ```text
//! options ─▶ targets × scenes ─▶ run: join → warm up → measure → drain → check ─▶ report
//!                                 └ connection: upgrade, frames ── sender, observer: marks
//! ```
//!
//! One thread drives raw sockets through a poll and reads only the first bytes of a delivery, so the load costs far
//! less than the server. It prints its own cost as proof. Traffic is checked, not only timed: see the `check` column in
//! `--help`.
//!
//! To add a scene: `scene.rs`. To add a dialect: `dialect.rs`. The arguments of this repository's server are in
//! `server_command.rs`. The public modules serve the server's other benchmarks as well.

mod connection;
mod dialect;
mod frame;
mod handshake;
pub mod histogram;
mod many_rooms;
mod mark;
mod observer;
mod options;
mod pacer;
pub mod process;
pub mod program;
pub mod redis;
mod report;
mod run;
mod scene;
mod sender;
pub mod server_command;
mod target;
pub mod tokens;

use std::process::ExitCode;

use clap::Parser;

use self::options::Options;
use self::report::{Row, Table};
use self::scene::{Measured, Scene};
use self::target::{Setup, Target};
use self::tokens::Tokens;

/// Open files beside the connections: the poll, the standard streams, the log of a server.
const SPARE_FILES: u64 = 64;

/// Runs the load generator with the arguments of this process. `server` is the path of the server to measure.
#[must_use]
pub fn main(server: &str) -> ExitCode {
    let Some(arguments) = bench_arguments() else { return ExitCode::SUCCESS };
    match run_all(&Options::parse_from(arguments), server) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments of a benchmark, without the `--bench` that `cargo bench` adds. `None` without `--bench`: a test
/// runner started the benchmark, which must not start a load then.
#[must_use]
pub fn bench_arguments() -> Option<Vec<String>> {
    let (bench, arguments): (Vec<_>, Vec<_>) = std::env::args().partition(|argument| argument == "--bench");
    (!bench.is_empty()).then_some(arguments)
}

/// Runs all scenes at all targets, and returns true if every scene passed its check.
fn run_all(options: &Options, server: &str) -> Result<bool, String> {
    let scenes = options.scenes();
    let targets = options.targets(server)?;
    let tokens = options.tokens();
    let files = process::raise_open_files();
    if let Some(scene) = scenes.iter().find(|scene| scene.connections() as u64 + SPARE_FILES > files) {
        let connections = scene.connections();
        return Err(format!(
            "{} needs {connections} connections, the limit of open files is {files}",
            scene.name
        ));
    }
    process::sharpen_timers();
    let setup = options.setup();
    if setup.server_cores.is_some() {
        process::pin_self(&options.load_cores)?;
    }

    let table = |line: &str| if options.json { eprintln!("{line}") } else { println!("{line}") };
    table(&setting(options, &setup));
    let has_lists = scenes.iter().any(|scene| scene.measured == Measured::Lists);
    let lines = Table { on_redis: setup.redis.is_some(), has_others: setup.redis.is_some() || has_lists };
    table(&lines.head());
    let mut rows = Vec::new();
    for target in &targets {
        for scene in &scenes {
            let row = run_one(target, scene, options, &tokens, &setup);
            table(&lines.row(&row));
            if options.json {
                println!("{}", row.json_line());
            }
            rows.push(row);
        }
    }
    let (first, others) = rows.split_at(scenes.len());
    if !others.is_empty() {
        table(&format!("\nAs multiples of {}:", targets[0].name));
        let ratios = others.chunks(scenes.len()).flat_map(|rows| rows.iter().zip(first));
        ratios.filter_map(|(other, first)| lines.ratios(other, first)).for_each(|line| table(&line));
    }
    Ok(rows.iter().all(Row::is_ok))
}

/// Runs a scene at a target. A failure becomes a row, too.
fn run_one(target: &Target, scene: &Scene, options: &Options, tokens: &Tokens, setup: &Setup<'_>) -> Row {
    let servers = match target.open(setup) {
        Ok(servers) => servers,
        Err(error) => return Row::failed(&target.name, scene, error),
    };
    let outcome = match scene.measured {
        Measured::Lists => many_rooms::run(scene, &servers, options, tokens),
        _ => run::run(scene, &servers, options, tokens),
    };
    match outcome {
        Ok(outcome) => Row::new(&target.name, scene, outcome),
        Err(error) => {
            let log = servers.log_tail().map(|log| format!("; the end of its server's log:\n{log}"));
            Row::failed(&target.name, scene, error + &log.unwrap_or_default())
        }
    }
}

fn setting(options: &Options, setup: &Setup<'_>) -> String {
    let cores = match setup.server_cores {
        Some(cores) => format!("started servers on core {cores}, load on core {}", options.load_cores),
        None => "nothing pinned".to_owned(),
    };
    let redis = setup.redis.map(|aof| {
        let cores = setup.redis_cores.map(|cores| format!(" on core {cores}")).unwrap_or_default();
        format!("; {} on a Redis{cores}, AOF {}", instances(setup.instances), aof.word())
    });
    let tcp = process::congestion_control().map(|name| format!("; tcp {name}")).unwrap_or_default();
    format!(
        "{} s after {} s of warm-up, texts of {} bytes; {cores}{}{tcp}",
        options.seconds.as_secs_f64(),
        options.warm_up.as_secs_f64(),
        options.text_bytes,
        redis.unwrap_or_default(),
    )
}

fn instances(count: usize) -> String {
    if count == 1 { "one instance".to_owned() } else { format!("{count} instances") }
}
