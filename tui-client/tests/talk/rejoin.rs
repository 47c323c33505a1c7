//! Rooms that the next start joins again.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

const CTRL_C: &str = "\x03";

/// Alice's client, whose state is kept in `home`.
fn start(server: &Server, token: &str, home: &TempDir, more: &[&str]) -> Terminal {
    let url = server.url();
    let arguments = [&["--url", &url], more].concat();
    let alice = Terminal::start_keeping(MEDIUM, token, &arguments, Some(home.path()));
    alice.wait_for_connection();
    alice
}

/// Joins a room. The ack of a message shows that the join is accepted.
fn join(alice: &mut Terminal, room: &str) {
    alice.submit(&format!("/join {room}"));
    alice.submit(&format!("hello {room}"));
    alice.shows(&format!("hello {room} ✓"));
}

fn quit(mut alice: Terminal) {
    alice.press(CTRL_C);
    assert_eq!(alice.ended().code, 0);
}

/// Waits until the list has these rooms and not the others.
#[track_caller]
fn assert_rooms(alice: &Terminal, rooms: &[&str], others: &[&str]) {
    let is_listed = |screen: &str, room: &str| screen.lines().any(|line| line.trim_start().starts_with(room));
    let what = format!("{rooms:?} and not {others:?} in the list");
    alice.wait_until(&what, |screen| {
        rooms.iter().all(|room| is_listed(screen, room)) && !others.iter().any(|room| is_listed(screen, room))
    });
}

#[test]
fn joined_rooms_are_joined_again_until_they_are_left() {
    let server = Server::start();
    let token = server.token("alice");
    let home = TempDir::new().expect("a directory");
    let mut alice = start(&server, &token, &home, &["--room", "lobby"]);
    join(&mut alice, "dev");
    join(&mut alice, "ops");
    quit(alice);
    // Two clients at once: neither loses the rooms of the other.
    let mut one = start(&server, &token, &home, &[]);
    assert_rooms(&one, &["▸lobby", "dev", "ops"], &[]);
    let mut two = start(&server, &token, &home, &["--room", "second"]);
    assert_rooms(&two, &["▸second", "lobby", "dev", "ops"], &[]);
    join(&mut one, "from-one");
    join(&mut two, "from-two");
    one.submit("/leave dev");
    assert_rooms(&one, &["ops", "▸from-one"], &["dev"]);
    quit(one);
    quit(two);
    let all = ["▸lobby", "ops", "second", "from-one", "from-two"];
    let alice = start(&server, &token, &home, &[]);
    assert_rooms(&alice, &all, &["dev"]);
    alice.signal(Signal::TERM);
    alice.ended();
    let alice = start(&server, &token, &home, &["--no-rejoin", "--room", "ops"]);
    assert_rooms(&alice, &["▸ops"], &["lobby", "second", "from-one", "from-two"]);
}

#[test]
fn a_refused_room_of_the_last_start_is_reported_once() {
    let server = Server::start();
    let home = TempDir::new().expect("a directory");
    let mut alice = start(&server, &server.token("alice"), &home, &["--room", "secret"]);
    join(&mut alice, "lobby");
    quit(alice);
    let token = server.token_with("alice", &["--room", "lobby"]);
    let alice = start(&server, &token, &home, &[]);
    alice.shows("The next start does not join");
    assert_rooms(&alice, &["▸lobby"], &[]);
    quit(alice);
    let alice = start(&server, &token, &home, &[]);
    let seen = alice.shows("hello lobby");
    assert!(!seen.text.contains("secret"), "{}", seen.text);
}
