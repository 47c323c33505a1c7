//! A message's way as its sender sees it: what waits, what is refused, and what can be done about it.

use crate::fake::{Fake, Script};
use crate::server::Server;
use crate::terminal::{MEDIUM, NARROW, WIDE};

const CTRL_C: &str = "\x03";
const CTRL_R: &str = "\x12";
const CTRL_U: &str = "\x15";
const CTRL_X: &str = "\x18";

#[test]
fn what_cannot_be_stored_now_waits_and_is_not_lost() {
    let fake = Fake::start(Script { outage: usize::MAX, ..Script::default() });
    let mut client = fake.client(WIDE);
    client.is_connected();
    client.say("patience");
    client.shows("patience … waiting: the store is full");
    client.shows("↑ 1 queued");
}

#[test]
fn what_is_refused_says_why_and_goes_again_or_back() {
    for size in [WIDE, MEDIUM] {
        let fake = Fake::start(Script { outage: 2, refusal: "not here".to_owned(), ..Script::default() });
        let mut client = fake.client(size);
        client.is_connected();
        client.say("may I?");
        client.shows("may I? ✗ not sent: not here (Ctrl-R)");
        client.press(CTRL_R);
        client.shows("may I? ✗ not sent: still not here (Ctrl-R)");
        client.press(CTRL_X);
        client.shows("lobby › may I?");
        client.shows_no_more("not sent");
        client.press(CTRL_U);
        client.shows("lobby › message");
    }
}

#[test]
fn what_waits_for_a_connection_can_be_dropped() {
    let mut server = Server::start();
    for size in [WIDE, NARROW] {
        let mut alice = server.client("alice", size);
        alice.shows("beginning of #lobby");
        server.kill();
        alice.shows("○");
        for line in ["first", "second"] {
            alice.say(line);
            alice.shows(&format!("{line} … queued"));
        }
        alice.press(CTRL_X);
        alice.shows("› second");
        alice.press(CTRL_U);
        alice.shows("› message");
        alice.press(CTRL_X);
        alice.shows("› first");
        alice.shows_no_more("queued");
        alice.press(CTRL_U);
        alice.shows("› message");
        alice.press(CTRL_C);
        assert_eq!(alice.ended().code, 0, "nothing is left to ask about");
        server.serve();
    }
}

#[test]
fn what_comes_as_keys_all_at_once_is_taken_whole() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    alice.is_connected();
    alice.say(&format!("{}the end", "word ".repeat(600)));
    alice.shows("the end ✓");
}
