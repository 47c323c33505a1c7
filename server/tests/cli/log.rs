//! Tests of the log with whole programs: a log that nobody reads, repeated lines, the journal, and forged fields.

use std::fs::File;
use std::io::{self, ErrorKind, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::Signal;

use crate::program::{Home, get, next};
use crate::store::{ask, post};
use crate::terminal::open_terminal;

/// Fills a pipe or a terminal until a write would wait.
fn fill(file: &File) {
    let flags = fcntl_getfl(file).expect("flags");
    fcntl_setfl(file, flags | OFlags::NONBLOCK).expect("an open file");
    let mut file = file;
    for chunk in [&[b'x'; 4096][..], b"x"] {
        loop {
            match file.write(chunk) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
    }
    fcntl_setfl(file, flags).expect("an open file");
}

fn file_of(writer: &PipeWriter) -> File {
    OwnedFd::from(writer.try_clone().expect("a descriptor")).into()
}

#[test]
fn a_log_that_nobody_reads_stops_neither_the_chat_nor_the_end() {
    let home = Home::new();
    let (alice, bob) = (home.token("alice"), home.token("bob"));
    let (log, stderr) = io::pipe().expect("a pipe");
    let pipe = file_of(&stderr);
    let flags = ["serve", "--listen", "127.0.0.1:0", "--workers", "1"];
    let mut served = home.program(&flags).start_with_log(stderr.into(), Box::new(log));
    served.wait_until_listening();
    fill(&pipe);

    // Each connection is logged.
    let mut alice = served.connect(&alice);
    next(&mut alice).expect("welcome");
    for _ in 0..3 {
        next(&mut served.connect(&bob)).expect("welcome");
        assert_eq!(next(&mut served.connect("bad")), Err(4001));
    }
    ask(&mut alice, &post("1"), "ack");
    assert!(get(served.address(), "/healthz").starts_with("HTTP/1.1 200"));
    let metrics = get(served.address(), "/metrics");
    assert!(metrics.contains("realtime_log_lines_dropped_total{reason=\"queue_full\"} 0"), "{metrics}");
    served.signal(Signal::TERM);
    assert_eq!(next(&mut alice), Err(1012));
    drop(alice);
    // The log is read only after the end.
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn a_terminal_that_is_stopped_stops_neither_the_chat_nor_the_end() {
    let home = Home::new();
    let token = home.token("alice");
    let (_screen, terminal) = open_terminal();
    fill(&terminal);
    let flags = ["serve", "--memory", "--listen", "127.0.0.1:0"];
    let mut served = home.program(&flags).stdout(terminal).serve();
    let mut alice = served.connect(&token);
    next(&mut alice).expect("welcome");
    ask(&mut alice, &post("1"), "ack");
    served.signal(Signal::TERM);
    assert_eq!(next(&mut alice), Err(1012));
    drop(alice);
    served.wait_for("stopped");
    assert_eq!(served.exit_code(), Some(0));
}

#[test]
fn a_greeting_is_printed_on_a_terminal() {
    let home = Home::new();
    let (mut screen, terminal) = open_terminal();
    let flags = ["serve", "--memory", "--listen", "127.0.0.1:0"];
    let served = home.program(&flags).stdout(terminal).serve();
    let mut shown = String::new();
    let mut byte = [0];
    while !shown.contains("Ctrl-C stops the server") {
        assert_eq!(screen.read(&mut byte).expect("a greeting"), 1, "{shown}");
        shown.push(byte[0].into());
    }
    assert!(shown.contains("--room chat-general"), "{shown}");
    served.stopped();
}

#[test]
fn connections_of_one_user_cannot_fill_the_log() {
    let home = Home::new();
    // Without a limit on the connects of a user.
    let served = home.serve(&["--memory", "--max-connections-per-user", "0"]);
    let (alice, bob) = (home.token("alice"), home.token("bob"));
    for _ in 0..50 {
        next(&mut served.connect(&alice)).expect("welcome");
    }
    next(&mut served.connect(&bob)).expect("welcome");
    let metrics = get(served.address(), "/metrics");
    let log = served.stopped();
    let connected =
        |user: &str| log.lines().filter(|line| line.contains(": connected ") && line.contains(user)).count();
    assert_eq!((connected("user=alice"), connected("user=bob")), (20, 1), "{log}");
    assert!(log.contains("repeated lines were left out lines=30 of=connected"), "{log}");
    assert!(log.lines().last().is_some_and(|line| line.ends_with(": stopped")), "{log}");
    let dropped = metrics
        .lines()
        .find_map(|line| line.strip_prefix("realtime_log_lines_dropped_total{reason=\"repeated\"} "));
    assert!(dropped.expect("a metric").parse::<u32>().expect("a number") >= 30, "{metrics}");
}

#[test]
fn the_journal_gets_priorities_and_no_time() {
    let home = Home::new();
    for is_journal in [true, false] {
        let (log, stderr) = io::pipe().expect("a pipe");
        let metadata = file_of(&stderr).metadata().expect("a pipe");
        let inode = if is_journal { metadata.ino() } else { metadata.ino() + 1 };
        let mut served = home
            .program(&["serve", "--memory", "--listen", "127.0.0.1:0", "--max-connections", "1000000000"])
            .env("JOURNAL_STREAM", format!("{}:{inode}", metadata.dev()))
            .start_with_log(stderr.into(), Box::new(log));
        served.wait_until_listening();
        let log = served.stopped();
        for line in log.lines() {
            assert_eq!(line.starts_with("<6>INFO ") || line.starts_with("<4>WARN "), is_journal, "{line}");
            assert_eq!(
                line.starts_with("20") && line.contains("Z  INFO ") || line.contains("Z  WARN "),
                !is_journal,
                "{line}"
            );
        }
        assert!(log.lines().count() > 3 && log.contains("WARN"), "{log}");
    }
    let (mut log, stderr) = io::pipe().expect("a pipe");
    let metadata = file_of(&stderr).metadata().expect("a pipe");
    let program = home.program(&["serve", "--workers", "0"]);
    let program = program.env("JOURNAL_STREAM", format!("{}:{}", metadata.dev(), metadata.ino()));
    assert_eq!(program.start_with_log(stderr.into(), Box::new(io::empty())).exit_code(), Some(2));
    let mut line = String::new();
    log.read_to_string(&mut line).expect("UTF-8");
    assert!(line.starts_with("<3>realtime-server: "), "{line}");
}

#[test]
fn a_user_id_cannot_forge_a_field() {
    let home = Home::new();
    let mut served = home.serve(&["--memory"]);
    for user in ["mallory address=10.0.0.1", "mallory\" address=\"10.0.0.1", "address=10.0.0.1"] {
        next(&mut served.connect(&home.token(user))).expect("welcome");
        let line = served.wait_for(": connected ");
        let quoted = user.replace('"', "\\\"");
        assert!(line.ends_with(&format!("user=\"{quoted}\" address=127.0.0.1\n")), "{line}");
    }
    served.stopped();
}

#[test]
fn the_log_begins_with_version_engine_and_data_directory() {
    let home = Home::new();
    let version = format!("version={} ", env!("CARGO_PKG_VERSION"));
    let log = home.serve(&[]).stopped();
    let data = home.store().parent().expect("a directory").display().to_string();
    let line = log.lines().next().expect("a line");
    assert!(line.contains(&version) && line.ends_with(&format!(" engine=file data_dir={data}")), "{line}");
    let log = home.serve(&["--memory"]).stopped();
    let line = log.lines().next().expect("a line");
    assert!(line.contains(&version) && line.ends_with(" engine=memory"), "{line}");
}
