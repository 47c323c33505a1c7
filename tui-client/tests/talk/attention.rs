//! Attention in a real terminal: reports of the focus, the bell, scrolled-back rooms, and a restart of the server.

use crate::conversation::alice_and_bob;
use crate::fake_server::{FakeServer, Script};
use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal, WHITE, WIDE};

const FOCUS: &str = "\x1b[I";
const NO_FOCUS: &str = "\x1b[O";
const PAGE_UP: &str = "\x1b[5~";
const PAGE_DOWN: &str = "\x1b[6~";
/// The bell, outside of the end of a sequence.
const BELL: u8 = 7;

/// Grey on a light background, which only an answer of the terminal can cause.
const ON_LIGHT: &str = "38;5;241";

/// The window loses the focus. Returns the number of bytes that were written before the client has handled this. No key is
/// pressed for that, because a key counts as attention.
pub(crate) fn lose_focus(client: &mut Terminal) -> usize {
    client.settle();
    let before = client.shows("beginning of #").written;
    client.press(&format!("{NO_FOCUS}{WHITE}"));
    client.wait_until_written(before, ON_LIGHT);
    before
}

fn title_with(count: u64) -> String {
    format!("\x1b]2;({count}) lobby - realtime")
}

#[test]
fn a_window_without_the_focus_keeps_messages_unread_and_rings() {
    let mut fake = FakeServer::start(Script::default());
    let mut client = fake.client(MEDIUM);
    client.shows("beginning of #lobby");
    let before = lose_focus(&mut client);
    fake.post("lobby", "bob", "me, are you there?");
    let seen = client.shows("@1 1");
    client.wait_until_written(before, &title_with(1));
    assert!(client.written_from(before).contains(&BELL));
    client.press(FOCUS);
    client.shows("1 new");
    let read = client.shows_no_more("@1 1");
    assert!(seen.written < read.written);
    fake.post("lobby", "bob", "me, with the focus");
    let seen = client.shows("me, with the focus");
    assert!(!seen.text.contains("@1"), "{}", seen.text);
}

#[test]
fn typing_in_a_window_without_the_focus_reads_it() {
    let mut fake = FakeServer::start(Script::default());
    let mut client = fake.client(MEDIUM);
    client.shows("beginning of #lobby");
    lose_focus(&mut client);
    fake.post("lobby", "bob", "me, are you there?");
    client.shows("@1 1");
    client.press("x");
    client.shows_no_more("@1 1");
}

#[test]
fn what_is_below_the_screen_is_unread_until_it_is_reached() {
    let mut fake = FakeServer::start(Script::default());
    let mut client = fake.client(WIDE);
    client.shows("beginning of #lobby");
    client.press(FOCUS);
    for number in 1..=80 {
        fake.post("lobby", "bob", &format!("old {number}."));
    }
    client.shows("old 80.");
    client.press(PAGE_UP);
    client.shows_no_more("old 80.");
    fake.post("lobby", "bob", "me, below the screen");
    client.shows("@1 1");
    client.press(&PAGE_DOWN.repeat(2));
    client.shows("me, below the screen");
    client.shows_no_more("@1 1");
}

/// The frame that shows new messages is followed by one that counts them as read.
#[test]
fn the_counts_follow_the_frame_that_was_seen() {
    let mut fake = FakeServer::start(Script { pongs: 1, ..Script::default() });
    let arguments = ["--url", &fake.url(), "--room", "lobby", "--room", "dev"];
    let mut client = Terminal::start(MEDIUM, "a.b.c", &arguments);
    client.shows("beginning of #lobby");
    fake.post("dev", "bob", "me, look");
    client.shows("@1 1");
    client.press("\x1b2");
    client.shows("1 new");
    client.shows_no_more("@1 1");
}

#[test]
fn after_a_restart_of_the_server_nobody_has_come() {
    let mut server = Server::start();
    let (mut alice, bob) = alice_and_bob(&server);
    let carol = server.client("carol", MEDIUM);
    alice.shows("+carol");
    alice.submit("before the restart");
    alice.shows("before the restart ✓");
    bob.wait_for_connection();
    carol.wait_for_connection();
    server.kill();
    for client in [&alice, &bob, &carol] {
        client.wait_for_disconnect();
    }
    server.serve();
    for client in [&alice, &bob, &carol] {
        client.wait_for_connection();
    }
    // Bob's client has joined again when it stores a message; so has Carol's.
    let mut others: [Terminal; 2] = [bob, carol];
    for (client, text) in others.iter_mut().zip(["bob is back", "carol is back"]) {
        client.submit(text);
        client.shows(&format!("{text} ✓"));
    }
    alice.shows("carol is back");
    let before = alice.shows("bob is back").text;
    let after = before.split_once("before the restart").expect("the message").1;
    assert!(!after.contains('+') && !after.contains("came back"), "{before}");
    alice.submit("the end");
    alice.shows("the end ✓");
}
