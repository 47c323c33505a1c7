//! Notes about times without a connection and about missing messages.

use rustix::process::Signal;

use crate::conversation::{alice_and_bob, lines};
use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// Bytes of the key for a page up.
const PAGE_UP: &str = "\x1b[5~";

/// Alice receives `received`. Then she misses all messages that Bob sends after a restart of the server.
fn alice_misses(server: &mut Server, received: &str, missed: &[String]) -> (Terminal, Terminal) {
    let (alice, mut bob) = alice_and_bob(server);
    bob.submit(received);
    alice.shows(received);
    alice.signal(Signal::STOP);
    server.kill();
    bob.wait_for_disconnect();
    server.serve();
    bob.wait_for_connection();
    for line in missed {
        bob.submit(line);
        bob.shows(&format!("{line} ✓"));
    }
    alice.signal(Signal::CONT);
    (alice, bob)
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("missed {number}.")).collect()
}

#[test]
fn missed_messages_are_recovered_and_counted() {
    let mut server = Server::start();
    let (alice, mut bob) = alice_misses(&mut server, "received", &numbered(3));
    alice.shows("· 3 recovered");
    let seen = alice.shows("missed 3.");
    assert_eq!(lines(&seen.text, "missed").len(), 3, "{}", seen.text);
    assert_eq!(lines(&seen.text, "received").len(), 1, "{}", seen.text);
    bob.submit("and now");
    alice.shows("and now");
    bob.shows("and now ✓");
}

#[test]
fn messages_beyond_the_replay_limit_are_loaded_into_their_place() {
    let mut server = Server::start_with(&["--replay-limit", "2"]);
    let (mut alice, _bob) = alice_misses(&mut server, "received", &numbered(6));
    let seen = alice.shows("older messages not replayed (PgUp loads them)");
    assert!(seen.text.contains("· 2 of 6 recovered"), "{}", seen.text);
    let seen = alice.shows("missed 6.");
    assert_eq!(lines(&seen.text, "missed").len(), 2, "{}", seen.text);
    alice.press(PAGE_UP);
    let seen = alice.shows("missed 1.");
    assert!(!seen.text.contains("not replayed"), "{}", seen.text);
    let all = [String::from("received"), String::from("recovered")].into_iter().chain(numbered(6));
    let places: Vec<_> =
        all.map(|text| seen.text.find(&text).unwrap_or_else(|| panic!("no {text}"))).collect();
    assert!(places.is_sorted(), "{}", seen.text);
    assert_eq!(lines(&seen.text, "missed").len(), 6, "each once: {}", seen.text);
}

#[test]
fn a_lost_log_is_shown_as_reset() {
    let mut server = Server::start_with(&["--memory"]);
    let (alice, mut bob) = alice_and_bob(&server);
    bob.submit("of the old log");
    alice.shows("of the old log");
    server.kill();
    server.serve();
    bob.submit("of the new log");
    alice.shows("of the new log");
    let seen = alice.shows("history was reset");
    assert!(!seen.text.contains("of the old log"), "{}", seen.text);
}

#[test]
fn paging_up_ends_at_the_oldest_message() {
    for (options, end) in [
        (&[][..], "beginning of #lobby"),
        (&["--memory", "--retain-messages", "40"], "older messages are gone"),
    ] {
        let server = Server::start_with(options);
        let (alice, mut bob) = alice_and_bob(&server);
        for number in 1..=60 {
            bob.submit(&format!("number {number}."));
        }
        alice.shows("number 60.");
        drop(alice);
        let mut alice = server.client("alice", MEDIUM);
        let mut seen = alice.shows("number 60.").text;
        while !seen.contains(end) {
            alice.press(PAGE_UP);
            seen = alice.wait_until("more", |screen| screen != seen).text;
        }
    }
}
