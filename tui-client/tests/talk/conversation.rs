//! Two people talk, through the real server.

use rustix::process::Signal;

use crate::server::Server;
use crate::terminal::{MEDIUM, NARROW, Terminal, WIDE};

/// Alice and Bob in the lobby, each seeing the other.
pub(crate) fn alice_and_bob(server: &Server) -> (Terminal, Terminal) {
    let people = (server.client("alice", WIDE), server.client("bob", WIDE));
    for person in [&people.0, &people.1] {
        person.is_connected();
        person.shows("HERE 2");
    }
    people
}

/// The lines of a screen that have `text`.
pub(crate) fn lines<'a>(screen: &'a str, text: &str) -> Vec<&'a str> {
    screen.lines().filter(|line| line.contains(text)).collect()
}

#[test]
fn what_one_says_the_other_sees() {
    let server = Server::start();
    let (mut alice, mut bob) = alice_and_bob(&server);
    alice.settle();
    alice.say("good evening");
    let seen = bob.shows("good evening");
    assert!(lines(&seen.text, "good evening")[0].contains("alice"), "{}", seen.text);
    alice.shows("good evening ✓");
    bob.say("and to you");
    alice.shows("and to you");
    alice.drew_only_its_own("a talk");
}

#[test]
fn typing_shows_and_expires() {
    let server = Server::start();
    let (mut alice, bob) = alice_and_bob(&server);
    alice.press("h");
    bob.shows("alice is typing…");
    // Ctrl-U: nothing is written any more, and she says so.
    alice.press("\x15");
    bob.shows_no_more("is typing…");
    alice.press("h");
    bob.shows("alice is typing…");
    // She cannot say that she stopped: it is Bob's client that stops to believe it.
    alice.signal(Signal::STOP);
    bob.shows_no_more("is typing…");
}

#[test]
fn a_server_that_dies_and_comes_back_loses_nothing_that_is_typed() {
    const MEANWHILE: [&str; 3] = ["first of three", "second of three", "third of three"];
    let mut server = Server::start();
    let (mut alice, mut bob) = alice_and_bob(&server);
    alice.say("before");
    bob.shows("before");

    server.kill();
    alice.is_disconnected();
    bob.is_disconnected();
    for line in MEANWHILE {
        alice.say(line);
        alice.shows(&format!("{line} … queued"));
    }
    alice.shows("↑ 3 queued");

    server.serve();
    alice.is_connected();
    bob.is_connected();
    alice.shows("third of three ✓");
    bob.shows("third of three");
    // What would come twice has come when the answer is there.
    bob.say("that is all");
    for person in [&bob, &alice] {
        let seen = person.shows("that is all");
        let found = lines(&seen.text, "of three");
        let in_order = found.iter().zip(MEANWHILE).all(|(line, said)| line.contains(said));
        assert!(found.len() == MEANWHILE.len() && in_order, "{}", seen.text);
        assert_eq!(lines(&seen.text, "before").len(), 1, "{}", seen.text);
        assert_eq!(lines(&seen.text, "offline").len(), 1, "{}", seen.text);
        assert!(!seen.text.contains("reset"), "{}", seen.text);
    }
    let seen = alice.shows("that is all");
    assert!(!seen.text.contains("queued"), "{}", seen.text);
}

#[test]
fn the_window_changes_its_size_while_they_talk() {
    let server = Server::start();
    let (alice, mut bob) = alice_and_bob(&server);
    alice.resize(NARROW);
    alice.until("one pane", |screen| screen.starts_with("lobby ●") && !screen.contains("ROOMS"));
    bob.say("to the narrow one");
    alice.shows("to the narrow one");

    alice.resize(MEDIUM);
    alice.until("list of rooms", |screen| screen.contains("ROOMS") && !screen.contains("HERE"));
    bob.say("to the medium one");
    alice.shows("to the medium one");

    alice.resize(WIDE);
    let seen = alice.until("list of members", |screen| screen.contains("ROOMS") && screen.contains("HERE 2"));
    alice.is_connected();
    assert_eq!(lines(&seen.text, "to the").len(), 2, "{}", seen.text);
}
