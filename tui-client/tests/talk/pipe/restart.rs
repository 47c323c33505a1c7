//! The commands while the server is killed and restarted: no message is lost or repeated.

use super::process::{Process, post};
use super::streams::texts;
use crate::server::Server;

#[test]
fn a_tail_continues_after_a_restart_of_the_server() {
    let mut server = Server::start();
    let tail = Process::tail(&server, "alice", &["--last", "0"]);
    tail.reports("joined lobby\n");
    let mut expected = Vec::new();
    for round in 0..3 {
        let [before, away, after] = ["before", "away", "after"].map(|when| format!("{when} {round}"));
        post(&server, "bob", &[&before]);
        tail.prints(&format!("{before}\n"));
        server.kill();
        server.serve();
        post(&server, "bob", &[&away, &after]);
        tail.prints(&format!("{after}\n"));
        expected.extend([before, away, after]);
    }
    tail.reports("offline: ");
    tail.reports("joined lobby again after ");
    tail.signal(rustix::process::Signal::TERM);
    let ended = tail.ended();
    assert_eq!(texts(&ended.output), expected, "{}", ended.errors);
}

#[test]
fn sent_lines_are_stored_once_and_in_order_over_restarts() {
    let mut server = Server::start();
    let tail = Process::tail(&server, "alice", &["--last", "0"]);
    tail.reports("joined lobby\n");
    let mut send = Process::send(&server, "bob", &[]);
    let mut expected: Vec<String> = Vec::new();
    for round in 0..3 {
        let lines: Vec<String> = (0..20).map(|number| format!("r{round} n{number}")).collect();
        send.feed(&(lines.join("\n") + "\n"));
        // The kill falls into the middle of the lines.
        tail.prints(&format!("{}\n", lines[5]));
        server.kill();
        send.feed("while the server is down\n");
        server.serve();
        expected.extend(lines);
        expected.push("while the server is down".to_owned());
    }
    send.feed("end\n");
    expected.push("end".to_owned());
    tail.prints("end\n");
    let ended = send.ended();
    assert_eq!(ended.code, Some(0), "{}", ended.errors);
    assert!(ended.errors.contains("offline: ") && ended.errors.contains("connected\n"), "{}", ended.errors);
    tail.signal(rustix::process::Signal::TERM);
    assert_eq!(texts(&tail.ended().output), expected);
}
