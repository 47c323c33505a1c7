//! How our own binary, of this build, is started: with no limit that a measurement would meet.

use crate::redis::Aof;

const ARGUMENTS: &[&str] = &[
    "serve",
    "--listen",
    "127.0.0.1:{port}",
    "--data-dir",
    "{data}",
    "--max-connections-per-address",
    "0",
    "--max-connections-per-user",
    "0",
    "--max-messages-per-second",
    "0",
    "--log",
    "warn",
];

/// Where rooms are.
#[derive(Clone, Copy)]
pub(crate) enum Rooms<'a> {
    Memory,
    File,
    Redis { url: &'a str, aof: Aof },
}

/// The program and its arguments, in which `{port}` and `{data}` are still to be replaced.
pub(crate) fn command(rooms: Rooms<'_>, further_arguments: &[String]) -> Vec<String> {
    let rooms = match rooms {
        Rooms::Memory => vec!["--memory"],
        Rooms::File => vec![],
        Rooms::Redis { url, aof } => vec!["--redis-url", url, "--redis-aof", aof.word()],
    };
    [env!("CARGO_BIN_EXE_realtime-server")]
        .iter()
        .chain(ARGUMENTS)
        .chain(&rooms)
        .map(ToString::to_string)
        .chain(further_arguments.iter().cloned())
        .collect()
}
