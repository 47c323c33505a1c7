//! The search in a room with history on the server.

use crate::conversation::{alice_and_bob, lines};
use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

const CTRL_F: &str = "\x06";
const CTRL_U: &str = "\x15";
const UP: &str = "\x1b[A";
const PAGE_UP: &str = "\x1b[5~";
const ESCAPE: &str = "\x1b";

/// A server with 120 messages in the lobby, two of which contain a needle, and Alice's client.
fn alice_in_a_room_with_120_messages() -> (Server, Terminal) {
    let server = Server::start();
    let (alice, mut bob) = alice_and_bob(&server);
    for number in 1..=120 {
        match number {
            5 => bob.submit("the **first** needle"),
            100 => bob.submit("another Needle"),
            _ => bob.submit(&format!("straw {number}.")),
        }
        if number % 40 == 0 {
            alice.shows(&format!("straw {number}."));
        }
    }
    drop((alice, bob));
    let alice = server.client("alice", MEDIUM);
    alice.shows("straw 120.");
    (server, alice)
}

#[test]
fn a_search_loads_older_messages_and_returns_to_the_draft() {
    let (server, mut alice) = alice_in_a_room_with_120_messages();
    alice.press("half a tho");
    alice.shows("› half a tho");
    alice.press(&format!("{CTRL_F}needle"));
    alice.shows("1 of 1");
    alice.shows("another Needle");
    alice.press(UP);
    alice.shows("2 of 2");
    let seen = alice.shows("the first needle");
    assert!(lines(&seen.text, "straw 120.").is_empty(), "{}", seen.text);
    assert!(seen.text.contains("newer (End)"), "{}", seen.text);
    alice.press("\r");
    alice.shows("n older · N newer");
    alice.press("N");
    alice.shows("another Needle");
    alice.shows("1 of 2");

    let mut bob = server.client("bob", MEDIUM);
    bob.wait_for_connection();
    bob.submit("a needle of today");
    alice.shows("2 of 3");
    alice.press(ESCAPE);
    alice.shows("a needle of today");
    alice.shows("› half a tho");
    alice.press("ught\r");
    alice.shows("half a thought ✓");

    alice.submit("/search nowhere to be found");
    alice.shows("nothing found in 122 loaded messages");
    alice.press(&format!("{CTRL_U}first\r"));
    alice.shows("the first needle");
    alice.press("x");
    alice.shows("› x");
    alice.shows("the first needle");
}

#[test]
fn page_up_restores_a_cleared_screen() {
    let (_server, mut alice) = alice_in_a_room_with_120_messages();
    alice.submit("/clear");
    let seen = alice.shows_no_more("straw");
    assert!(seen.text.contains("PgUp restores"), "{}", seen.text);
    alice.submit("a fresh start");
    let seen = alice.shows("a fresh start ✓");
    assert!(!seen.text.contains("straw"), "{}", seen.text);
    alice.press(PAGE_UP);
    let seen = alice.shows("straw 120.");
    assert!(seen.text.contains("a fresh start"), "{}", seen.text);
}
