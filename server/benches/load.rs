//! The load generator: what a delivery costs the server, how long a message takes, what a connection weighs.
//!
//! ```text
//! options ─▶ targets × scenes ─▶ run: join → warm up → measure → drain → check ─▶ report
//!                                 └ connection: upgrade, frames ── sender, witness: marks
//! ```
//!
//! One thread drives raw sockets through a poll and looks at no more of a delivery than its first bytes, so that
//! the load costs far less than the server; it prints its own cost to prove it. Traffic is checked, not only
//! timed: see the `check` column in `--help`.
//!
//! A scene is added in `load/scene.rs`, a dialect in `load/dialect.rs`; how our own server is started stands in
//! `load/ours.rs`.

use std::process::ExitCode;

use clap::Parser;

use options::Options;
use report::{Row, Table};
use scene::Scene;
use target::{Setup, Target};
use tokens::Tokens;

#[path = "load/connection.rs"]
mod connection;
#[path = "load/dialect.rs"]
mod dialect;
#[path = "load/frame.rs"]
mod frame;
#[path = "load/histogram.rs"]
mod histogram;
#[path = "load/mark.rs"]
mod mark;
#[path = "load/options.rs"]
mod options;
#[path = "load/ours.rs"]
mod ours;
#[path = "load/pacer.rs"]
mod pacer;
#[path = "load/process.rs"]
mod process;
#[path = "load/redis.rs"]
mod redis;
#[path = "load/report.rs"]
mod report;
#[path = "load/run.rs"]
mod run;
#[path = "load/scene.rs"]
mod scene;
#[path = "load/sender.rs"]
mod sender;
#[path = "load/started.rs"]
mod started;
#[path = "load/target.rs"]
mod target;
#[path = "load/tokens.rs"]
mod tokens;
#[path = "load/witness.rs"]
mod witness;

/// Files open beside the connections: the poll, the standard streams, a server's log.
const SPARE_FILES: u64 = 64;

fn main() -> ExitCode {
    // `cargo bench` passes `--bench`; test runners do not, and must not start a load.
    let (bench, arguments): (Vec<_>, Vec<_>) = std::env::args().partition(|argument| argument == "--bench");
    if bench.is_empty() {
        return ExitCode::SUCCESS;
    }
    match run_all(&Options::parse_from(arguments)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(fault) => {
            eprintln!("load: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every scene passed its check.
fn run_all(options: &Options) -> Result<bool, String> {
    let scenes = options.scenes();
    let targets = options.targets()?;
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
    let lines = Table { on_redis: setup.redis.is_some() };
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

/// A scene at a server; one that fails is a row as well.
fn run_one(target: &Target, scene: &Scene, options: &Options, tokens: &Tokens, setup: &Setup<'_>) -> Row {
    let servers = match target.open(setup) {
        Ok(servers) => servers,
        Err(fault) => return Row::failed(&target.name, scene, fault),
    };
    match run::run(scene, &servers, options, tokens) {
        Ok(outcome) => Row::new(&target.name, scene, outcome),
        Err(fault) => {
            let log = servers.log_tail().map(|log| format!("; its server's last words:\n{log}"));
            Row::failed(&target.name, scene, fault + &log.unwrap_or_default())
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
