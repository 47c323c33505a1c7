//! Exits of the commands: exit codes, closed pipes, signals.

use std::io::ErrorKind;
use std::net::TcpListener;

use rustix::process::Signal;

use super::process::{CommandExit, OutputReader, Process, post};
use crate::fake_server::{FakeServer, Script};
use crate::server::Server;

/// Asserts that the command printed one error line and no output.
#[track_caller]
fn assert_one_error(ended: &CommandExit, code: i32, part: &str) {
    assert_eq!((ended.code, ended.output.as_str()), (Some(code), ""), "{}", ended.errors);
    assert!(ended.errors.lines().count() == 1 && ended.errors.contains(part), "{}", ended.errors);
    assert!(ended.errors.starts_with("realtime-tui: "), "{}", ended.errors);
}

/// Runs both commands in the room `lobby` of a server.
fn run_both(token: &str, url: &str) -> [CommandExit; 2] {
    let options = ["--url", url, "--room", "lobby"];
    [[&["tail"][..], &options].concat(), [&["send"], &options[..], &["hi"]].concat()]
        .map(|words| Process::start(token, &words).ended())
}

#[test]
fn each_failure_has_its_exit_code() {
    let (mut server, another) = (Server::start(), Server::start());
    for ended in run_both("sesame", &server.url()) {
        assert_one_error(&ended, 2, "three parts");
    }
    for ended in run_both(&another.token("alice"), &server.url()) {
        assert_one_error(&ended, 3, "realtime-server token");
    }
    // {"alg":"HS256"} and {"sub":"me","exp":1}
    for ended in run_both("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtZSIsImV4cCI6MX0.c2ln", &server.url()) {
        assert_one_error(&ended, 3, "(at 1970-01-01 00:00)");
    }
    let elsewhere = server.token_with("alice", &["--room", "other"]);
    let [tail, send] = run_both(&elsewhere, &server.url());
    assert_one_error(&tail, 1, "cannot join lobby");
    assert_one_error(&send, 5, "line 1 is not stored");
    server.kill();
    for ended in run_both(&server.token("alice"), &server.url()) {
        assert_one_error(&ended, 4, "realtime-server serve");
    }
}

#[test]
fn a_token_that_expires_and_is_not_renewed_is_reported_once_and_ends_the_commands() {
    let server = Server::start();
    for command in ["tail", "send"] {
        let token = server.token_with("alice", &["--ttl", "1s"]);
        let command = Process::start(&token, &[command, "--url", &server.url(), "--room", "lobby"]);
        command.reports("is not renewed (nothing renews it)");
        command.reports("the token expired ");
        // The input is still open.
        let ended = command.ended();
        assert_eq!(
            (ended.code, ended.errors.matches("not renewed").count()),
            (Some(3), 1),
            "{}",
            ended.errors
        );
    }
}

#[test]
fn faulty_arguments_are_reported() {
    for (arguments, part) in [
        (&["tail"][..], "--room"),
        (&["send", "--room", "lobby", ""], "nothing to send"),
        (&["tail", "--room", "lobby", "--since", "x"], "--since"),
        (&["tail", "--room", "dm:bob"], "dm:"),
        (&["man", "tial"], "tail"),
        (&["completions", "sh"], "zsh"),
    ] {
        assert_one_error(&Process::start("a.b.c", arguments).ended(), 2, part);
    }
}

#[test]
fn an_option_in_the_text_reaches_no_server() {
    let (server, stranger) = (Server::start(), TcpListener::bind("127.0.0.1:0").expect("a port"));
    let stranger_url = format!("--url=ws://{}", stranger.local_addr().expect("an address"));
    let tail = Process::tail(&server, "alice", &["--last", "0"]);
    tail.reports("joined lobby");
    let ended = Process::send(&server, "bob", &[&stranger_url]).ended();
    assert_one_error(&ended, 2, "--room lobby -- --url=ws://");
    let sent = Process::send(&server, "bob", &["--", &stranger_url]).ended();
    assert_eq!((sent.code, sent.errors.as_str()), (Some(0), ""));
    tail.prints(&format!(" bob {stranger_url}\n"));
    tail.signal(Signal::TERM);
    assert_eq!(tail.ended().output.lines().count(), 1);
    stranger.set_nonblocking(true).expect("set");
    assert_eq!(stranger.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}

#[test]
fn a_full_disk_is_reported_without_the_whole_text() {
    let server = Server::start_with(&["--min-free", "8000000000GiB"]);
    let url = server.url();
    let arguments = ["send", "--url", &url, "--timeout", "1", "--room", "lobby", "--", &"x".repeat(4_000)];
    let ended = Process::start(&server.token("bob"), &arguments).ended();
    assert_eq!(ended.code, Some(5), "{}", ended.errors);
    let lines: Vec<&str> = ended.errors.lines().collect();
    assert!(lines[0].contains("line 1 waits (the disk of the server is full"), "{lines:?}");
    assert!(lines[1].contains("(the disk of the server is full"), "{lines:?}");
    assert!(
        lines.len() == 2 && lines.iter().all(|line| line.len() < 300 && line.ends_with('…')),
        "{lines:?}"
    );
}

#[test]
fn a_refused_line_does_not_block_later_lines() {
    let server = Server::start();
    let mut send = Process::send(&server, "bob", &[]);
    send.feed(&format!("one\n\x1b[31mred\n{}\nfour\n", "x".repeat(4_001)));
    let ended = send.ended();
    assert_eq!(ended.code, Some(5));
    let lines: Vec<&str> = ended.errors.lines().collect();
    assert!(lines[0].contains("line 2 is not stored (it has the control character U+001B"), "{lines:?}");
    assert!(lines[1].contains("line 3 is not stored (it is longer"), "{lines:?}");
    assert_eq!(lines.len(), 2);
    let tail = Process::tail(&server, "alice", &[]);
    tail.prints("four\n");
    tail.signal(Signal::TERM);
    assert_eq!(tail.ended().output.lines().count(), 2);
}

#[test]
fn send_fails_without_an_ack_in_time() {
    let fake = FakeServer::start(Script { outage: usize::MAX, ..Script::default() });
    let arguments = ["send", "--url", &fake.url(), "--timeout", "1", "--room", "lobby", "hello"];
    let ended = Process::start("a.b.c", &arguments).ended();
    assert_eq!(ended.code, Some(5), "{}", ended.errors);
    let lines: Vec<&str> = ended.errors.lines().collect();
    assert!(lines[0].contains("line 1 waits (the store is full): hello"), "{lines:?}");
    assert!(lines[1].contains("line 1 may or may not be stored (the store is full): hello"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_signal_reports_unsent_lines() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut server = Server::start();
        let mut send = Process::send(&server, "bob", &[]);
        let tail = Process::tail(&server, "alice", &[]);
        send.feed("one\n");
        tail.prints("one\n");
        server.kill();
        send.reports("offline: ");
        send.feed("two\n\x1b\n");
        // The third line is refused after the second one was taken.
        send.reports("line 3 is not stored");
        send.signal(signal);
        let ended = send.ended();
        assert_eq!(ended.code, Some(code), "{}", ended.errors);
        assert!(ended.errors.contains("line 2 is not stored (ended by a signal): two"), "{}", ended.errors);
        tail.signal(signal);
        let ended = tail.ended();
        assert_eq!(ended.code, Some(code), "{}", ended.errors);
    }
}

/// A tail of `lobby` whose output is read by `reader`.
fn tail(server: &Server, reader: OutputReader) -> Process {
    let url = server.url();
    let arguments = ["tail", "--url", &url, "--room", "lobby", "--last", "1000"];
    Process::start_read_by(reader, &server.token("alice"), &arguments)
}

#[test]
fn a_tail_ends_when_its_output_is_closed() {
    let server = Server::start();
    post(&server, "bob", &["one"]);
    // No later message arrives in the room.
    let ended = tail(&server, OutputReader::Closes).ended();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), "realtime-tui: joined lobby\n"));
    assert!(ended.output.ends_with(" bob one\n"), "{}", ended.output);
}

#[test]
fn a_tail_ends_when_its_reader_goes_away_before_any_message() {
    let server = Server::start();
    let ended = tail(&server, OutputReader::ClosesUnread).ended();
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), ""), "{}", ended.errors);
}

#[test]
fn a_signal_ends_a_tail_whose_reader_stops() {
    let server = Server::start_with(&["--max-messages-per-second", "0"]);
    let long = "x".repeat(4_000);
    // More than the pipe and the queues hold.
    post(&server, "bob", &vec![&*long; 400]);
    let tail = tail(&server, OutputReader::Stops);
    tail.prints(" bob xxx");
    tail.signal(Signal::TERM);
    assert_eq!(tail.ended().code, Some(143));
}

#[test]
fn completions_and_man_pages_are_printed() {
    for arguments in [&["completions", "bash"][..], &["completions", "zsh"], &["man"], &["man", "tail"]] {
        let ended = Process::start("", arguments).ended();
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
        assert!(
            ended.output.contains("token-file") || ended.output.contains("token\\-file"),
            "{arguments:?}"
        );
    }
}
