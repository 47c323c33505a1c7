//! The demo, whose network is broken.

use crate::terminal::{MEDIUM, Terminal};

#[test]
fn what_is_written_while_its_network_is_down_is_sent_when_it_is_back() {
    let mut visitor = Terminal::start(MEDIUM, "", &["--demo"]);
    visitor.is_connected();
    visitor.say("/net drop 10m");
    visitor.shows("demo: the connection is cut for 600 s");
    visitor.is_disconnected();
    visitor.say("hello from afar");
    visitor.shows("hello from afar … queued");
    visitor.say("/net ok");
    visitor.shows("demo: the network has no fault");
    visitor.press("\x12");
    let seen = visitor.shows("hello from afar ✓");
    assert!(seen.text.contains("·  offline "), "{}", seen.text);
    visitor.press("\x03");
    assert_eq!(visitor.ended().code, 0);
}
