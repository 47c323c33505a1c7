//! The inspector on a real connection.

use crate::server::Server;
use crate::terminal::{Terminal, WIDE};

#[test]
fn the_inspector_shows_frames_and_hides_the_token() {
    let server = Server::start();
    let token = server.token("alice");
    let mut alice = Terminal::start(WIDE, &token, &["--url", &server.url(), "--room", "lobby"]);
    alice.wait_for_connection();
    alice.submit("before");
    alice.shows("before ✓");
    let begin = alice.shows("lobby").written;
    alice.press("\x1b[24~");
    alice.shows("─ INSPECTOR ─");
    alice.shows(r#"{"type":"join_room","room":"lobby""#);
    alice.shows("↑ message");
    alice.shows("↓ message");
    alice.shows(r#"sub "alice""#);
    alice.shows("expires in ");
    alice.shows("connected as alice");
    // A message of another user arrives and is the newest frame.
    let mut bob = server.client("bob", WIDE);
    bob.wait_for_connection();
    bob.submit("meanwhile");
    alice.wait_until("a second message", |screen| screen.matches("↓ message").count() == 2);
    alice.press("\r");
    alice.shows("from the server");
    alice.shows(r#"  "type": "#);
    alice.press("\x1b");
    alice.shows_no_more("from the server");
    alice.press("\x1b");
    alice.shows("#lobby");
    let written = String::from_utf8(alice.written_from(begin)).expect("UTF-8");
    let signature = token.rsplit('.').next().expect("a signature");
    assert!(!written.contains(signature), "{written:?}");
    alice.press("\x03");
    assert_eq!(alice.ended().code, 0);
}
