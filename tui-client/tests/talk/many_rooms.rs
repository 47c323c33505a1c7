//! A client in more rooms than the server answers at once.

use crate::server::Server;
use crate::terminal::{MEDIUM, Terminal};

/// Bytes of Alt-Up and Alt-Down: the room above and below.
const ROOM_ABOVE: &str = "\x1b[1;3A";
const ROOM_BELOW: &str = "\x1b[1;3B";

#[test]
fn the_last_of_many_rooms_shows_its_messages_and_the_first_no_errors() {
    let server = Server::start();
    let url = server.url();
    let mut bob = Terminal::start(MEDIUM, &server.token("bob"), &["--url", &url, "--room", "room-54"]);
    bob.shows("beginning of #room-54");
    bob.submit("in the last room");
    bob.shows("in the last room ✓");
    let rooms: Vec<String> = (0..55).map(|number| format!("room-{number:02}")).collect();
    let joins = rooms.iter().flat_map(|room| ["--room", room]);
    let arguments: Vec<&str> = ["--url", &url].into_iter().chain(joins).collect();
    let mut alice = Terminal::start(MEDIUM, &server.token("alice"), &arguments);
    alice.wait_for_connection();
    alice.shows("beginning of #room-00");
    alice.press(ROOM_ABOVE);
    alice.shows("in the last room");
    alice.press(ROOM_BELOW);
    let seen = alice.shows("beginning of #room-00");
    assert!(!seen.text.contains("too many"), "{}", seen.text);
}
