//! How the commands end: exit codes, closed pipes, signals.

use rustix::process::Signal;

use super::process::{Ended, Process, Reader, post};
use crate::fake::{Fake, Script};
use crate::server::Server;

/// It said one line and printed nothing.
#[track_caller]
fn said(ended: &Ended, code: i32, part: &str) {
    assert_eq!((ended.code, ended.output.as_str()), (Some(code), ""), "{}", ended.errors);
    assert!(ended.errors.lines().count() == 1 && ended.errors.contains(part), "{}", ended.errors);
    assert!(ended.errors.starts_with("realtime-tui: "), "{}", ended.errors);
}

/// Both commands, for the room `lobby` of the server there.
fn both(token: &str, url: &str) -> [Ended; 2] {
    [&["tail"][..], &["send", "hi"]]
        .map(|words| Process::start(token, &[words, &["--url", url, "--room", "lobby"]].concat()).ended())
}

#[test]
fn each_fault_has_its_exit_code() {
    let (mut server, another) = (Server::start(), Server::start());
    for ended in both("sesame", &server.url()) {
        said(&ended, 2, "three parts");
    }
    for ended in both(&another.token("alice"), &server.url()) {
        said(&ended, 3, "realtime-server token");
    }
    let elsewhere = server.token_with("alice", &["--room", "other"]);
    let [tail, send] = both(&elsewhere, &server.url());
    said(&tail, 1, "cannot join lobby");
    said(&send, 5, "line 1 is not stored");
    server.kill();
    for ended in both(&server.token("alice"), &server.url()) {
        said(&ended, 4, "realtime-server serve");
    }
}

#[test]
fn what_is_written_wrong_is_said() {
    for (arguments, part) in [
        (&["tail"][..], "--room"),
        (&["send", "--room", "lobby", ""], "nothing to send"),
        (&["tail", "--room", "lobby", "--since", "x"], "--since"),
        (&["tail", "--room", "dm:bob"], "dm:"),
        (&["man", "tial"], "tail"),
        (&["completions", "sh"], "zsh"),
    ] {
        said(&Process::start("a.b.c", arguments).ended(), 2, part);
    }
}

#[test]
fn a_line_that_is_refused_does_not_hold_up_the_others() {
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
fn what_is_not_acknowledged_in_time_is_given_up() {
    let fake = Fake::start(Script { outage: usize::MAX, ..Script::default() });
    let arguments = ["send", "--url", &fake.url(), "--room", "lobby", "--timeout", "1", "hello"];
    let ended = Process::start("a.b.c", &arguments).ended();
    assert_eq!(ended.code, Some(5), "{}", ended.errors);
    let lines: Vec<&str> = ended.errors.lines().collect();
    assert!(lines[0].contains("line 1 waits (the store is full): hello"), "{lines:?}");
    assert!(lines[1].contains("line 1 may not be stored (the store is full): hello"), "{lines:?}");
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[test]
fn a_signal_tells_what_is_not_sent() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut server = Server::start();
        let mut send = Process::send(&server, "bob", &[]);
        let tail = Process::tail(&server, "alice", &[]);
        send.feed("one\n");
        tail.prints("one\n");
        server.kill();
        send.says("offline: ");
        send.feed("two\n\x1b\n");
        // The third line is refused when the second one has been taken.
        send.says("line 3 is not stored");
        send.signal(signal);
        let ended = send.ended();
        assert_eq!(ended.code, Some(code), "{}", ended.errors);
        assert!(ended.errors.contains("line 2 is not stored (ended by a signal): two"), "{}", ended.errors);
        tail.signal(signal);
        let ended = tail.ended();
        assert_eq!(ended.code, Some(code), "{}", ended.errors);
    }
}

/// A tail of `lobby` that is not read to the end.
fn tail(server: &Server, reader: Reader) -> Process {
    let url = server.url();
    let arguments = ["tail", "--url", &url, "--room", "lobby", "--last", "1000"];
    Process::start_read_by(reader, &server.token("alice"), &arguments)
}

#[test]
fn a_tail_that_nobody_reads_ends() {
    let server = Server::start();
    post(&server, "bob", &["one"]);
    // Nothing more is said in the room.
    let ended = tail(&server, Reader::Leaves).ended();
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), "realtime-tui: joined lobby\n"));
    assert!(ended.output.ends_with(" bob one\n"), "{}", ended.output);
}

#[test]
fn a_reader_that_stands_still_does_not_hold_up_a_signal() {
    let server = Server::start_with(&["--max-messages-per-second", "0"]);
    let long = "x".repeat(4_000);
    // More than a pipe and the queues hold.
    post(&server, "bob", &vec![&*long; 400]);
    let tail = tail(&server, Reader::StandsStill);
    tail.prints(" bob xxx");
    tail.signal(Signal::TERM);
    assert_eq!(tail.ended().code, Some(143));
}

#[test]
fn what_an_installer_needs_is_printed() {
    for arguments in [&["completions", "bash"][..], &["completions", "zsh"], &["man"], &["man", "tail"]] {
        let ended = Process::start("", arguments).ended();
        assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
        assert!(
            ended.output.contains("token-file") || ended.output.contains("token\\-file"),
            "{arguments:?}"
        );
    }
}
