//! Tests of signals: stops, hang-ups with and without a terminal, and reloads.

use std::fs;
use std::process::Stdio;

use rustix::process::Signal;

use crate::SECRET;
use crate::program::{Home, RunningServer, next};
use crate::store::{ask, post};
use crate::terminal::open_terminal;

const OTHER_SECRET: &str = "another secret of more than thirty-two bytes";

/// Asserts that the server closed the connection with 1012 and ended with exit code 0.
#[track_caller]
fn stopped_gracefully(
    served: RunningServer,
    mut alice: tungstenite::WebSocket<std::net::TcpStream>,
) -> String {
    assert_eq!(next(&mut alice), Err(1012));
    drop(alice);
    let (code, log, output) = served.ended();
    assert_eq!((code, output.as_str()), (Some(0), ""), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.contains("stopped")), "{log}");
    log
}

#[test]
fn a_signal_closes_connections_with_1012_and_stops_the_server() {
    for signal in [Signal::INT, Signal::TERM, Signal::QUIT] {
        let home = Home::new();
        let served = home.serve(&[]);
        let mut alice = served.connect(&home.token("alice"));
        next(&mut alice).expect("welcome");
        served.signal(signal);
        stopped_gracefully(served, alice);
    }
}

#[test]
fn a_second_signal_ends_the_server_immediately() {
    for (signal, expected) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::QUIT, 131)] {
        let home = Home::new();
        let mut served = home.serve(&["--shutdown-deadline", "1h"]);
        // A client that does not answer its close frame.
        let mut silent = served.connect(&home.token("alice"));
        next(&mut silent).expect("welcome");
        served.signal(Signal::TERM);
        served.wait_for("stopping");
        served.signal(signal);
        let (code, log, _) = served.ended();
        assert_eq!(code, Some(expected), "{log}");
    }
}

#[test]
fn a_hangup_of_a_terminal_stops_the_server_like_a_stop_signal() {
    let flags = ["serve", "--memory", "--listen", "127.0.0.1:0"];
    for at_standard_input in [true, false] {
        let home = Home::new();
        let token = home.token("alice");
        let (screen, terminal) = open_terminal();
        let program = home.program(&flags);
        let mut served = if at_standard_input {
            program.stdin(terminal).start()
        } else {
            program.start_with_log(Stdio::from(terminal), Box::new(screen))
        };
        served.wait_until_listening();
        let mut alice = served.connect(&token);
        next(&mut alice).expect("welcome");
        served.signal(Signal::HUP);
        served.wait_for("stopping");
        // A shell repeats the hang-up of the kernel; a repetition is no second signal.
        served.signal(Signal::HUP);
        let log = stopped_gracefully(served, alice);
        assert!(log.contains("Hangup") && !log.contains("ended at once"), "{log}");
    }
}

#[test]
fn without_a_terminal_a_hangup_reloads_the_secret_and_the_log_level() {
    let home = Home::new();
    let secret = home.file("secret", SECRET);
    let level = home.file("level", "info,realtime_server::http=error\n");
    let token = |name: &str| {
        let words = ["token", "--user", name, "--jwt-secret-file", secret.to_str().expect("UTF-8")];
        home.run(&words).succeeded().line()
    };
    let mut served = home
        .program(&["serve", "--listen", "127.0.0.1:0"])
        .env("REALTIME_JWT_SECRET_FILE", &secret)
        .env("REALTIME_LOG_LEVEL_FILE", &level)
        .serve();
    let old = token("alice");
    let mut alice = served.connect(&old);
    next(&mut alice).expect("welcome");

    fs::write(&secret, OTHER_SECRET).expect("writable");
    fs::write(&level, "info").expect("writable");
    served.signal(Signal::HUP);
    served.wait_for("reloaded the log level");
    served.wait_for("reloaded the secret");
    assert_eq!(next(&mut served.connect(&old)), Err(4001), "the old secret");
    next(&mut served.connect(&token("bob"))).expect("welcome");
    let connected = served.wait_for("connected");
    assert!(connected.contains("bob"), "the former level hid connections: {connected}");

    // Open connections stay.
    ask(&mut alice, &post("1"), "ack");
    served.signal(Signal::TERM);
    stopped_gracefully(served, alice);
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let home = Home::new();
    let level = home.file("level", "info");
    let flags = ["--log-level-file", level.to_str().expect("UTF-8")];
    let mut served = home.serve(&flags);
    let token = home.token("alice");
    fs::write(&level, "verbose").expect("writable");
    fs::remove_file(home.secret_file()).expect("the secret of the first run");
    served.signal(Signal::HUP);
    let line = served.wait_for("the log level stays");
    assert!(line.contains("`verbose` is not a level"), "{line}");
    let line = served.wait_for("the secret stays");
    assert!(line.contains(&home.secret_file().display().to_string()), "{line}");
    assert!(!home.secret_file().exists(), "a reload creates no secret");
    next(&mut served.connect(&token)).expect("welcome");
    served.wait_for("connected");
    served.stopped();
}

#[test]
fn a_hangup_reloads_the_own_secret_and_names_what_only_a_restart_changes() {
    let home = Home::new();
    let mut served = home.serve(&["--memory"]);
    let old = home.token("alice");
    fs::write(home.secret_file(), OTHER_SECRET).expect("the secret of the first run");
    served.signal(Signal::HUP);
    served.wait_for("the log level stays");
    served.wait_for("reloaded the secret");
    assert_eq!(next(&mut served.connect(&old)), Err(4001));
    next(&mut served.connect(&home.token("alice"))).expect("welcome");
    served.stopped();

    let program = home.program(&["serve", "--memory", "--listen", "127.0.0.1:0"]);
    let mut served = program.env("REALTIME_JWT_SECRET", SECRET).serve();
    served.signal(Signal::HUP);
    let line = served.wait_for("the secret stays");
    assert!(line.contains("REALTIME_JWT_SECRET"), "{line}");
    served.stopped();
}

#[test]
fn an_early_hangup_does_not_end_a_server_that_waits_for_redis() {
    // Nothing listens on this port: it was free a moment ago.
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("redis://{}", free.local_addr().expect("bound"));
    drop(free);
    let home = Home::new();
    let mut served = home
        .program(&["serve", "--listen", "127.0.0.1:0", "--redis-url", &url, "--wait-for-redis", "1h"])
        .start();
    served.wait_for("waiting for Redis");
    served.signal(Signal::HUP);
    served.signal(Signal::TERM);
    assert_eq!(served.ended_by(), Some(Signal::TERM), "its handler is not there yet");
}
