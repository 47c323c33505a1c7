//! The outbox as the sender sees it: queued and refused messages, and the keys for them.

use crate::fake_server::{FakeServer, Script};
use crate::server::Server;
use crate::terminal::{MEDIUM, NARROW, WIDE};

const CTRL_C: &str = "\x03";
const CTRL_R: &str = "\x12";
const CTRL_U: &str = "\x15";
const CTRL_X: &str = "\x18";

#[test]
fn a_temporarily_refused_message_waits() {
    let fake = FakeServer::start(Script { outage: usize::MAX, ..Script::default() });
    let mut client = fake.client(WIDE);
    client.wait_for_connection();
    client.submit("patience");
    client.wait_until("one steady state", |screen| {
        ["patience … waiting", "↑ 1 queued", "◐ waiting", "the store is full"]
            .iter()
            .all(|part| screen.contains(part))
    });
}

#[test]
fn a_refused_message_shows_the_reason_and_is_sent_again_or_taken_back() {
    for size in [WIDE, MEDIUM] {
        let fake =
            FakeServer::start(Script { outage: 2, refusal: "not here".to_owned(), ..Script::default() });
        let mut client = fake.client(size);
        client.wait_for_connection();
        client.submit("may I?");
        client.shows("may I? ✗ not sent: not here (Ctrl-R)");
        client.press(CTRL_R);
        client.shows("may I? ✗ not sent: still not here (Ctrl-R)");
        client.press(CTRL_X);
        client.shows("› may I?");
        client.shows_no_more("not sent");
        client.press(CTRL_U);
        client.shows("› message");
    }
}

#[test]
fn queued_messages_can_be_taken_back() {
    let mut server = Server::start();
    for size in [WIDE, NARROW] {
        let mut alice = server.client("alice", size);
        alice.shows("beginning of #lobby");
        server.kill();
        alice.shows("○");
        for line in ["first", "second"] {
            alice.submit(line);
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
        assert_eq!(alice.ended().code, 0, "no unsent message is left to ask about");
        server.serve();
    }
}

#[test]
fn many_keys_at_once_are_all_taken() {
    let server = Server::start();
    let mut alice = server.client("alice", MEDIUM);
    alice.wait_for_connection();
    alice.submit(&format!("{}the end", "word ".repeat(600)));
    alice.shows("more rows · Alt-L opens them ✓");
    alice.press("\x1bl");
    alice.shows("Alt-L folds the long message");
    alice.press("\x1b[1;3F");
    alice.shows("the end ✓");
}
