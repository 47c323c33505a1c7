//! Tests of the program `realtime-server` as a process: output, refusals, secrets, the store and shutdown.

mod erasure;
mod files;
mod log;
mod nginx;
mod program;
mod ready;
mod redis;
#[path = "../support/redis.rs"]
mod redis_server;
mod redis_slots;
mod redis_transfer;
mod redis_trial;
mod signals;
mod store;
mod terminal;
mod transfer;
mod upgrades;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::thread;

use realtime_server::auth::{Identity, Verifier};
use realtime_server::clock::Clock;
use realtime_server::config::Config;
use realtime_server::secret::Secret;
use realtime_shared::{Role, RoomName};

use program::{Home, Program, next};

const SECRET: &str = "a secret of more than thirty-two bytes";

#[track_caller]
fn verified(token: &str, secret: &str) -> Identity {
    let config = Config::new(Secret::new(secret.as_bytes()).expect("long enough"));
    Verifier::new(&config).verify(token, Clock::system().now()).expect("a good token")
}

#[test]
fn help_and_version_are_output() {
    let home = Home::new();
    for words in [
        &["--help"][..],
        &["help"],
        &["serve", "--help"],
        &["token", "-h"],
        &["--version"],
        &["completions", "bash"],
        &["man"],
        &["man", "serve"],
    ] {
        let done = home.run(words).succeeded();
        assert!(!done.stdout().is_empty() && done.stderr().is_empty(), "{words:?}");
    }
    assert!(!home.secret_file().exists());
}

#[test]
fn an_invalid_command_line_is_reported_in_one_line() {
    let home = Home::new();
    for (words, named) in [
        (&[][..], "--help"),
        (&["srve"], "serve"),
        (&["serve", "--listne", "127.0.0.1:0"], "--listen"),
        (&["serve", "--listen", "nowhere"], "--listen"),
        (&["serve", "--workers", "0"], "--workers"),
        (&["serve", "--allow-origin", "https://chat.example.org/"], "without a path"),
        (&["serve", "--allow-origin", "https://*.example.org"], "no wildcards"),
        (&["serve", "--ping-interval", "25"], "30s"),
        (&["serve", "--log", "info,=,"], "REALTIME_LOG"),
        (&["serve", "--log", "verbose"], "error, warn, info, debug, trace"),
        (&["serve", "--log", ""], "error, warn, info, debug, trace"),
        (&["serve", "--log", "realtime_sever=debug"], "error, warn, info, debug, trace"),
        (&["serve", "--log-level-file", "/nonexistent/level"], "/nonexistent/level"),
        (&["serve", "--jwt-secret-file", "/nonexistent/secret"], "/nonexistent/secret"),
        (&["man", "srve"], "serve"),
        (&["completions", "sh"], "zsh"),
        (&["token"], "--user"),
        (&["token", "--user", ""], "--user"),
        (&["token", "--user", "a\u{202e}b"], "U+202E"),
        (&["token", "--user", "alice", "--ttl", "0"], "--ttl"),
        (&["token", "--user", "alice", "--role", "root"], "--role"),
    ] {
        let line = home.run(words).failed(2);
        assert!(line.contains(named), "{words:?}: {line}");
    }
    assert!(!home.secret_file().exists(), "an invalid command creates no secret");
}

#[test]
fn token_prints_only_the_token() {
    let home = Home::new();
    let flags = [
        "--room",
        "chat-*",
        "--room",
        "lobby",
        "--read-only",
        "chat-news",
        "--moderate",
        "chat-a",
        "--ttl",
        "1h",
    ];
    let done = home.run(&[&["token", "--user", "büro 7"][..], &flags].concat()).succeeded();
    assert!(done.stderr().contains(&home.secret_file().display().to_string()), "{}", done.stderr());
    let secret = fs::read_to_string(home.secret_file()).expect("created");
    let identity = verified(&done.line(), secret.trim_end());

    let room = |name| RoomName::new(name).expect("a name");
    assert_eq!((identity.user.as_str(), identity.role), ("büro 7", Role::User));
    assert!(identity.grants.may_post(&room("chat-a")) && identity.grants.may_post(&room("lobby")));
    assert!(identity.grants.may_use(&room("chat-news")) && !identity.grants.may_post(&room("chat-news")));
    assert!(identity.grants.may_moderate(&room("chat-a")) && !identity.grants.may_moderate(&room("lobby")));
    assert!(!identity.grants.may_use(&room("other")));
    let left = identity.expires_at.millis().saturating_sub(Clock::system().now().millis());
    assert!((3_000_000..=3_600_000).contains(&left), "{left}");

    let admin = home.run(&["token", "--user", "ops", "--role", "admin"]).succeeded();
    let expected = format!("realtime-server: signed with the secret in {}\n", home.secret_file().display());
    assert_eq!(admin.stderr(), expected);
    assert_eq!(verified(&admin.line(), secret.trim_end()).role, Role::Admin);
}

#[test]
fn a_token_that_the_server_would_refuse_is_not_printed() {
    let home = Home::new();
    let rooms = ["--room", "a"].repeat(257);
    let line = home.run(&[&["token", "--user", "alice"], rooms.as_slice()].concat()).failed(2);
    assert!(line.contains("256"), "{line}");
}

#[test]
fn concurrent_programs_agree_on_one_secret_that_only_its_owner_can_read() {
    let home = Home::new();
    let tokens: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| home.token("alice"))).collect();
        runs.into_iter().map(|run| run.join().expect("a token")).collect()
    });
    let path = home.secret_file();
    let secret = fs::read_to_string(&path).expect("created");
    for token in tokens {
        verified(&token, secret.trim_end());
    }
    let mode = |path: &std::path::Path| fs::metadata(path).expect("a file").mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().expect("a directory"))), (0o600, 0o700));

    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("writable");
    for words in [&["token", "--user", "alice"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let line = home.run(words).failed(2);
        assert!(line.contains(&format!("chmod 600 {}", path.display())), "{line}");
    }
}

#[test]
fn the_secret_can_come_from_a_variable_or_a_file() {
    let home = Home::new();
    let file = home.file("secret", &format!("{SECRET}\n"));
    let words = ["token", "--user", "alice"];
    let from_variable = home.program(&words).env("REALTIME_JWT_SECRET", SECRET).run().succeeded().line();
    let from_file = home.program(&words).env("REALTIME_JWT_SECRET_FILE", &file).run().succeeded().line();
    for token in [from_variable, from_file] {
        verified(&token, SECRET);
    }
    assert!(!home.secret_file().exists());

    let both = home.program(&words).env("REALTIME_JWT_SECRET_FILE", &file);
    let line = both.env("REALTIME_JWT_SECRET", format!("{SECRET}, too")).run().failed(2);
    assert!(line.contains("different"), "{line}");
    assert!(!line.contains(SECRET), "{line}");
}

#[test]
fn a_short_secret_is_refused() {
    let home = Home::new();
    let words = ["serve", "--listen", "127.0.0.1:0"];
    let short = home.file("short", "hunter2\n");
    let from_file = home.program(&words).env("REALTIME_JWT_SECRET_FILE", &short).run().failed(2);
    let from_variable = home.program(&words).env("REALTIME_JWT_SECRET", "hunter2").run().failed(2);
    let empty = home.program(&words).env("REALTIME_JWT_SECRET", "").run().failed(2);
    for line in [from_file, from_variable, empty] {
        assert!(line.contains("32") && !line.contains("hunter2"), "{line}");
    }
}

#[test]
fn a_taken_port_is_reported_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let line = Home::new().run(&["serve", "--listen", &address]).failed(1);
    assert!(line.contains(&address) && line.contains("another program uses the port"), "{line}");
}

#[test]
fn variables_stand_in_for_flags_and_flags_have_precedence() {
    let home = Home::new();
    let served = home
        .program(&["serve", "--log-format", "text"])
        .env("REALTIME_LISTEN", "127.0.0.1:0,127.0.0.1:0")
        .env("REALTIME_MEMORY", "true")
        .env("REALTIME_LOG_FORMAT", "json")
        .serve();
    let log = served.stopped();
    assert_eq!(log.matches("listening").count(), 2, "{log}");
    assert!(log.contains("in memory") && !log.starts_with('{'), "{log}");

    let line = home.program(&["serve"]).env("REALTIME_LOG", "info,verbose").run().failed(2);
    assert!(line.contains("REALTIME_LOG") && line.contains("`verbose` is not a level"), "{line}");
    let line = home.program(&["serve"]).env("REALTIME_WORKERS", "many").run().failed(2);
    assert!(line.contains("--workers") && line.contains("many"), "{line}");
}

#[test]
fn only_tokens_of_the_program_are_accepted_and_none_is_logged() {
    let home = Home::new();
    let mut served = home.serve(&["--log-format", "json"]);
    let token = home.token("alice");
    let mut alice = served.connect(&token);
    assert!(next(&mut alice).expect("welcome").contains(r#""user_id":"alice""#));
    served.wait_for("connected");

    let forged = token.replace('e', "f");
    for bad in ["", "a%0A%1B%5B31mb", forged.as_str()] {
        assert_eq!(next(&mut served.connect(bad)), Err(4001), "{bad:?}");
        served.wait_for("authentication failed");
    }

    // The server waits for open connections.
    drop(alice);
    let log = served.stopped();
    for secret in [&token, &forged, token.rsplit_once('.').expect("three parts").1, "31mb"] {
        assert!(!log.contains(secret), "{log}");
    }
    for line in log.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok_and(|line| line.is_object()), "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn a_token_is_not_signed_with_a_new_secret_where_a_server_has_another() {
    let home = Home::new();
    let program = home.program(&["serve", "--listen", "127.0.0.1:0"]);
    let served = program.env("REALTIME_JWT_SECRET", SECRET).serve();
    let line = home.run(&["token", "--user", "alice"]).failed(2);
    assert!(line.contains("REALTIME_JWT_SECRET") && line.contains("--jwt-secret-file"), "{line}");
    assert!(!home.secret_file().exists());
    let token =
        home.program(&["token", "--user", "alice"]).env("REALTIME_JWT_SECRET", SECRET).run().succeeded();
    assert_eq!(token.stderr(), "realtime-server: signed with the secret in REALTIME_JWT_SECRET\n");
    next(&mut served.connect(&token.line())).expect("welcome");
    served.stopped();
}

#[test]
fn a_refusal_comes_before_warnings() {
    let home = Home::new();
    let variables = |program: Program| {
        let program = program.env("REALTIME_WROKERS", "1").env("REALTIME_REDIS_ULR", "redis://localhost");
        program.env("REALTIME_PORT", "tcp://10.0.0.1:80").env("REALTIME_TOKEN", "a")
    };
    let warnings = [
        "warning: no program reads the variable REALTIME_REDIS_ULR; the most similar name is REALTIME_REDIS_URL",
        "warning: no program reads the variable REALTIME_WROKERS; the most similar name is REALTIME_WORKERS",
    ]
    .map(|warning| format!("realtime-server: {warning}"));
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    for (words, refusal) in [
        (&["serve", "--listne", "x"][..], "--listen"),
        (&["serve", "--wait-for-redis", "1s"], "--redis-url"),
        (&["serve", "--memory", "--listen", &address], "another program uses the port"),
        (&["token", "--user", ""], "--user"),
        (&["export", "--all"], "store"),
    ] {
        let done = variables(home.program(words)).run();
        let stderr = done.stderr();
        let lines: Vec<_> = stderr.lines().collect();
        assert!(lines[0].contains(refusal) && !lines[0].contains("warning"), "{words:?}: {stderr}");
        assert_eq!(lines[1..], warnings, "{words:?}");
    }
    let done = variables(home.program(&["token", "--user", "alice"])).run().succeeded();
    assert_eq!(done.stderr().lines().skip(1).collect::<Vec<_>>(), warnings);
    done.line();
    let help = variables(home.program(&["token", "--help"])).run().succeeded();
    assert_eq!(help.stderr(), "");

    let log = variables(home.program(&["serve", "--memory", "--listen", "127.0.0.1:0"])).serve().stopped();
    assert!(log.lines().next().is_some_and(|line| line.contains("starting")), "{log}");
    assert_eq!(log.matches("no program reads the variable").count(), 2, "{log}");
}
