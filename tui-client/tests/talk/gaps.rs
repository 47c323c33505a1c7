//! What is said of the time without a connection, and of what is missing.

use rustix::process::Signal;

use crate::conversation::{alice_and_bob, lines};
use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// Up from here, as the terminal says it.
const PAGE_UP: &str = "\x1b[5~";

/// Alice has heard `heard`, and then nothing of what Bob says after the server was killed and came back.
fn alice_misses(server: &mut Server, heard: &str, missed: &[String]) -> (Terminal, Terminal) {
    let (alice, mut bob) = alice_and_bob(server);
    bob.say(heard);
    alice.shows(heard);
    alice.signal(Signal::STOP);
    server.kill();
    bob.is_disconnected();
    server.serve();
    bob.is_connected();
    for line in missed {
        bob.say(line);
        bob.shows(&format!("{line} ✓"));
    }
    alice.signal(Signal::CONT);
    (alice, bob)
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("missed {number}.")).collect()
}

#[test]
fn what_was_missed_is_counted() {
    let mut server = Server::start();
    let (alice, mut bob) = alice_misses(&mut server, "heard", &numbered(3));
    alice.shows("· 3 recovered");
    let seen = alice.shows("missed 3.");
    assert_eq!(lines(&seen.text, "missed").len(), 3, "{}", seen.text);
    assert_eq!(lines(&seen.text, "heard").len(), 1, "{}", seen.text);
    bob.say("and now");
    alice.shows("and now");
    let seen = bob.shows("and now ✓");
    assert!(seen.text.contains("· nothing missed"), "{}", seen.text);
}

#[test]
fn what_is_not_replayed_is_loaded_into_its_place() {
    let mut server = Server::start_with(&["--replay-limit", "2"]);
    let (mut alice, _bob) = alice_misses(&mut server, "heard", &numbered(6));
    let seen = alice.shows("older messages not replayed (PgUp loads them)");
    assert!(seen.text.contains("· 2 of 6 recovered"), "{}", seen.text);
    let seen = alice.shows("missed 6.");
    assert_eq!(lines(&seen.text, "missed").len(), 2, "{}", seen.text);
    alice.press(PAGE_UP);
    let seen = alice.shows("missed 1.");
    assert!(!seen.text.contains("not replayed"), "{}", seen.text);
    let all = [String::from("heard"), String::from("recovered")].into_iter().chain(numbered(6));
    let places: Vec<_> =
        all.map(|text| seen.text.find(&text).unwrap_or_else(|| panic!("no {text}"))).collect();
    assert!(places.is_sorted(), "{}", seen.text);
    assert_eq!(lines(&seen.text, "missed").len(), 6, "each once: {}", seen.text);
}

#[test]
fn rooms_in_memory_begin_anew() {
    let mut server = Server::start_with(&["--memory"]);
    let (alice, mut bob) = alice_and_bob(&server);
    bob.say("of the old log");
    alice.shows("of the old log");
    server.kill();
    server.serve();
    bob.say("of the new log");
    alice.shows("of the new log");
    let seen = alice.shows("history was reset");
    assert!(!seen.text.contains("of the old log"), "{}", seen.text);
}

#[test]
fn going_up_ends_at_the_beginning_or_where_the_rest_is_gone() {
    for (options, end) in [
        (&[][..], "beginning of #lobby"),
        (&["--memory", "--retain-messages", "40"], "older messages are gone"),
    ] {
        let server = Server::start_with(options);
        let (alice, mut bob) = alice_and_bob(&server);
        for number in 1..=60 {
            bob.say(&format!("number {number}."));
        }
        alice.shows("number 60.");
        drop(alice);
        let mut alice = server.client("alice", MEDIUM);
        let mut seen = alice.shows("number 60.").text;
        while !seen.contains(end) {
            alice.press(PAGE_UP);
            seen = alice.until("more", |screen| screen != seen).text;
        }
    }
}
