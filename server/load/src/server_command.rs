//! The command line of this repository's server, without limits that a measurement would meet.

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
    "--max-new-rooms-per-user",
    "0",
    "--max-rooms",
    "0",
    "--log",
    "warn",
];

/// The engine of a server.
#[derive(Clone, Copy)]
pub enum Storage<'a> {
    Memory,
    File,
    Redis { url: &'a str, aof: Aof },
}

/// The server at the path `server` and its arguments. `{port}` and `{data}` in them are still to be replaced.
#[must_use]
pub fn command(server: &str, storage: Storage<'_>, further_arguments: &[String]) -> Vec<String> {
    let storage = match storage {
        Storage::Memory => vec!["--memory"],
        Storage::File => vec![],
        Storage::Redis { url, aof } => vec!["--redis-url", url, "--redis-aof", aof.word()],
    };
    [server]
        .iter()
        .chain(ARGUMENTS)
        .chain(&storage)
        .map(ToString::to_string)
        .chain(further_arguments.iter().cloned())
        .collect()
}
