//! Structure of the crates: no import goes against the arrows of `ARCHITECTURE.md`, and no files form a circle.
//!
//! A module may import the modules that it reaches along arrows, and the common ones. Imports are read from the
//! sources. Tests are exempt.
//!
//! To add a module: a row in the table of its crate. To add a crate: a table here, and its place in
//! [`ALL_WITH_ARROWS`].

mod circles;
mod imports;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path as FilePath;

use self::rules::{CrateRules, Source};

const SERVER: CrateRules = CrateRules {
    name: "realtime_server",
    directory: "server",
    arrows: &[
        ("main", &["lib", "cli", "listen", "logging", "process"]),
        ("cli", &["lib", "listen", "logging"]),
        ("listen", &[]),
        ("logging", &[]),
        ("process", &[]),
        ("lib", &["http", "lifecycle", "transfer"]),
        ("transfer", &["broker"]),
        ("lifecycle", &[]),
        ("http", &["connection", "framing"]),
        ("connection", &["socket", "session", "room", "framing"]),
        ("socket", &["framing"]),
        ("session", &["auth", "broker", "budget", "search"]),
        ("auth", &[]),
        ("room", &["broker", "budget", "framing"]),
        ("broker", &["store", "redis_endpoint", "budget", "search"]),
        ("budget", &[]),
        ("store", &["search"]),
        ("search", &[]),
        ("files", &[]),
        ("redis_endpoint", &[]),
        ("framing", &[]),
        ("config", &["secret", "clock", "origin", "metrics"]),
        ("clock", &[]),
        ("metrics", &[]),
        ("small_queue", &[]),
        ("secret", &[]),
        ("origin", &[]),
        ("faults", &[]),
    ],
    binary: &["cli", "listen", "logging", "process"],
    common: &["small_queue", "config", "clock", "metrics", "origin", "secret", "faults", "files"],
    interfaces: &[],
    outside: &[("realtime_tui", &[]), ("realtime_client", &[])],
};

const CLIENT: CrateRules = CrateRules {
    name: "realtime_tui",
    directory: "tui-client",
    arrows: &[
        ("main", &["lib"]),
        ("lib", &["runtime", "pipe", "cli", "config", "demo"]),
        ("pipe", &["runtime", "net", "app", "config", "cli"]),
        ("runtime", &["net", "app", "ui", "terminal", "terminal_input", "demo", "config", "state"]),
        ("demo", &["net", "app"]),
        ("ui", &["app", "markup", "terminal", "terminal_input"]),
        ("app", &["markup", "terminal_input"]),
        ("markup", &[]),
        ("net", &[]),
        ("terminal", &["terminal_input"]),
        ("terminal_input", &[]),
        ("state", &[]),
        ("config", &["cli", "state", "settings"]),
        ("settings", &["app"]),
        ("cli", &["app"]),
        ("sanitize", &["width"]),
        ("lookalike", &["sanitize"]),
        ("typed_room", &[]),
        ("kept_texts", &[]),
        ("width", &[]),
    ],
    binary: &[],
    common: &["sanitize", "lookalike", "typed_room", "kept_texts", "width"],
    interfaces: &[("app", "net"), ("config", "net"), ("settings", "net")],
    outside: &[("realtime_server", &["demo"]), ("realtime_client", &["lib"])],
};

const CLIENT_LIBRARY: CrateRules = CrateRules {
    name: "realtime_client",
    directory: "tui-client/net",
    arrows: &[
        ("lib", &["client"]),
        ("client", &["task", "room_state", "waiting"]),
        ("room_state", &["event", "entry"]),
        ("waiting", &["event", "command", "outbox"]),
        ("entry", &[]),
        ("task", &["session", "link", "claims", "dial", "tokens"]),
        (
            "session",
            &["rooms", "outbox", "pacer", "requests", "markers", "renewal", "event", "command", "config"],
        ),
        ("link", &["event", "tls", "dial"]),
        ("command", &["tokens"]),
        ("event", &["trace", "command", "claims", "entry"]),
        ("dial", &[]),
        ("requests", &["command", "held"]),
        ("held", &[]),
        ("markers", &[]),
        ("config", &["backoff"]),
        ("trace", &[]),
        ("rooms", &[]),
        ("outbox", &["submission"]),
        ("submission", &[]),
        ("pacer", &[]),
        ("backoff", &[]),
        ("claims", &[]),
        ("tokens", &["claims"]),
        ("renewal", &[]),
        ("tls", &[]),
    ],
    binary: &[],
    common: &[],
    interfaces: &[],
    outside: &[("realtime_server", &[]), ("realtime_tui", &[])],
};

const LOAD: CrateRules = CrateRules {
    name: "realtime_load",
    directory: "server/load",
    arrows: &[
        ("lib", &["report", "many_rooms"]),
        ("report", &["run"]),
        ("many_rooms", &["run", "handshake"]),
        ("run", &["connection", "options", "pacer"]),
        ("connection", &["sender", "observer", "histogram", "handshake"]),
        ("handshake", &[]),
        ("sender", &["dialect", "frame", "mark"]),
        ("observer", &["mark"]),
        ("options", &["scene", "target", "tokens"]),
        ("target", &["dialect", "process", "server_command"]),
        ("server_command", &["redis"]),
        ("redis", &["program"]),
        ("dialect", &[]),
        ("frame", &[]),
        ("histogram", &[]),
        ("mark", &[]),
        ("pacer", &[]),
        ("process", &[]),
        ("program", &[]),
        ("scene", &[]),
        ("tokens", &[]),
    ],
    binary: &[],
    common: &[],
    interfaces: &[],
    outside: &[
        ("realtime_shared", &[]),
        ("realtime_server", &[]),
        ("realtime_tui", &[]),
        ("realtime_client", &[]),
        ("realtime_shell", &[]),
    ],
};

const SHELL: CrateRules = CrateRules {
    name: "realtime_shell",
    directory: "shared/shell",
    arrows: &[("lib", &[])],
    binary: &[],
    common: &[],
    interfaces: &[],
    outside: &[
        ("realtime_shared", &[]),
        ("realtime_server", &[]),
        ("realtime_tui", &[]),
        ("realtime_client", &[]),
        ("realtime_load", &[]),
    ],
};

/// A crate without arrows: its modules are small, and any may import any other unless that forms a circle.
const SHARED: (&str, &str) = ("shared", "realtime_shared");

const ALL_WITH_ARROWS: [&CrateRules; 5] = [&SERVER, &CLIENT, &CLIENT_LIBRARY, &LOAD, &SHELL];

/// Reads the files under the `src` of a crate. A crate that has moved fails.
fn read_sources(directory: &str) -> Vec<Source> {
    let root = workspace().join(directory).join("src");
    let mut sources = Vec::new();
    let mut directories = vec![root.clone()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file =
                    path.strip_prefix(&root).expect("under it").to_str().expect("UTF-8").replace('\\', "/");
                sources.push((file, fs::read_to_string(&path).expect("a source")));
            }
        }
    }
    assert!(sources.iter().any(|(file, _)| file == "lib.rs"), "{directory} has no lib.rs");
    sources
}

fn workspace() -> std::path::PathBuf {
    FilePath::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn imports_follow_the_arrows() {
    for rules in ALL_WITH_ARROWS {
        let violations = rules.violations(&read_sources(rules.directory));
        let lines: Vec<_> = violations.iter().map(String::as_str).collect();
        assert!(lines.is_empty(), "imports against the arrows of {}:\n{}", rules.name, lines.join("\n"));
    }
}

#[test]
fn files_of_a_crate_form_no_circle() {
    let of_rules = |rules: &&CrateRules| (rules.directory, rules.name, rules.binary);
    let crates = ALL_WITH_ARROWS.iter().map(of_rules).chain([(SHARED.0, SHARED.1, &[][..])]);
    let mut unexpected = Vec::new();
    for (directory, name, binary) in crates {
        for circle in circles::circles(&read_sources(directory), name, binary) {
            unexpected.push(format!("{directory}: {circle}"));
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.concat());
}

#[test]
fn every_crate_of_the_workspace_is_checked() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("the manifest of the workspace");
    let members =
        manifest.lines().find_map(|line| line.strip_prefix("members = [")).expect("one line of members");
    let members: BTreeSet<_> = members.split('"').skip(1).step_by(2).collect();
    let checked = ALL_WITH_ARROWS.iter().map(|rules| rules.directory).chain([SHARED.0]);
    assert_eq!(members, checked.collect());
}
