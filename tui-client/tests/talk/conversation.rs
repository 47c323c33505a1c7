//! Conversations of two users through the real server.

use rustix::process::Signal;

use crate::server::Server;
use crate::terminal::{MEDIUM, NARROW, Terminal, WIDE};

/// Starts clients of Alice and Bob in the lobby, each of whom sees the other.
pub(crate) fn alice_and_bob(server: &Server) -> (Terminal, Terminal) {
    let people = (server.client("alice", WIDE), server.client("bob", WIDE));
    for person in [&people.0, &people.1] {
        person.wait_for_connection();
        person.shows("HERE 2");
    }
    people
}

/// Lines of a screen that contain `text`.
pub(crate) fn lines<'a>(screen: &'a str, text: &str) -> Vec<&'a str> {
    screen.lines().filter(|line| line.contains(text)).collect()
}

#[test]
fn a_message_is_shown_to_the_other_member() {
    let server = Server::start();
    let (mut alice, mut bob) = alice_and_bob(&server);
    alice.settle();
    alice.submit("good evening");
    let seen = bob.shows("good evening");
    assert!(lines(&seen.text, "good evening")[0].contains("alice"), "{}", seen.text);
    alice.shows("good evening ✓");
    bob.submit("and to you");
    alice.shows("and to you");
    alice.assert_only_own_drawing("a conversation");
}

#[test]
fn typing_is_shown_and_expires() {
    let server = Server::start();
    let (mut alice, bob) = alice_and_bob(&server);
    alice.press("h");
    bob.shows("alice is typing…");
    // Ctrl-U empties the draft, and her client sends that she stopped.
    alice.press("\x15");
    bob.shows_no_more("is typing…");
    alice.press("h");
    bob.shows("alice is typing…");
    // A stopped client cannot send that she stopped typing. Bob's client expires it.
    alice.signal(Signal::STOP);
    bob.shows_no_more("is typing…");
}

#[test]
fn messages_typed_while_the_server_is_down_are_sent_once_and_in_order() {
    const MEANWHILE: [&str; 3] = ["first of three", "second of three", "third of three"];
    let mut server = Server::start();
    let (mut alice, mut bob) = alice_and_bob(&server);
    alice.submit("before");
    bob.shows("before");

    server.kill();
    alice.wait_for_disconnect();
    bob.wait_for_disconnect();
    for line in MEANWHILE {
        alice.submit(line);
        alice.shows(&format!("{line} … queued"));
    }
    alice.shows("↑ 3 queued");

    server.serve();
    alice.wait_for_connection();
    bob.wait_for_connection();
    alice.shows("third of three ✓");
    bob.shows("third of three");
    // A duplicate would have arrived before the answer.
    bob.submit("that is all");
    for person in [&bob, &alice] {
        let seen = person.shows("that is all");
        let found = lines(&seen.text, "of three");
        let in_order = found.iter().zip(MEANWHILE).all(|(line, said)| line.contains(said));
        assert!(found.len() == MEANWHILE.len() && in_order, "{}", seen.text);
        assert_eq!(lines(&seen.text, "before").len(), 1, "{}", seen.text);
        assert!(lines(&seen.text, "offline").len() <= 1, "{}", seen.text);
        assert!(!seen.text.contains("reset"), "{}", seen.text);
    }
    let seen = alice.shows("that is all");
    assert!(!seen.text.contains("queued"), "{}", seen.text);
}

#[test]
fn messages_are_shown_after_the_window_is_resized() {
    let server = Server::start();
    let (alice, mut bob) = alice_and_bob(&server);
    alice.resize(NARROW);
    alice.wait_until("one pane", |screen| screen.starts_with("lobby ●") && !screen.contains("ROOMS"));
    bob.submit("to the narrow one");
    alice.shows("to the narrow one");

    alice.resize(MEDIUM);
    alice.wait_until("list of rooms", |screen| screen.contains("ROOMS") && !screen.contains("HERE"));
    bob.submit("to the medium one");
    alice.shows("to the medium one");

    alice.resize(WIDE);
    let seen =
        alice.wait_until("list of members", |screen| screen.contains("ROOMS") && screen.contains("HERE 2"));
    alice.wait_for_connection();
    assert_eq!(lines(&seen.text, "to the").len(), 2, "{}", seen.text);
}
